// The numbers that the right side of a match stands for.
import type { Expression } from '../model/expression.ts';
import type { Match } from '../model/statement.ts';
import type { Value } from '../model/value.ts';
import type { Interval } from '../net/interval.ts';
import { valueInterval, valueNumber } from '../semantics/value-numbers.ts';
import { allNumbers, isWide, type Numbers, numbers } from './cell.ts';

/** `complete`: it holds no more than `set`. */
export interface Held {
  readonly set: Numbers;
  readonly complete: boolean;
}

const LARGE = 16;
/** Named sets are asked for by many rules. */
const kept = new WeakMap<readonly Value[], Map<string, Held>>();

/** The numbers that `of`, of so many bits, may have to be one of the values. */
export function heldNumbers(values: readonly Value[], of: Expression, bits: number): Held {
  if (values.length < LARGE) return collect(values, of, bits);
  const known = kept.get(values) ?? new Map<string, Held>();
  kept.set(values, known);
  const key = `${bits} ${JSON.stringify(of)}`;
  const held = known.get(key) ?? collect(values, of, bits);
  known.set(key, held);
  return held;
}

function collect(values: readonly Value[], of: Expression, bits: number): Held {
  const intervals: Interval<bigint>[] = [];
  let complete = true;
  for (const value of values) {
    const interval = valueInterval(value, of);
    if (interval === 'any') return { set: allNumbers(bits), complete: true };
    if (interval === undefined) complete = false;
    else intervals.push(interval);
  }
  return { set: numbers(intervals, bits), complete };
}

/** The numbers on the right side of `<` and the like. */
export function orderedNumbers(
  operator: '<' | '>' | '<=' | '>=',
  value: Value,
  of: Expression,
  bits: number,
): Held {
  const limit = valueNumber(value, of);
  if (limit === undefined) return { set: [], complete: false };
  const most = (1n << BigInt(bits)) - 1n;
  const interval = {
    '<': { first: 0n, last: limit - 1n },
    '<=': { first: 0n, last: limit },
    '>': { first: limit + 1n, last: most },
    '>=': { first: limit, last: most },
  }[operator];
  return { set: numbers([interval], bits), complete: true };
}

/** All bits of the values together; undefined: one is not known. */
export function heldBits(values: readonly Value[], of: Expression): bigint | undefined {
  let bits = 0n;
  for (const value of values.flatMap((each) => (each.kind === 'flags' ? each.flags : [each]))) {
    const number = valueNumber(value, of);
    if (number === undefined) return undefined;
    bits |= number;
  }
  return bits;
}

export function isLabel(of: Expression): boolean {
  return of.kind === 'ct' && of.key === 'label';
}

/** Single bits of a number, each as a set of its own. */
export function eachBit(bits: bigint, width: number): Numbers {
  const single: Interval<bigint>[] = [];
  for (let bit = 0n; bit < BigInt(width); bit++) {
    if ((bits >> bit) & 1n) single.push({ first: 1n << bit, last: 1n << bit });
  }
  return numbers(single, width);
}

/** The constants on the right of a match, or undefined where there is an expression or a named set. */
export function constantsOf(right: Match['right']): readonly Value[] | undefined {
  if (right.kind === 'expression' || right.kind === 'named') return undefined;
  return right.kind === 'elements' ? right.elements : [right];
}

/** Whether what was read has one of the bits. */
export function bitTest(bits: bigint, width: number): (value: number | bigint) => boolean {
  if (!isWide(width) && width <= 32) {
    const small = Number(bits);
    return (value) => ((value as number) & small) !== 0;
  }
  return (value) => (BigInt(value) & bits) !== 0n;
}
