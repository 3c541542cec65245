// How many assignments a set has, and one of them.
import { type Bdd, highOf, levelOf, lowOf } from './bdd.ts';

/**
 * The number of assignments to the variables of `levels` (ascending) for which the set holds. It must depend on no
 * others: a set that does is a bug of the caller and throws.
 */
export function countAssignments(bdd: Bdd, node: number, levels: readonly number[]): bigint {
  const place = new Map(levels.map((level, i) => [level, i]));
  const counts = new Map<number, bigint>();
  const placeOf = (of: number): number => {
    if (of < bdd.leaves) return levels.length;
    const at = place.get(levelOf(bdd, of));
    if (at === undefined)
      throw new Error(`the set depends on level ${levelOf(bdd, of)}, which is not counted`);
    return at;
  };
  /** Over the variables from the node's own on. */
  const count = (of: number): bigint => {
    if (of < bdd.leaves) return of === 0 ? 0n : 1n;
    const known = counts.get(of);
    if (known !== undefined) return known;
    const below = placeOf(of) + 1;
    const low = lowOf(bdd, of);
    const high = highOf(bdd, of);
    const sum = (count(low) << BigInt(placeOf(low) - below)) + (count(high) << BigInt(placeOf(high) - below));
    counts.set(of, sum);
    return sum;
  };
  return count(node) << BigInt(placeOf(node));
}

/**
 * One assignment for which the set holds, by level: 0, 1, or -1 where either will do; undefined for the empty set.
 * It is the smallest one: 0 wherever that is possible.
 */
export function someAssignment(bdd: Bdd, node: number, levels: number): Int8Array | undefined {
  if (node === 0) return undefined;
  const bits = new Int8Array(levels).fill(-1);
  let at = node;
  while (at >= bdd.leaves) {
    const bit = lowOf(bdd, at) === 0 ? 1 : 0;
    bits[levelOf(bdd, at)] = bit;
    at = bit === 1 ? highOf(bdd, at) : lowOf(bdd, at);
  }
  return bits;
}
