// Many rules at once: where all of them compare fields with numbers, the first that matches is found field by field.
import type { Interval, IntervalSet } from '../net/interval.ts';
import { levelOf } from './bdd.ts';
import { matchValues } from './field-match.ts';
import { type Case, fieldSwitch } from './field-values.ts';
import { type Field, fieldOf, type Layout } from './fields.ts';
import { and, ite } from './operations.ts';
import type { PacketMatch } from './packet-set.ts';
import { type Decision, decisionOf, nodeOf, type PacketSet, type PacketSpace } from './packet-space.ts';

/** A rule: for packets with these values that are in all of the sets it decides `leaf`. */
export interface Row {
  readonly match: PacketMatch;
  readonly sets: readonly PacketSet[];
  readonly leaf: number;
}

/** A row with its fields as codes; made by `readRow`, and good until the space is tidied up. */
export interface ReadRow {
  /** By the level at which the field begins. */
  readonly values: ReadonlyMap<number, IntervalSet<bigint>>;
  /** The first level below all of these fields. */
  readonly end: number;
  /** What else has to hold, and the level at which that begins. */
  readonly node: number;
  readonly top: number;
  readonly leaf: number;
}

/** undefined: it asks for bits under a mask, or for a part of a field that is not at its beginning. */
export function readRow(space: PacketSpace, { match, sets, leaf }: Row): ReadRow | undefined {
  const { bdd, layout } = space;
  const values = new Map<number, IntervalSet<bigint>>();
  let end = 0;
  for (const [name, wanted] of Object.entries(match)) {
    const field = fieldOf(layout, name);
    const whole = wholeField(layout, field.first);
    const { intervals, masks } = matchValues(layout, field, wanted);
    if (masks.length > 0 || whole === undefined || values.has(whole.first)) return undefined;
    const rest = BigInt(whole.bits - field.bits);
    values.set(
      whole.first,
      rest === 0n
        ? intervals
        : intervals.map(({ first, last }) => ({ first: first << rest, last: ((last + 1n) << rest) - 1n })),
    );
    end = Math.max(end, whole.first + whole.bits);
  }
  let node = 1;
  for (const set of sets) node = and(bdd, node, nodeOf(space, set));
  return { values, end, node, top: levelOf(bdd, node), leaf };
}

function wholeField({ fields }: Layout, first: number): Field | undefined {
  return fields.find((field) => field.first === first);
}

/** How much may be looked at for each row before it is cheaper to put one row before the other. */
const WORK_PER_ROW = 100;
const LEAST_WORK = 20_000;

/**
 * The leaf of the first row that matches, else `otherwise`. What else rows ask for has to stand below all their fields
 * (`top` and `end`). Nothing is made that is not part of the result. undefined: the rows overlap too much for this way.
 * Throws TooLarge.
 */
export function firstMatch(
  space: PacketSpace,
  rows: readonly ReadRow[],
  otherwise: number,
): Decision | undefined {
  const { bdd, layout } = space;
  const used = new Set(rows.flatMap(({ values }) => [...values.keys()]));
  const fields = layout.fields.filter(({ first }) => used.has(first));
  const known = new Map<string, number>();
  let work = rows.length * WORK_PER_ROW + LEAST_WORK;

  /** What is decided when these rows are left and the fields before this one are known; -1 when it was too much work. */
  const decided = (left: readonly number[], index: number): number => {
    if (left.length === 0) return otherwise;
    const field = fields[index];
    if (field === undefined) {
      let node = otherwise;
      for (let i = left.length - 1; i >= 0; i--) {
        const row = rows[left[i]!]!;
        node = ite(bdd, row.node, row.leaf, node);
      }
      return node;
    }
    if (!left.some((n) => rows[n]!.values.has(field.first))) return decided(left, index + 1);
    const key = `${index} ${left.join()}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const node = byField(left, field, index);
    known.set(key, node);
    return node;
  };

  const byField = (left: readonly number[], field: Field, index: number): number => {
    const after = field.first + field.bits;
    const isLast = (n: number): boolean => rows[n]!.end <= after && rows[n]!.node === 1;
    /** Rows that take every value, and changes of those that take some. */
    const wide: number[] = [];
    const changes: { readonly at: bigint; readonly row: number }[] = [];
    for (const n of left) {
      const intervals = rows[n]!.values.get(field.first);
      if (intervals === undefined) {
        wide.push(n);
        if (isLast(n)) break;
      } else {
        for (const { first, last } of intervals)
          changes.push({ at: first, row: n }, { at: last + 1n, row: n });
      }
    }
    changes.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
    const outside = decided(wide, index + 1);
    if (outside < 0) return -1;
    const active: number[] = [];
    const cases: Case[] = [];
    for (let i = 0; i < changes.length; ) {
      const { at } = changes[i]!;
      for (; i < changes.length && changes[i]!.at === at; i++) toggle(active, changes[i]!.row);
      if (active.length === 0) continue;
      const these = merged(active, wide, isLast);
      work -= these.length;
      if (work < 0) return -1;
      const target = decided(these, index + 1);
      if (target < 0) return -1;
      if (target !== outside) addCase(cases, { first: at, last: changes[i]!.at - 1n }, target);
    }
    return fieldSwitch(bdd, field, cases, outside);
  };

  const node = decided(
    rows.map((_, n) => n),
    0,
  );
  return node < 0 ? undefined : decisionOf(space, node);
}

function addCase(cases: Case[], { first, last }: Interval<bigint>, target: number): void {
  const before = cases.at(-1);
  if (before?.target === target && before.last === first - 1n)
    cases[cases.length - 1] = { first: before.first, last, target };
  else cases.push({ first, last, target });
}

/** Takes the number into a sorted list, or out of it. */
function toggle(list: number[], n: number): void {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle]! < n) low = middle + 1;
    else high = middle;
  }
  if (list[low] === n) list.splice(low, 1);
  else list.splice(low, 0, n);
}

/** Two sorted lists as one, up to the first that `isLast`. */
function merged(a: readonly number[], b: readonly number[], isLast: (n: number) => boolean): number[] {
  const all: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const next = j === b.length || (i < a.length && a[i]! < b[j]!) ? a[i++]! : b[j++]!;
    all.push(next);
    if (isLast(next)) break;
  }
  return all;
}
