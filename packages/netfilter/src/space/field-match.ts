// What people write about a field of a packet, as intervals of its values, and back.
import { type Address, formatAddress } from '../net/address.ts';
import { type Interval, type IntervalSet, intervalSet } from '../net/interval.ts';
import { type Prefix, prefixInterval } from '../net/prefix.ts';
import type { Mask } from './classes.ts';
import { type Field, type FieldSlice, type Layout, wordCodes } from './fields.ts';

/** One value of a field: a number, an address, a word of a word field, the name of a protocol. */
export type FieldValue = number | bigint | string | Address;

/** Some values of a field: one, a network, an interval, all under a mask, or any of a list. */
export type FieldMatch =
  | FieldValue
  | Prefix
  | Interval<number>
  | Interval<bigint>
  | Mask
  | readonly FieldMatch[]
  | IntervalSet<bigint>
  | IntervalSet<number>;

type SimpleMatch = FieldValue | Prefix | Interval<number> | Interval<bigint>;

/** Numbers of IANA's "Assigned Internet Protocol Numbers" that rules name. */
const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  ipip: 4,
  tcp: 6,
  udp: 17,
  ipv6: 41,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  ospf: 89,
  vrrp: 112,
  sctp: 132,
  udplite: 136,
};

/** The name of a protocol, or its number. */
export function protocolName(value: bigint): string {
  const found = Object.entries(PROTOCOLS).find(([, number]) => BigInt(number) === value);
  return found?.[0] ?? String(value);
}

/** The match as sorted intervals and masks. A value that the field cannot have is a bug of the caller and throws. */
export function matchValues(
  layout: Layout,
  field: Field | FieldSlice,
  match: FieldMatch,
): { intervals: IntervalSet<bigint>; masks: Mask[] } {
  if (isIntervalSet(match)) {
    const [first] = match;
    const last = match.at(-1);
    if (first === undefined || (first.first >= 0n && last!.last >> BigInt(field.bits) === 0n)) {
      return { intervals: match, masks: [] };
    }
  }
  const intervals: Interval<bigint>[] = [];
  const masks: Mask[] = [];
  const take = (one: FieldMatch): void => {
    if (Array.isArray(one)) for (const each of one) take(each);
    else if (typeof one === 'object' && 'mask' in one) masks.push(one);
    else intervals.push(intervalOf(layout, field, one as SimpleMatch));
  };
  take(match);
  const end = 1n << BigInt(field.bits);
  const outside = intervals.find(({ first, last }) => first < 0n || last < first || last >= end);
  if (outside !== undefined) throw notOf(field, `${outside.first}-${outside.last} is no interval`);
  const beyond = masks.find(({ mask, value }) => mask < 0n || value < 0n || mask >= end || value >= end);
  if (beyond !== undefined) throw notOf(field, `${beyond.value}/${beyond.mask} is no mask`);
  if (masks.length > 0 && field.kind === 'words')
    throw new Error(`${field.name} has words, which have no bits`);
  return { intervals: intervalSet(intervals), masks };
}

/** Long lists come sorted already; sorting 100,000 intervals again is most of the work with them. */
function isIntervalSet(match: FieldMatch): match is IntervalSet<bigint> {
  if (!Array.isArray(match)) return false;
  let before = -2n;
  for (const each of match as readonly FieldMatch[]) {
    if (typeof each !== 'object' || !('first' in each) || typeof each.first !== 'bigint') return false;
    const { first, last } = each as Interval<bigint>;
    if (first <= before + 1n || last < first) return false;
    before = last;
  }
  return true;
}

function notOf(field: Field | FieldSlice, problem: string): Error {
  return new Error(`${problem} of ${field.name}, which has ${field.bits} bits`);
}

function intervalOf(layout: Layout, field: Field | FieldSlice, one: SimpleMatch): Interval<bigint> {
  if (typeof one === 'string') {
    if (field.kind === 'words') return wordCodes(field, one);
    const number = field.name === 'proto' ? PROTOCOLS[one] : undefined;
    if (number === undefined) throw new Error(`${field.name} is never ${one}`);
    return { first: BigInt(number), last: BigInt(number) };
  }
  if (field.kind === 'words') throw new Error(`${field.name} is one of ${field.words.join(', ')}`);
  if (typeof one === 'number' || typeof one === 'bigint') return { first: BigInt(one), last: BigInt(one) };
  if ('first' in one) {
    if (typeof one.first === 'bigint') return one as Interval<bigint>;
    return { first: BigInt(one.first), last: BigInt(one.last) };
  }
  if (one.family !== layout.family) throw new Error(`${formatAddress(one)} in a space of ${layout.family}`);
  return 'length' in one ? prefixInterval(one) : { first: one.value, last: one.value };
}

/** The code of one value. */
export function valueCode(layout: Layout, field: Field | FieldSlice, value: FieldValue): bigint {
  const { first } = intervalOf(layout, field, value);
  if (first < 0n || first >> BigInt(field.bits) !== 0n) throw notOf(field, `${first} is no value`);
  return first;
}

/** A code as its word, address or number. */
export function codeValue(layout: Layout, field: Field, code: bigint): FieldValue {
  if (field.kind === 'words') return field.words[Math.min(Number(code), field.words.length - 1)]!;
  if (field.name === 'src' || field.name === 'dst') return { family: layout.family, value: code };
  return field.bits > 32 ? code : Number(code);
}
