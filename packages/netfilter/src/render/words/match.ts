// One comparison in words.
import type { Expression, Operand } from '../../model/expression.ts';
import type { SetSource } from '../../model/inline-set.ts';
import type { Match, MatchOperator } from '../../model/statement.ts';
import type { Value } from '../../model/value.ts';
import { definite, fieldWords, operandWords } from './field.ts';
import { addressKind, flowState, laterFragment, tcpFlags } from './known-match.ts';
import { allOf, anyOf } from './list.ts';
import { type Phrase, type Place, rest, sentence } from './phrase.ts';
import { alternatives, elementWords, namedSetWords, type Surroundings, valueWords } from './value.ts';

/** The phrases of a match; with a protocol of its own where the field has one. */
export function matchPhrases(match: Match, around: Surroundings): readonly Phrase[] {
  const { left } = match;
  if (match.right.kind !== 'expression') {
    const known = addressKind(match) ?? flowState(match) ?? tcpFlags(match) ?? laterFragment(match);
    if (known !== undefined) return known;
    const values = alternatives(match.right);
    if (left.kind === 'concat' && values !== undefined)
      return [rest(concatWords(match, left.parts, values, around))];
  }
  const role = roleOf(left);
  if (role !== undefined && (match.operator === '==' || match.operator === '!=' || role.noun !== undefined)) {
    return [...familyOf(match, around), ...rolePhrases(match, role, around)];
  }
  return [...familyOf(match, around), ...protocolOf(left), rest(comparisonWords(match, around))];
}

/** What a field is to people: `to port …`, `arriving on …`. */
interface Role {
  readonly place: Place;
  /** `from`, `to`, `arriving on`; empty: the value alone. */
  readonly preposition: string;
  /** Between preposition and value: `port`. */
  readonly noun?: string;
  /** What one member of a set is called. */
  readonly member: string;
}

const SOURCE: Role = { place: 'source', preposition: 'from', member: 'an address' };
const DESTINATION: Role = { place: 'destination', preposition: 'to', member: 'an address' };
const ARRIVING: Role = { place: 'arriving', preposition: 'arriving on', member: 'an interface' };
const LEAVING: Role = { place: 'leaving', preposition: 'leaving by', member: 'an interface' };
const PROTOCOL: Role = { place: 'protocol', preposition: '', member: 'a protocol' };

const ROLES: Readonly<Record<string, Role>> = {
  'ip saddr': SOURCE,
  'ip6 saddr': SOURCE,
  'ip daddr': DESTINATION,
  'ip6 daddr': DESTINATION,
  'ether saddr': { ...SOURCE, noun: 'MAC', member: 'a MAC address' },
  'ether daddr': { ...DESTINATION, noun: 'MAC', member: 'a MAC address' },
  'meta iifname': ARRIVING,
  'meta iif': ARRIVING,
  'meta physdev-in': { ...ARRIVING, noun: 'bridge port' },
  'meta ibrname': { ...ARRIVING, noun: 'bridge' },
  'meta oifname': LEAVING,
  'meta oif': LEAVING,
  'meta physdev-out': { ...LEAVING, noun: 'bridge port' },
  'meta obrname': { ...LEAVING, noun: 'bridge' },
  'meta l4proto': PROTOCOL,
  'ip protocol': PROTOCOL,
  'ip6 nexthdr': PROTOCOL,
  'meta nfproto': { place: 'family', preposition: '', member: 'a family' },
  'meta protocol': { place: 'family', preposition: '', member: 'a family' },
  'ether type': { place: 'family', preposition: '', member: 'a family' },
  'icmp type': PROTOCOL,
  'icmpv6 type': PROTOCOL,
  'meta skuid': { place: 'rest', preposition: 'sent by', noun: 'user', member: 'a user' },
  'meta skgid': { place: 'rest', preposition: 'sent by', noun: 'group', member: 'a group' },
};

const FAMILIES: Readonly<Record<string, string>> = {
  ipv4: 'IPv4',
  ipv6: 'IPv6',
  ip: 'IPv4',
  ip6: 'IPv6',
  arp: 'ARP',
};

function roleOf(left: Expression): Role | undefined {
  if (left.kind === 'meta') return ROLES[`meta ${left.key}`];
  if (left.kind !== 'payload') return undefined;
  if (left.field === 'sport') return { ...SOURCE, noun: 'port', member: 'a port' };
  if (left.field === 'dport') return { ...DESTINATION, noun: 'port', member: 'a port' };
  return ROLES[`${left.protocol} ${left.field}`];
}

function rolePhrases(match: Match, role: Role, around: Surroundings): readonly Phrase[] {
  const { left, operator } = match;
  const implied = protocolOf(left);
  const icmp = left.kind === 'payload' && left.field === 'type';
  const words = roleWords(match, role, around);
  const not = operator === '!=' ? 'not ' : '';
  const place = icmp && operator !== '==' ? 'rest' : role.place;
  return [...implied, { place, text: icmp && not !== '' ? `type not ${words}` : `${not}${words}` }];
}

function roleWords({ left, operator, right }: Match, role: Role, around: Surroundings): string {
  const spaced = (...words: readonly (string | undefined)[]): string => words.filter(Boolean).join(' ');
  if (right.kind === 'named') {
    return spaced(role.preposition, role.member, 'in', namedSetWords(right.name, around));
  }
  if (right.kind === 'expression') {
    return spaced(role.preposition, role.noun, operandWords(left, right, around));
  }
  const values = alternatives(right)!;
  const order = operator === '==' || operator === '!=' ? undefined : ORDERS[operator];
  const text = anyOf(values.map((value) => memberWords(left, role, value)));
  return spaced(role.preposition, role.noun, order, text);
}

function memberWords(left: Expression, { place }: Role, value: Value): string {
  const words = valueWords(left, value);
  return place === 'family' ? (FAMILIES[words] ?? words) : words;
}

/** A field of IPv4 is there in IPv4 alone, which an address shows by itself unless it is one that must not be. */
function familyOf({ left, operator, right }: Match, { table }: Surroundings): readonly Phrase[] {
  const field = left.kind === 'mask' ? left.of : left;
  if (field.kind !== 'payload' || table.family === 'ip' || table.family === 'ip6') return [];
  const shows = operator === '==' && (right.kind === 'elements' || isAddress(right.kind));
  if (shows && /addr$/.test(field.field)) return [];
  const family = field.protocol === 'ip' || field.protocol === 'ip6' ? FAMILIES[field.protocol] : undefined;
  return family === undefined ? [] : [{ place: 'family', text: family }];
}

function isAddress(kind: string): boolean {
  return kind === 'address' || kind === 'prefix' || kind === 'range';
}

const PROTOCOLS: ReadonlySet<string> = new Set(
  'tcp udp udplite sctp dccp icmp icmpv6 igmp esp ah comp arp'.split(' '),
);

/** A field of TCP is there in TCP alone. */
function protocolOf(left: Expression): readonly Phrase[] {
  if (left.kind === 'mask') return protocolOf(left.of);
  if (left.kind === 'bits') return protocolOf(left.left);
  if (left.kind !== 'payload' || !PROTOCOLS.has(left.protocol)) return [];
  return [{ place: 'protocol', text: left.protocol }];
}

const ORDERS: Readonly<Record<Exclude<MatchOperator, '==' | '!='>, string>> = {
  '<': 'below',
  '>': 'above',
  '<=': 'at most',
  '>=': 'at least',
  in: 'with',
  '!': 'without',
};

/** `NOUN is VALUE`, for fields that people have no phrase for. */
function comparisonWords(match: Match, around: Surroundings): string {
  const { left, operator, right } = match;
  const noun = fieldWords(left, around);
  if (left.kind === 'fib' && isNoRoute(right)) return presenceWords(left, operator === '!=', noun);
  if (right.kind === 'boolean') {
    const there = right.value === (operator === '==' || operator === 'in');
    return presenceWords(left, there, noun);
  }
  if (right.kind === 'flags' || operator === 'in' || operator === '!') {
    return flagWords(noun, operator, left, right, around);
  }
  const words = rightWords(left, right, around);
  if (operator === '==') return `${noun} is ${words}`;
  if (operator === '!=') return `${noun} is not ${words}`;
  return `${noun} is ${ORDERS[operator]} ${words}`;
}

/** `fib saddr . iif oif 0`: interfaces are counted from 1. */
function isNoRoute(right: Match['right']): boolean {
  return (right.kind === 'number' && right.value === 0) || (right.kind === 'symbol' && right.name === '0');
}

function presenceWords(left: Expression, there: boolean, noun: string): string {
  if (left.kind === 'fib') {
    const way = left.flags.includes('saddr') ? 'back to the source' : 'to the destination';
    const by = left.flags.includes('iif') ? ' by the interface it arrived on' : '';
    return there ? `with a route ${way}${by}` : `without a route ${way}${by}`;
  }
  if (left.kind === 'meta' && left.key.startsWith('physdev-is-')) {
    const what =
      left.key === 'physdev-is-bridged'
        ? 'bridged'
        : `${left.key.endsWith('in') ? 'arriving' : 'leaving'} by a bridge port`;
    return there ? what : `not ${what}`;
  }
  if (left.kind === 'meta' && left.key === 'socket') {
    return there ? 'sent by a program of this host' : 'sent by no program of this host';
  }
  return `${there ? 'with' : 'without'} ${noun}`;
}

function flagWords(
  noun: string,
  operator: MatchOperator,
  left: Expression,
  right: Operand | SetSource,
  around: Surroundings,
): string {
  const names = right.kind === 'flags' ? right.flags.map((flag) => valueWords(left, flag)) : undefined;
  if (operator === 'in')
    return `${noun} has ${names === undefined ? rightWords(left, right, around) : anyOf(names)}`;
  if (operator === '!') {
    return `${noun} has ${names === undefined ? `not ${rightWords(left, right, around)}` : `none of ${allOf(names)}`}`;
  }
  const exactly = names === undefined ? rightWords(left, right, around) : allOf(names);
  return `${noun} is ${operator === '==' ? '' : operator === '!=' ? 'not ' : `${ORDERS[operator]} `}exactly ${exactly}`;
}

function rightWords(left: Expression, right: Operand | SetSource, around: Surroundings): string {
  switch (right.kind) {
    case 'named':
      return `in ${namedSetWords(right.name, around)}`;
    case 'elements':
      return elementWords(left, right.elements);
    case 'expression':
      return definite(fieldWords(right.expression, around));
    default:
      return valueWords(left, right);
  }
}

/** A key of several parts against sets of such: each element is a small sentence. */
function concatWords(
  { operator }: Match,
  parts: readonly Expression[],
  values: readonly Value[],
  around: Surroundings,
): string {
  const elements = values.map((value) => elementSentence(parts, value, around));
  const not = operator === '!=' ? 'none of: ' : elements.length > 1 ? 'one of: ' : '';
  return `${not}${anyOf(
    elements.map((each) => (elements.length > 1 ? `(${each})` : each)),
    6,
  )}`;
}

/** `from 10.0.0.1 to port 80`, for an element or a key of a map. */
export function elementSentence(parts: readonly Expression[], value: Value, around: Surroundings): string {
  const values = value.kind === 'concat' ? value.parts : [value];
  const phrases = parts.flatMap((part, i): readonly Phrase[] => {
    const each = values[i];
    if (each === undefined || each.kind === 'any') return [];
    return matchPhrases({ kind: 'match', operator: '==', left: part, right: each }, around);
  });
  return sentence(phrases);
}
