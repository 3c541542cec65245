// Comparisons that people have words of their own for.

import { TCP_FLAGS } from '../../model/names.ts';
import type { Match } from '../../model/statement.ts';
import type { Value } from '../../model/value.ts';
import { allOf, anyOf } from './list.ts';
import { type Phrase, rest } from './phrase.ts';
import { alternatives } from './value.ts';

const KINDS: Readonly<Record<string, string>> = {
  local: 'an address of this host',
  broadcast: 'a broadcast address',
  multicast: 'a multicast address',
  anycast: 'an anycast address',
  unicast: 'an address of another host',
  unspec: 'no address',
  blackhole: 'an address routed into a black hole',
  unreachable: 'an address routed as unreachable',
  prohibit: 'an address routed as prohibited',
};

/** `fib daddr type local`: to an address of this host. */
export function addressKind({ left, operator, right }: Match): readonly Phrase[] | undefined {
  if (left.kind !== 'fib' || left.result !== 'type' || right.kind === 'expression') return undefined;
  const kinds = symbols(alternatives(right));
  const source = left.flags.includes('saddr');
  if (kinds === undefined || (operator !== '==' && operator !== '!=')) return undefined;
  const words = anyOf(kinds.map((kind) => KINDS[kind] ?? `an address of kind ${kind}`));
  const on = left.flags.includes('iif')
    ? ' (as seen from the incoming interface)'
    : left.flags.includes('oif')
      ? ' (as seen from the outgoing interface)'
      : '';
  const not = operator === '!=' ? 'not ' : '';
  return [
    { place: source ? 'source' : 'destination', text: `${not}${source ? 'from' : 'to'} ${words}${on}` },
  ];
}

const FLOW_STATES: ReadonlySet<string> = new Set(['new', 'established', 'related']);

/** `ct state`, and the two bits of `ct status` that NAT sets. */
export function flowState({ left, operator, right }: Match): readonly Phrase[] | undefined {
  if (left.kind !== 'ct' || left.direction !== undefined || right.kind === 'expression') return undefined;
  const exact = right.kind === 'flags' && (operator === '==' || operator === '!=');
  const bits = exact ? undefined : symbols(right.kind === 'flags' ? right.flags : alternatives(right));
  if (bits === undefined || bits.length === 0 || !['==', '!=', 'in', '!'].includes(operator))
    return undefined;
  const negated = operator === '!=' || operator === '!';
  if (left.key === 'state') {
    const words = stateWords(bits);
    return [rest(negated ? `not ${words}` : words)];
  }
  if (left.key !== 'status' || !bits.every((bit) => bit === 'dnat' || bit === 'snat')) return undefined;
  const ends = anyOf(bits.map((bit) => (bit === 'dnat' ? 'destination' : 'source')));
  return [rest(negated ? `${ends} was not rewritten (NAT)` : `${ends} was rewritten (NAT)`)];
}

function stateWords(states: readonly string[]): string {
  const flows = states.filter((state) => FLOW_STATES.has(state));
  const others = states.filter((state) => !FLOW_STATES.has(state)).map((state) => `${state} packets`);
  return anyOf([...(flows.length === 0 ? [] : [`${anyOf(flows)} connections`]), ...others]);
}

/** `tcp flags & (syn | ack) == syn`: some bits set, the others of the mask not. */
export function tcpFlags({ left, operator, right }: Match): readonly Phrase[] | undefined {
  const field = left.kind === 'mask' ? left.of : left;
  if (field.kind !== 'payload' || field.protocol !== 'tcp' || field.field !== 'flags') return undefined;
  if (right.kind === 'expression' || right.kind === 'named' || right.kind === 'elements') return undefined;
  const set = flagNames(right);
  const looked = left.kind === 'mask' ? flagNames(left.mask) : undefined;
  if (set === undefined || (left.kind === 'mask' && looked === undefined)) return undefined;
  const tcp: Phrase = { place: 'protocol', text: 'tcp' };
  if (looked === undefined && operator === 'in') return [tcp, rest(`with flag ${anyOf(set)}`)];
  if (looked === undefined && operator === '!') return [tcp, rest(`without flag ${anyOf(set)}`)];
  if (operator !== '==' && operator !== '!=') return undefined;
  const unset = (looked ?? [...TCP_FLAGS.keys()]).filter((flag) => !set.includes(flag));
  const has = set.length === 0 ? undefined : `${flagsWord(set)} ${allOf(set)}`;
  const lacks = unset.length === 0 ? undefined : `without ${anyOf(unset, TCP_FLAGS.size)}`;
  const words = [...(has === undefined ? [] : [`with ${has}`]), ...(lacks === undefined ? [] : [lacks])].join(
    ' and ',
  );
  return [tcp, rest(operator === '==' ? words : `not (${words})`)];
}

/** `ip frag-off & 0x1fff != 0`: neither a whole packet nor the first part of one. */
export function laterFragment({ left, operator, right }: Match): readonly Phrase[] | undefined {
  if (left.kind !== 'mask' || left.mask.kind !== 'number' || left.mask.value !== 0x1fff) return undefined;
  if (left.of.kind !== 'payload' || left.of.field !== 'frag-off') return undefined;
  if (right.kind !== 'number' || right.value !== 0 || (operator !== '==' && operator !== '!=')) {
    return undefined;
  }
  return [rest(operator === '!=' ? 'later fragments' : 'no later fragments')];
}

function flagsWord(set: readonly string[]): string {
  return set.length === 1 ? 'flag' : 'flags';
}

/** The names of the bits; undefined: a bit without a name. */
function flagNames(value: Value): readonly string[] | undefined {
  if (value.kind === 'symbol') return TCP_FLAGS.has(value.name) ? [value.name] : undefined;
  if (value.kind === 'flags') {
    const names = value.flags.map(flagNames);
    return names.every((name) => name !== undefined) ? names.flat() : undefined;
  }
  if (value.kind !== 'number' || value.value > 255) return undefined;
  return [...TCP_FLAGS].flatMap(([name, bit]) => ((value.value & bit) === 0 ? [] : [name]));
}

function symbols(values: readonly Value[] | undefined): readonly string[] | undefined {
  if (values === undefined) return undefined;
  const names = values.map((value) => (value.kind === 'symbol' ? value.name : undefined));
  return names.every((name) => name !== undefined) ? names : undefined;
}
