// Tests of one field against fixed numbers, which is what nearly all conditions are.
import type { Interval } from '../net/interval.ts';
import type { Need } from '../semantics/reading.ts';
import {
  type Cell,
  isWide,
  type Numbers,
  narrowed,
  numbers,
  type Scalar,
  type Slots,
  unknownIsIn,
} from './cell.ts';
import { BREAK, FORK, NEXT, type Outcome, type Part, type Step, type Walker } from './step.ts';
import { WORD_BITS, wordsOf } from './word.ts';

/** Holds for packets whose field is in the set, or (`inverted`) is not. */
export function fieldPart(slots: Slots, field: string, bits: number, set: Numbers, inverted: boolean): Part {
  const slot = slots.of(field, bits);
  const [hit, miss]: [Outcome, Outcome] = inverted ? [BREAK, NEXT] : [NEXT, BREAK];
  const ofUnknown = (cell: Cell): Outcome => {
    const inside = unknownIsIn(cell, set, bits);
    return inside === undefined ? FORK : inside ? hit : miss;
  };
  const narrow =
    (inside: boolean) =>
    (walker: Walker): void => {
      walker.cells[slot] = narrowed(walker.cells[slot], set, bits, inside);
    };
  return {
    step: testOf(slot, bits, set, hit, miss, ofUnknown),
    ways: () => [
      { outcome: hit, narrow: narrow(true) },
      { outcome: miss, narrow: narrow(false) },
    ],
    why: { kind: 'field', field },
    effect: false,
    ...(set.length === 1 ? { asks: `${field} ${set[0]!.first}-${set[0]!.last} ${inverted}` } : {}),
  };
}

type OfUnknown = (cell: Cell) => Outcome;

/** A closure for each shape, and none for numbers and bigints at once: a walk spends its time here. */
function testOf(
  slot: number,
  bits: number,
  set: Numbers,
  hit: Outcome,
  miss: Outcome,
  ofUnknown: OfUnknown,
): Step {
  const [only, ...more] = set;
  if (only === undefined) return () => miss;
  if (more.length > 0) {
    const type = isWide(bits) ? 'bigint' : 'number';
    const isHeld = membership(set);
    return ({ cells }) => {
      const value = cells[slot];
      if (typeof value !== type) return ofUnknown(value);
      return isHeld(value as Scalar) ? hit : miss;
    };
  }
  return isWide(bits)
    ? wideTest(slot, only as Interval<bigint>, hit, miss, ofUnknown)
    : numberTest(slot, only as Interval<number>, hit, miss, ofUnknown);
}

function numberTest(
  slot: number,
  { first, last }: Interval<number>,
  hit: Outcome,
  miss: Outcome,
  ofUnknown: OfUnknown,
): Step {
  if (first === last) {
    return ({ cells }) => {
      const value = cells[slot];
      return typeof value !== 'number' ? ofUnknown(value) : value === first ? hit : miss;
    };
  }
  return ({ cells }) => {
    const value = cells[slot];
    return typeof value !== 'number' ? ofUnknown(value) : value >= first && value <= last ? hit : miss;
  };
}

function wideTest(
  slot: number,
  { first, last }: Interval<bigint>,
  hit: Outcome,
  miss: Outcome,
  ofUnknown: OfUnknown,
): Step {
  return ({ cells }) => {
    const value = cells[slot];
    return typeof value !== 'bigint' ? ofUnknown(value) : value >= first && value <= last ? hit : miss;
  };
}

/** Whether a number is in the set. */
export function membership(set: Numbers): (value: Scalar) => boolean {
  const all = set as readonly Interval<number>[];
  if (all.every(({ first, last }) => first === last)) {
    const values: ReadonlySet<Scalar> = new Set(all.map(({ first }) => first));
    return (value) => values.has(value);
  }
  const firsts = all.map(({ first }) => first);
  const lasts = all.map(({ last }) => last);
  return (value) => {
    const at = lastNotAbove(firsts, value as number);
    return at >= 0 && (value as number) <= lasts[at]!;
  };
}

/** The place of the last one of the sorted numbers that is not greater; -1: all are. */
export function lastNotAbove<T extends number | bigint>(sorted: readonly T[], value: T): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** What must be so that something can be read; where the need says `free`, see {@link needsMet}. */
export function needParts(slots: Slots, needs: readonly Need[]): Part[] {
  return needs
    .filter(({ otherwise }) => otherwise === 'no match')
    .map((need) => fieldPart(slots, need.field, needBits(need), needNumbers(need), false));
}

/** Whether what is read is what it seems to be. Needs that end the rule have been looked at before. */
export function needsMet(slots: Slots, needs: readonly Need[]): ((walker: Walker) => boolean) | undefined {
  const tests = needs
    .filter(({ otherwise }) => otherwise === 'free')
    .map((need) => {
      const slot = slots.of(need.field, needBits(need));
      const bits = needBits(need);
      const set = needNumbers(need);
      const holds = membership(set);
      return ({ cells }: Walker): boolean => {
        const value = cells[slot];
        return typeof value === 'number' || typeof value === 'bigint'
          ? holds(value)
          : unknownIsIn(value, set, bits) === true;
      };
    });
  return tests.length === 0 ? undefined : (walker) => tests.every((test) => test(walker));
}

function needBits({ field, bits }: Need): number {
  return wordsOf(field) === undefined ? bits : WORD_BITS;
}

function needNumbers(need: Need): Numbers {
  const words = wordsOf(need.field);
  const values = need.values.map((value) =>
    BigInt(typeof value === 'string' ? (words?.get(value) ?? -1) : value),
  );
  return numbers(
    values.map((value) => ({ first: value, last: value })),
    needBits(need),
  );
}
