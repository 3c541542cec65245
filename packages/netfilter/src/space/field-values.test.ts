import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runs } from '../../../../test/runs.ts';
import { type Interval, intervalSet, intervalSetHas } from '../net/interval.ts';
import { createBdd } from './bdd.ts';
import { valueClasses } from './classes.ts';
import { inconsistencies } from './collect.ts';
import { countAssignments } from './count.ts';
import { type Bits, type Case, fieldSwitch, isBelow, maskSet, valuesSwitch } from './field-values.ts';
import { ite, leavesUnder, or } from './operations.ts';
import { variable } from './variables.ts';

/** A field that begins at level 3, and what the diagram is for one of its values. */
const field = (bits: number): Bits => ({ first: 3, bits });

function bitsFor({ first, bits }: Bits, value: bigint): Uint8Array {
  const all = new Uint8Array(first + bits + 8);
  for (let i = 0; i < bits; i++) all[first + i] = Number((value >> BigInt(bits - 1 - i)) & 1n);
  return all;
}

const cut = (last: bigint) =>
  fc.uniqueArray(fc.bigInt({ min: 0n, max: last }), { maxLength: 14 }).map((ends): Interval<bigint>[] => {
    const sorted = ends.sort((a, b) => (a < b ? -1 : 1));
    return sorted.flatMap((first, i) => (i % 2 === 0 ? [{ first, last: sorted[i + 1] ?? first }] : []));
  });

for (const bits of [1, 7, 31, 32, 33, 64, 128]) {
  test(`cases of a field of ${bits} bits decide as the list does, at all edges`, () => {
    const last = (1n << BigInt(bits)) - 1n;
    fc.assert(
      fc.property(
        cut(last),
        fc.array(fc.nat(3), { minLength: 7, maxLength: 7 }),
        fc.bigInt({ min: 0n, max: last }),
        (list, leaves, any) => {
          const bdd = createBdd();
          const cases: Case[] = list.map((interval, i) => ({ ...interval, target: leaves[i]! }));
          const node = fieldSwitch(bdd, field(bits), cases, 5);
          const values = list.flatMap(({ first, last: end }) => [
            first - 1n,
            first,
            first + 1n,
            end - 1n,
            end,
            end + 1n,
          ]);
          for (const value of [...values, any, 0n, last]) {
            if (value < 0n || value > last) continue;
            const target = cases.find((each) => each.first <= value && value <= each.last)?.target ?? 5;
            expect(leavesUnder(bdd, node, bitsFor(field(bits), value))).toEqual([target]);
          }
          expect(inconsistencies(bdd)).toEqual([]);
          // The same as one if-then-else after the other.
          const one = cases.reduce(
            (rest, { target, ...interval }) =>
              ite(bdd, valuesSwitch(bdd, field(bits), [interval], 1), target, rest),
            5,
          );
          expect(node).toBe(one);
        },
      ),
      { numRuns: runs(200) },
    );
  });
}

test('what a case leads to may be any diagram below the field, not above', () => {
  const bdd = createBdd();
  const below = variable(bdd, 11);
  const at = variable(bdd, 4);
  expect(isBelow(bdd, below, field(8))).toBe(true);
  expect(isBelow(bdd, at, field(8))).toBe(false);
  const node = fieldSwitch(bdd, field(8), [{ first: 5n, last: 9n, target: below }], 0);
  expect(node).toBe(ite(bdd, valuesSwitch(bdd, field(8), [{ first: 5n, last: 9n }], 1), below, 0));
});

test('cases out of order, overlapping or too large are refused', () => {
  const bdd = createBdd();
  const values =
    (...list: [bigint, bigint][]) =>
    () =>
      valuesSwitch(
        bdd,
        field(8),
        list.map(([first, last]) => ({ first, last })),
        1,
      );
  expect(values([9n, 9n], [5n, 5n])).toThrow('not sorted and disjoint');
  expect(values([3n, 9n], [9n, 12n])).toThrow('not sorted and disjoint');
  expect(values([5n, 3n])).toThrow('not sorted and disjoint');
  expect(values([5n, 256n])).toThrow('256 is more than a field of 8 bits holds');
});

test('a mask is the values that agree under it', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 255n }), fc.bigInt({ min: 0n, max: 255n }), (mask, value) => {
      const bdd = createBdd();
      const node = maskSet(bdd, field(8), mask, value);
      for (let each = 0n; each < 256n; each++)
        if (leavesUnder(bdd, node, bitsFor(field(8), each)).join() !== ((each & mask) === value ? '1' : '0'))
          throw new Error(`${each} under ${mask}: expected ${value}`);
    }),
  );
});

test('100,000 addresses from their list: as many as there are, and as one by one for some of them', () => {
  const bdd = createBdd();
  const address = (i: number): bigint => BigInt(Math.imul(i, 0x9e37_79b1) >>> 0);
  const list = (length: number) =>
    intervalSet(Array.from({ length }, (_, i) => ({ first: address(i), last: address(i) })));
  const many = valuesSwitch(bdd, field(32), list(100_000), 1);
  expect(
    countAssignments(
      bdd,
      many,
      Array.from({ length: 32 }, (_, i) => i + 3),
    ),
  ).toBe(100_000n);
  const some = list(500);
  expect(valuesSwitch(bdd, field(32), some, 1)).toBe(
    some.reduce((node, one) => or(bdd, node, valuesSwitch(bdd, field(32), [one], 1)), 0),
  );
});

for (const bits of [20, 32, 40, 128]) {
  test(`thousands of networks in ${bits} bits, with shared ends and several targets: as made in small parts`, () => {
    const bdd = createBdd();
    let state = 5;
    const next = (below: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const lengths = [bits, bits - 1, bits - 7, bits - 16].filter((length) => length > 12);
    const found = new Map<bigint, Case>();
    for (let i = 0; i < 9_000; i++) {
      const free = BigInt(bits - lengths[next(lengths.length)]!);
      let value = 0n;
      for (let at = 0; at < bits; at += 16) value = (value << 16n) | BigInt(next(2 ** 16));
      const first = ((value & ((1n << BigInt(bits)) - 1n)) >> free) << free;
      // Some are no networks.
      const last = first + (1n << free) - (next(20) === 0 && free > 0n ? 2n : 1n);
      found.set(first, { first, last, target: [1, 2, variable(bdd, 3 + bits)][next(3)]! });
    }
    const sorted = [...found.values()].sort((a, b) => (a.first < b.first ? -1 : 1));
    const cases: Case[] = [];
    for (const each of sorted) if (each.first > (cases.at(-1)?.last ?? -1n)) cases.push(each);
    expect(cases.length).toBeGreaterThan(4_500);
    let parts = 5;
    for (let from = 0; from < cases.length; from += 1_500) {
      const part = cases.slice(from, from + 1_500);
      for (const target of new Set(part.map((each) => each.target))) {
        const these = part.filter((each) => each.target === target);
        parts = ite(bdd, valuesSwitch(bdd, field(bits), these, 1), target, parts);
      }
    }
    expect(fieldSwitch(bdd, field(bits), cases, 5)).toBe(parts);
  });
}

test('classes below a field are its values by what is left to decide', () => {
  fc.assert(
    fc.property(cut(255n), fc.array(fc.nat(3), { minLength: 7, maxLength: 7 }), (list, picks) => {
      const bdd = createBdd();
      const targets = [0, 1, variable(bdd, 12), variable(bdd, 13)];
      const cases = list.map((interval, i) => ({ ...interval, target: targets[picks[i]!]! }));
      const node = fieldSwitch(bdd, field(8), cases, 0);
      const classes = valueClasses(bdd, node, field(8), 100, 100)!;
      expect(new Set(classes.map(({ below }) => below)).size).toBe(classes.length);
      for (let value = 0n; value < 256n; value++) {
        const target = cases.find((each) => each.first <= value && value <= each.last)?.target ?? 0;
        const inside = classes.filter(
          ({ values }) => values.kind === 'intervals' && intervalSetHas(values.intervals, value),
        );
        expect(inside.map(({ below }) => below)).toEqual(target === 0 ? [] : [target]);
      }
    }),
  );
});

test('where intervals are too many there are masks, and where both are too many nothing', () => {
  const bdd = createBdd();
  const odd = maskSet(bdd, field(16), 1n, 1n);
  expect(valueClasses(bdd, odd, field(16), 100, 100)).toEqual([
    { below: 1, values: { kind: 'masks', masks: [{ mask: 1n, value: 1n }] } },
  ]);
  const squares = Array.from({ length: 200 }, (_, i) => ({
    first: BigInt(i * i),
    last: BigInt(i * i),
  })).filter(({ first }) => first % 2n === 0n);
  const node = valuesSwitch(bdd, field(16), squares, 1);
  expect(valueClasses(bdd, node, field(16), 50, 99)).toBeUndefined();
  expect(valueClasses(bdd, node, field(16), 50, 100)).toEqual([
    { below: 1, values: { kind: 'intervals', intervals: squares } },
  ]);
});
