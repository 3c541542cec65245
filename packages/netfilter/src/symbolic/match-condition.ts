// A match of a rule as a condition on packets.
import type { Expression, Operand } from '../model/expression.ts';
import type { FreeReason } from '../model/extension.ts';
import type { SetSource } from '../model/inline-set.ts';
import { symbolNumber } from '../model/names.ts';
import type { Match, MatchOperator } from '../model/statement.ts';
import type { Value } from '../model/value.ts';
import { type Interval, type IntervalSet, intervalSet, subtractIntervals } from '../net/interval.ts';
import { readingOf } from '../semantics/reading.ts';
import { valueInterval, valueNumber } from '../semantics/value-numbers.ts';
import { fieldOf, type WordField } from '../space/fields.ts';
import {
  complementPackets,
  intersectPackets,
  packetsWhere,
  subtractPackets,
  unionPackets,
} from '../space/packet-set.ts';
import { hold, type PacketSet } from '../space/packet-space.ts';
import { addressTypePackets, surelyTyped } from './address-type-packets.ts';
import { ensureField, interfaceName, wordMatches } from './analysis.ts';
import { vectorIn, vectorsEqual } from './bit-vector.ts';
import { ALWAYS, both, type Condition, conditionSet, inSet, NEVER, numbersIn, wordsIn } from './condition.ts';
import { vectorOf } from './expression-vector.ts';
import { needed } from './need.ts';
import { routePackets } from './route-packets.ts';
import { freeSet, type Scope } from './scope.ts';

/** The packets that the match lets on. `part` tells it apart from other unknowns of the rule. */
export function matchCondition(scope: Scope, match: Match, part: string): Condition {
  const { left, operator, right } = match;
  if (right.kind === 'expression') return comparedWith(scope, left, operator, right.expression, part);
  const values = valuesOf(scope, right);
  if (values === undefined) return unknownCondition(scope, part, 'not understood');
  const isLong = right.kind === 'named' && values.length > 32 && (operator === '==' || operator === '!=');
  if (!isLong) return valuesCondition(scope, left, operator, values, part);
  const { analysis, sets } = scope.view;
  const { table, place } = scope;
  const key = `${table.source ?? ''} ${table.family} ${table.name} ${right.name} ${place.hook} ${place.early} ${JSON.stringify(left)}`;
  const equal = (): Condition => valuesCondition(scope, left, '==', values, part);
  let found = sets.get(key);
  if (!sets.has(key) && operator === '==') {
    // The first rule that asks is often the only one, and then the set itself need not be made (`decideWhere`).
    sets.set(key, undefined);
    return equal();
  }
  if (found === undefined) {
    // Made once, however many rules ask for it.
    found = hold(conditionSet(analysis.space, equal()));
    sets.set(key, found);
  }
  if (operator === '==') return inSet(found);
  // Without the field there is no match either way.
  const readable = conditionSet(analysis.space, valuesCondition(scope, left, '==', [{ kind: 'any' }], part));
  return inSet(intersectPackets(readable, complementPackets(found)));
}

/** Any of some values, for a key of a map or set. */
export function keysCondition(
  scope: Scope,
  key: Expression,
  values: readonly Value[],
  part: string,
): Condition {
  return valuesCondition(scope, key, '==', values, part);
}

export function unknownCondition(
  scope: Scope,
  part: string,
  reason: FreeReason | 'not understood',
): Condition {
  return inSet(freeSet(scope, part, reason));
}

/** undefined: there is no such set. */
function valuesOf({ table }: Scope, right: Exclude<Operand | SetSource, { kind: 'expression' }>) {
  if (right.kind === 'elements') return right.elements;
  if (right.kind === 'named') return table.sets.find(({ name }) => name === right.name)?.elements;
  return [right];
}

function valuesCondition(
  scope: Scope,
  left: Expression,
  operator: MatchOperator,
  values: readonly Value[],
  part: string,
): Condition {
  switch (left.kind) {
    case 'concat':
      return concatCondition(scope, left.parts, operator, values, part);
    case 'constant':
      return constantCondition(scope, left, operator, values, part);
    case 'mask':
    case 'bits':
    case 'map':
      return (
        maskCondition(scope, left, operator, values, part) ??
        vectorCondition(scope, left, operator, values, part)
      );
    default:
      return leafCondition(scope, left, operator, values, part);
  }
}

/** An expression that is made of no others. */
function leafCondition(
  scope: Scope,
  left: Expression,
  operator: MatchOperator,
  values: readonly Value[],
  part: string,
): Condition {
  const { analysis } = scope.view;
  const reading = readingOf(left, scope.place);
  switch (reading.kind) {
    case 'nothing':
      return NEVER;
    case 'free':
      return unknownCondition(scope, part, reading.reason);
    case 'unknown':
      return unknownCondition(scope, part, 'not understood');
    case 'constant': {
      const { known, complete } = numbersOf(values, left, reading.bits);
      if (!complete) return unknownCondition(scope, part, 'not understood');
      return holds(operator, reading.value, known) ? ALWAYS : NEVER;
    }
    case 'name':
      return nameCondition(scope, left, reading.field, operator, values, part);
    case 'words': {
      const { known: numbers, complete } = numbersOf(values, left, 32);
      if (!complete) return unknownCondition(scope, part, 'not understood');
      const isRight = (word: string): boolean => {
        const code = symbolNumber(left, word);
        return code !== undefined && holds(operator, BigInt(code), numbers);
      };
      const typed = addressTypePackets(analysis, reading.field, isRight);
      if (typed !== undefined) return needed(scope, reading.needs, inSet(typed), part);
      const words = wordsIn(reading.field, wordsOf(scope, reading.field).filter(isRight));
      const known = surelyTyped(analysis, reading.field, isRight);
      if (known === undefined) return needed(scope, reading.needs, words, part);
      const { space } = analysis;
      const rest = subtractPackets(conditionSet(space, words), known.sure);
      return needed(scope, reading.needs, inSet(unionPackets(space, [known.asked, rest])), part);
    }
    case 'number': {
      ensureField(analysis, { kind: 'number', name: reading.field, bits: reading.of });
      const condition = numberCondition(scope, left, reading.field, reading.bits, operator, values, part);
      return needed(scope, reading.needs, condition, part);
    }
    default:
      throw new Error(reading satisfies never);
  }
}

/** What is read before tracking, and types of addresses, are word fields that are there only when somebody asks. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  'early state': ['invalid', 'untracked'],
  pkttype: ['host', 'broadcast', 'multicast', 'other'],
};
const ADDRESS_TYPE_WORDS = [
  'unicast',
  'local',
  'broadcast',
  'multicast',
  'anycast',
  'blackhole',
  'unreachable',
  'prohibit',
];

function wordsOf(scope: Scope, field: string): readonly string[] {
  const { analysis } = scope.view;
  if (field !== 'state') {
    ensureField(analysis, { kind: 'words', name: field, words: WORDS[field] ?? ADDRESS_TYPE_WORDS });
  }
  return (fieldOf(analysis.space.layout, field) as WordField).words;
}

function nameCondition(
  scope: Scope,
  left: Expression,
  field: string,
  operator: MatchOperator,
  values: readonly Value[],
  part: string,
): Condition {
  const { analysis } = scope.view;
  const patterns: string[] = [];
  for (const value of values) {
    // Whether there is an interface or route at all.
    if (value.kind === 'boolean') {
      const there = value.value === (operator === '==');
      return namesWhere(scope, left, field, (word) => (word !== '-') === there);
    }
    const pattern = value.kind === 'any' ? '*' : interfaceName(value, analysis.host);
    if (pattern === undefined) return unknownCondition(scope, part, 'not understood');
    patterns.push(pattern);
  }
  if (operator !== '==' && operator !== '!=') return unknownCondition(scope, part, 'not understood');
  const wanted = operator === '==';
  return namesWhere(
    scope,
    left,
    field,
    (word) => patterns.some((pattern) => wordMatches(word, pattern)) === wanted,
  );
}

function namesWhere(
  scope: Scope,
  left: Expression,
  field: string,
  isRight: (word: string) => boolean,
): Condition {
  if (field === 'no interface') return isRight('-') ? ALWAYS : NEVER;
  const { analysis } = scope.view;
  const { space } = analysis;
  const { words } = fieldOf(space.layout, 'iif') as WordField;
  ensureField(analysis, { kind: 'words', name: field, words });
  const right = words.filter(isRight);
  if (right.length === words.length) return ALWAYS;
  const given = wordsIn(field, right);
  const routed = left.kind === 'fib' ? routePackets(analysis, left, scope.place, isRight) : undefined;
  if (routed === undefined) return given;
  const rest = subtractPackets(conditionSet(space, given), routed.sure);
  return inSet(unionPackets(space, [routed.asked, rest]));
}

function numberCondition(
  scope: Scope,
  left: Expression,
  field: string,
  bits: number,
  operator: MatchOperator,
  values: readonly Value[],
  part: string,
): Condition {
  const { space } = scope.view.analysis;
  const { known, complete } = numbersOf(values, left, bits);
  if (!complete) {
    const maybe = freeSet(scope, part, 'not understood');
    if (operator !== '==' && operator !== '!=') return inSet(maybe);
    const equal = unionPackets(space, [packetsWhere(space, { [field]: known }), maybe]);
    return inSet(operator === '==' ? equal : complementPackets(equal));
  }
  if (operator === 'in' || operator === '!') {
    const mask = known.reduce((sum, { first }) => sum | first, 0n);
    const none = packetsWhere(space, { [field]: { mask, value: 0n } });
    return inSet(operator === '!' ? none : complementPackets(none));
  }
  const right = whereHolds(operator, known, bits);
  return isAll(right, bits) ? ALWAYS : numbersIn(field, right);
}

function isAll(values: IntervalSet<bigint>, bits: number): boolean {
  return (
    values.length === 1 &&
    values[0]!.first === 0n &&
    values[0]!.last >> BigInt(bits) === 0n &&
    values[0]!.last + 1n === 1n << BigInt(bits)
  );
}

/** The numbers of `bits` bits that stand in this relation to the values. */
function whereHolds(
  operator: Exclude<MatchOperator, 'in' | '!'>,
  known: IntervalSet<bigint>,
  bits: number,
): IntervalSet<bigint> {
  const all = [{ first: 0n, last: (1n << BigInt(bits)) - 1n }];
  const [only] = known;
  switch (operator) {
    case '==':
      return known;
    case '!=':
      return subtractIntervals(all, known);
    case '<':
      return only === undefined || only.first === 0n ? [] : [{ first: 0n, last: only.first - 1n }];
    case '<=':
      return only === undefined ? [] : [{ first: 0n, last: only.first }];
    case '>':
      return only === undefined ? [] : subtractIntervals(all, [{ first: 0n, last: only.first }]);
    case '>=':
      return only === undefined || only.first === 0n
        ? all
        : subtractIntervals(all, [{ first: 0n, last: only.first - 1n }]);
    default:
      throw new Error(operator satisfies never);
  }
}

function holds(operator: MatchOperator, value: bigint, known: IntervalSet<bigint>): boolean {
  const mask = known.reduce((sum, { first }) => sum | first, 0n);
  if (operator === 'in') return (value & mask) !== 0n;
  if (operator === '!') return (value & mask) === 0n;
  return whereHolds(operator, known, 64).some(({ first, last }) => first <= value && value <= last);
}

/** The values as intervals of numbers of so many bits; not complete: some could not be read. */
function numbersOf(
  values: readonly Value[],
  of: Expression,
  bits: number,
): { readonly known: IntervalSet<bigint>; readonly complete: boolean } {
  const last = (1n << BigInt(bits)) - 1n;
  const intervals: Interval<bigint>[] = [];
  let complete = true;
  for (const value of values) {
    const interval = valueInterval(value, of);
    if (interval === undefined) complete = false;
    else if (interval === 'any') intervals.push({ first: 0n, last });
    // What no number of the field's width equals holds nothing; neither does a range from above to below.
    else if (interval.first <= interval.last && interval.first <= last)
      intervals.push(interval.last <= last ? interval : { first: interval.first, last });
  }
  return { known: intervalSet(intervals), complete };
}

/** A field of so few bits is looked at value by value: values in intervals are what many rules are compared by at once. */
const FEW_BITS = 8;

function numbersWhere(bits: number, isAsked: (value: bigint) => boolean): IntervalSet<bigint> {
  const values = Array.from({ length: 1 << bits }, (_, value) => BigInt(value)).filter(isAsked);
  return intervalSet(values.map((value) => ({ first: value, last: value })));
}

/** `field & mask` next to one constant: a set of its own kind. undefined: it is something else. */
function maskCondition(
  scope: Scope,
  left: Expression,
  operator: MatchOperator,
  values: readonly Value[],
  part: string,
): Condition | undefined {
  if (left.kind !== 'mask' || values.length !== 1 || operator === '<' || operator === '>') return undefined;
  if (operator === '<=' || operator === '>=') return undefined;
  if (left.of.kind === 'mask' || left.of.kind === 'bits' || left.of.kind === 'concat') return undefined;
  if (left.of.kind === 'map' || left.of.kind === 'constant') return undefined;
  const reading = readingOf(left.of, scope.place);
  if (reading.kind !== 'number') return undefined;
  const [value] = values;
  const mask = valueNumber(left.mask, left.of);
  const wanted = value === undefined ? undefined : valueNumber(value, left.of);
  if (mask === undefined || wanted === undefined) return undefined;
  const { analysis } = scope.view;
  ensureField(analysis, { kind: 'number', name: reading.field, bits: reading.of });
  const fits = (number: bigint): boolean => number >> BigInt(reading.bits) === 0n;
  if (!fits(mask)) return undefined;
  if (reading.bits <= FEW_BITS && reading.bits === reading.of) {
    const isEmpty = operator === 'in' || operator === '!';
    const isAsked = (value: bigint): boolean =>
      (isEmpty ? (value & mask & wanted) === 0n : (value & mask) === wanted) ===
      (operator === '==' || operator === '!');
    return needed(scope, reading.needs, numbersIn(reading.field, numbersWhere(reading.bits, isAsked)), part);
  }
  const where = (under: bigint, equal: bigint) =>
    packetsWhere(analysis.space, { [reading.field]: { mask: under, value: equal } });
  let set: PacketSet;
  if (operator === 'in' || operator === '!') set = where(mask & wanted, 0n);
  else if ((wanted & ~mask) !== 0n)
    return needed(scope, reading.needs, operator === '==' ? NEVER : ALWAYS, part);
  else set = where(mask, wanted);
  const asked = operator === '==' || operator === '!' ? set : complementPackets(set);
  return needed(scope, reading.needs, inSet(asked), part);
}

function vectorCondition(
  scope: Scope,
  left: Expression,
  operator: MatchOperator,
  values: readonly Value[],
  part: string,
): Condition {
  const { space } = scope.view.analysis;
  const seen = vectorOf(scope, left, part, keysCondition);
  if (seen === 'nothing') return NEVER;
  const bits = seen.bits.length;
  const { known, complete } = numbersOf(values, left, bits);
  if (!complete) return unknownCondition(scope, part, 'not understood');
  let set: PacketSet;
  if (operator === 'in' || operator === '!') {
    const mask = known.reduce((sum, { first }) => sum | first, 0n);
    const under = seen.bits.filter((_, i) => ((mask >> BigInt(bits - 1 - i)) & 1n) === 1n);
    const none = vectorIn(space, under.length === 0 ? [0] : under, { first: 0n, last: 0n });
    set = operator === '!' ? none : complementPackets(none);
  } else {
    const right = whereHolds(operator, known, bits);
    set = unionPackets(
      space,
      right.map((interval) => vectorIn(space, seen.bits, interval)),
    );
  }
  return both(seen.readable, inSet(set));
}

function comparedWith(
  scope: Scope,
  left: Expression,
  operator: MatchOperator,
  right: Expression,
  part: string,
): Condition {
  const a = vectorOf(scope, left, `${part} left`, keysCondition);
  const b = vectorOf(scope, right, `${part} right`, keysCondition);
  if (a === 'nothing' || b === 'nothing') return NEVER;
  if (operator !== '==' && operator !== '!=') return unknownCondition(scope, part, 'not understood');
  const equal = vectorsEqual(scope.view.analysis.space, a.bits, b.bits);
  const asked = inSet(operator === '==' ? equal : complementPackets(equal));
  return both(both(a.readable, b.readable), asked);
}

function concatCondition(
  scope: Scope,
  parts: readonly Expression[],
  operator: MatchOperator,
  values: readonly Value[],
  part: string,
): Condition {
  const { space } = scope.view.analysis;
  const some = values.map((value, n) => {
    if (value.kind === 'any') return ALWAYS;
    if (value.kind !== 'concat' || value.parts.length !== parts.length)
      return unknownCondition(scope, `${part} element ${n}`, 'not understood');
    return value.parts.reduce(
      (all: Condition, each, i) => both(all, valuesCondition(scope, parts[i]!, '==', [each], `${part} ${i}`)),
      ALWAYS,
    );
  });
  const readable = parts.reduce(
    (all: Condition, each, i) =>
      both(all, valuesCondition(scope, each, '==', [{ kind: 'any' }], `${part} ${i}`)),
    ALWAYS,
  );
  const equal = unionPackets(
    space,
    some.map((each) => conditionSet(space, both(readable, each))),
  );
  if (operator === '==') return inSet(equal);
  if (operator !== '!=') return unknownCondition(scope, part, 'not understood');
  return both(readable, inSet(complementPackets(equal)));
}

/** A constant as a part of a concatenation. */
function constantCondition(
  scope: Scope,
  left: Expression & { readonly kind: 'constant' },
  operator: MatchOperator,
  values: readonly Value[],
  part: string,
): Condition {
  if (operator !== '==' && operator !== '!=') return unknownCondition(scope, part, 'not understood');
  const isEqual = (value: Value): boolean | undefined => {
    if (value.kind === 'any') return true;
    if (value.kind === 'symbol' && left.value.kind === 'symbol')
      return wordMatches(left.value.name, value.name);
    const [interval, number] = [valueInterval(value, left), valueNumber(left.value, left)];
    if (interval === undefined || interval === 'any' || number === undefined) return undefined;
    return interval.first <= number && number <= interval.last;
  };
  const equal = values.map(isEqual);
  if (!equal.includes(true) && equal.includes(undefined))
    return unknownCondition(scope, part, 'not understood');
  return equal.includes(true) === (operator === '==') ? ALWAYS : NEVER;
}
