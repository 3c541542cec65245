import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Interval,
  intervalSet,
  intervalSetHas,
  intervalsCover,
  intervalsOverlap,
  subtractIntervals,
} from './interval.ts';

const LAST = 40;
const interval = fc
  .tuple(fc.integer({ min: 0, max: LAST }), fc.integer({ min: 0, max: 6 }))
  .map(([first, length]): Interval<number> => ({ first, last: Math.min(LAST, first + length) }));
const intervals = fc.array(interval, { maxLength: 8 });

/** The same, as a plain set of its values. */
function values(of: Iterable<Interval<number>>): Set<number> {
  const set = new Set<number>();
  for (const { first, last } of of) for (let value = first; value <= last; value++) set.add(value);
  return set;
}

test('a set is sorted, disjoint, without neighbours, and has the values that went in', () => {
  fc.assert(
    fc.property(intervals, (given) => {
      const set = intervalSet(given);
      expect(values(set)).toEqual(new Set([...values(given)].sort((a, b) => a - b)));
      for (const [i, { first }] of set.entries())
        if (i > 0) expect(first).toBeGreaterThan(set[i - 1]!.last + 1);
      for (let value = 0; value <= LAST; value++)
        expect(intervalSetHas(set, value)).toBe(values(given).has(value));
    }),
  );
});

test('many, short or long, in any order, are the same set as the sorted ones', () => {
  const long = fc.bigInt({ min: 0n, max: (1n << 33n) - 1n });
  const short = fc.bigInt({ min: 0n, max: (1n << 32n) - 1n });
  const few = fc.bigInt({ min: 0n, max: 999n });
  for (const first of [long, short, few]) {
    const one = fc
      .tuple(first, fc.bigInt({ min: 0n, max: 3n }))
      .map(([at, more]) => ({ first: at, last: at + more }));
    fc.assert(
      fc.property(fc.array(one, { minLength: 250, maxLength: 600, size: 'max' }), (given) => {
        const sorted = [...given].sort((a, b) => Number(a.first - b.first) || Number(a.last - b.last));
        expect(intervalSet(given)).toEqual(intervalSet(sorted));
      }),
      { numRuns: 20 },
    );
  }
});

test('subtracting, overlapping and covering are those of the values', () => {
  fc.assert(
    fc.property(intervals, intervals, (first, second) => {
      const [a, b] = [intervalSet(first), intervalSet(second)];
      const [va, vb] = [values(a), values(b)];
      const left = new Set([...va].filter((value) => !vb.has(value)));
      expect(values(subtractIntervals(a, b))).toEqual(left);
      expect(intervalsOverlap(a, b)).toBe(left.size < va.size);
      expect(intervalsCover(b, a)).toBe(left.size === 0);
    }),
  );
});

test('addresses are bigints: the last one of IPv6 has no successor to trip over', () => {
  const all = { first: 0n, last: (1n << 128n) - 1n };
  expect(intervalSet([all, { first: 5n, last: 7n }])).toEqual([all]);
  expect(subtractIntervals([all], [{ first: 1n, last: all.last }])).toEqual([{ first: 0n, last: 0n }]);
});
