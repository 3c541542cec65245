// Values and sets in words.
import type { Expression } from '../../model/expression.ts';
import type { SetSource } from '../../model/inline-set.ts';
import type { Ipset } from '../../model/ipset.ts';
import type { Table } from '../../model/ruleset.ts';
import type { Value } from '../../model/value.ts';
import { formatAddress } from '../../net/address.ts';
import { formatPrefix } from '../../net/prefix.ts';
import { allOf, amount, anyOf, count, notUnderstood } from './list.ts';

/** What a rule stands among: the sets and maps that it names are there. */
export interface Surroundings {
  readonly table: Table;
  readonly ipsets?: readonly Ipset[];
}

/** Fields that people know in hexadecimal. */
const HEXADECIMAL: ReadonlySet<string> = new Set(['mark', 'label', 'secmark', 'classid', 'event', 'flags']);

/** A value that is compared with, or written to, what `left` reads. */
export function valueWords(left: Expression, value: Value): string {
  switch (value.kind) {
    case 'number':
      return isHexadecimal(left) ? `0x${value.value.toString(16)}` : String(value.value);
    case 'symbol':
      return value.name === 'ipv6-icmp' ? 'icmpv6' : value.name;
    case 'address':
      return formatAddress(value.address);
    case 'prefix':
      return formatPrefix(value.prefix);
    case 'range':
      return `${valueWords(left, value.first)}-${valueWords(left, value.last)}`;
    case 'concat': {
      const parts = left.kind === 'concat' ? left.parts : [];
      return value.parts.map((part, i) => valueWords(parts[i] ?? left, part)).join(' . ');
    }
    case 'flags':
      return allOf(value.flags.map((flag) => valueWords(left, flag)));
    case 'boolean':
      return value.value ? 'there' : 'not there';
    case 'bytes':
      return `0x${value.hex}`;
    case 'any':
      return 'anything';
    case 'unknown':
      return notUnderstood(value.raw);
    default:
      throw new Error(value satisfies never);
  }
}

function isHexadecimal(left: Expression): boolean {
  if (left.kind === 'mask') return isHexadecimal(left.of) || left.of.kind !== 'payload';
  if (left.kind === 'bits') return isHexadecimal(left.left);
  return (left.kind === 'meta' || left.kind === 'ct' || left.kind === 'rt') && HEXADECIMAL.has(left.key);
}

/** The alternatives of a set that is written out: `22, 80 or 443`. */
export function elementWords(left: Expression, elements: readonly Value[]): string {
  return elements.length === 0 ? 'an empty set' : anyOf(elements.map((value) => valueWords(left, value)));
}

/** `set blocked (1,204 entries)`. */
export function namedSetWords(name: string, { table }: Surroundings): string {
  const set = table.sets.find((each) => each.name === name) ?? table.maps?.find((each) => each.name === name);
  if (set === undefined) return `set ${name} (contents not known)`;
  const held = 'elements' in set ? set.elements.length : set.entries.length;
  const entries = count(held, 'entry', 'entries');
  return `set ${name} (${set.dynamic ? `filled by rules, now ${entries}` : entries})`;
}

/** A set of ipset's. */
export function ipsetWords(name: string, { ipsets }: Surroundings): string {
  const set = ipsets?.find((each) => each.name === name);
  if (set === undefined) return `set ${name} (contents not known)`;
  const unknown = set.unknown.length === 0 ? '' : ` and ${amount(set.unknown.length)} not understood`;
  return `set ${name} (${count(set.entries.length, 'entry', 'entries')}${unknown})`;
}

/** The name of a map with how much it holds. */
export function namedMapWords(name: string, { table }: Surroundings): string {
  const map = table.maps?.find((each) => each.name === name);
  return map === undefined
    ? `map ${name} (contents not known)`
    : `map ${name} (${count(map.entries.length, 'entry', 'entries')})`;
}

/** The values of a set in the rule, or of a single one; undefined: a set with a name. */
export function alternatives(right: Value | SetSource): readonly Value[] | undefined {
  if (right.kind === 'named') return undefined;
  return right.kind === 'elements' ? right.elements : [right];
}
