// Sorted sets of disjoint closed intervals over integers: ports as numbers, addresses as bigints.

/** Both ends included. */
export interface Interval<T extends number | bigint> {
  readonly first: T;
  readonly last: T;
}

/** Sorted by `first`, disjoint, no two adjacent. Made by `intervalSet` and kept so by the functions here. */
export type IntervalSet<T extends number | bigint> = readonly Interval<T>[];

function successor<T extends number | bigint>(value: T): T {
  return (typeof value === 'bigint' ? value + 1n : (value as number) + 1) as T;
}

function predecessor<T extends number | bigint>(value: T): T {
  return (typeof value === 'bigint' ? value - 1n : (value as number) - 1) as T;
}

/** Sorts and merges overlapping and adjacent intervals. */
export function intervalSet<T extends number | bigint>(intervals: Iterable<Interval<T>>): IntervalSet<T> {
  const given = [...intervals];
  const isSorted = given.every((each, i) => i === 0 || given[i - 1]!.first <= each.first);
  const sorted = isSorted ? given : byFirst(given);
  const merged: Interval<T>[] = [];
  for (const next of sorted) {
    const open = merged.at(-1);
    if (open === undefined || next.first > successor(open.last)) merged.push(next);
    else if (next.last > open.last) merged[merged.length - 1] = { first: open.first, last: next.last };
  }
  return merged;
}

/** Where it pays to sort numbers without asking a function about each two. */
const MANY = 256;

function byFirst<T extends number | bigint>(intervals: Interval<T>[]): readonly Interval<T>[] {
  // IPv4 addresses with their places behind them: 32 + 20 bits are exact.
  const isShort =
    intervals.length >= MANY &&
    intervals.length <= 2 ** 20 &&
    intervals.every(({ first }) => first >= 0 && first < 2 ** 32);
  if (!isShort) return intervals.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const keys = Float64Array.from(intervals, ({ first }, i) => Number(first) * 2 ** 20 + i).sort();
  return Array.from(keys, (key) => intervals[key % 2 ** 20]!);
}

/** Whether the set holds the value; binary search. */
export function intervalSetHas<T extends number | bigint>(set: IntervalSet<T>, value: T): boolean {
  let low = 0;
  let high = set.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const interval = set[middle]!;
    if (value < interval.first) high = middle - 1;
    else if (value > interval.last) low = middle + 1;
    else return true;
  }
  return false;
}

/** The values that are in `a` and not in `b`. */
export function subtractIntervals<T extends number | bigint>(
  a: IntervalSet<T>,
  b: IntervalSet<T>,
): IntervalSet<T> {
  const left: Interval<T>[] = [];
  let from = 0;
  for (const interval of a) {
    while (from < b.length && b[from]!.last < interval.first) from++;
    let first = interval.first;
    let covered = false;
    for (let i = from; i < b.length && b[i]!.first <= interval.last; i++) {
      if (b[i]!.first > first) left.push({ first, last: predecessor(b[i]!.first) });
      if (b[i]!.last >= interval.last) {
        covered = true;
        break;
      }
      first = successor(b[i]!.last);
    }
    if (!covered) left.push({ first, last: interval.last });
  }
  return left;
}

/** Whether the two sets share a value. */
export function intervalsOverlap<T extends number | bigint>(a: IntervalSet<T>, b: IntervalSet<T>): boolean {
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    if (a[i]!.last < b[j]!.first) i++;
    else if (b[j]!.last < a[i]!.first) j++;
    else return true;
  }
  return false;
}

/** Whether every value of `inner` is in `outer`. */
export function intervalsCover<T extends number | bigint>(
  outer: IntervalSet<T>,
  inner: IntervalSet<T>,
): boolean {
  return subtractIntervals(inner, outer).length === 0;
}
