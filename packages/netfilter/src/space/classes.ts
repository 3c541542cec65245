// What stands below a field: the classes of its values that everything after it cannot tell apart.
import { type Interval, type IntervalSet, intervalSet } from '../net/interval.ts';
import { type Bdd, highOf, levelOf, lowOf } from './bdd.ts';
import type { Bits } from './field-values.ts';

/** Values whose bits under `mask` are those of `value`. */
export interface Mask {
  readonly mask: bigint;
  readonly value: bigint;
}

/** Some values of a field. Masks are used where intervals would be too many: `even ports` are one mask. */
export type FieldValues =
  | { readonly kind: 'intervals'; readonly intervals: IntervalSet<bigint> }
  | { readonly kind: 'masks'; readonly masks: readonly Mask[] };

/** The values after which only `below` is left to decide. */
export interface ValueClass {
  readonly below: number;
  readonly values: FieldValues;
}

/**
 * The classes of values of a field that leave different diagrams, by their smallest value; those that leave the empty
 * set (0) are not listed. The diagram must not look at variables above the field. As intervals if there are no more than
 * `few`, else as masks if there are no more than that, else as intervals if there are no more than `many`, else undefined.
 */
export function valueClasses(
  bdd: Bdd,
  node: number,
  field: Bits,
  few: number,
  many: number,
): ValueClass[] | undefined {
  const readable = intervalsBelow(bdd, node, field, few);
  const masks = readable === undefined ? masksBelow(bdd, node, field, few) : undefined;
  if (masks !== undefined) {
    return [...masks].map(([below, list]) => ({ below, values: { kind: 'masks', masks: list } }));
  }
  const found = readable ?? intervalsBelow(bdd, node, field, many);
  return (
    found &&
    [...found].map(([below, list]) => ({
      below,
      values: { kind: 'intervals', intervals: intervalSet(list) },
    }))
  );
}

function intervalsBelow(bdd: Bdd, node: number, field: Bits, limit: number) {
  const end = field.first + field.bits;
  const found = new Map<number, Interval<bigint>[]>();
  let count = 0;
  /** The last interval, which grows while the same diagram stays below. */
  let below = -1;
  let first = 0n;
  let next = 0n;
  const close = (): boolean => {
    if (below <= 0) return true;
    const list = found.get(below);
    const interval = { first, last: next - 1n };
    if (list === undefined) found.set(below, [interval]);
    else list.push(interval);
    return ++count <= limit;
  };
  const visit = (of: number, position: number): boolean => {
    const level = levelOf(bdd, of);
    if (level >= end) {
      if (of !== below) {
        if (!close()) return false;
        below = of;
        first = next;
      }
      next += 1n << BigInt(field.bits - position);
      return true;
    }
    const splits = level === field.first + position;
    return (
      visit(splits ? lowOf(bdd, of) : of, position + 1) && visit(splits ? highOf(bdd, of) : of, position + 1)
    );
  };
  return visit(node, 0) && close() ? found : undefined;
}

function masksBelow(bdd: Bdd, node: number, field: Bits, limit: number) {
  const end = field.first + field.bits;
  const found = new Map<number, Mask[]>();
  let count = 0;
  const visit = (of: number, mask: bigint, value: bigint): boolean => {
    if (of === 0) return true;
    const level = levelOf(bdd, of);
    if (level >= end) {
      const list = found.get(of);
      if (list === undefined) found.set(of, [{ mask, value }]);
      else list.push({ mask, value });
      return ++count <= limit;
    }
    const bit = 1n << BigInt(end - 1 - level);
    return visit(lowOf(bdd, of), mask | bit, value) && visit(highOf(bdd, of), mask | bit, value | bit);
  };
  return visit(node, 0n, 0n) ? found : undefined;
}
