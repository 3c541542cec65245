// The arithmetic of diagrams: if-then-else, from which the others are made, and what is asked without making nodes.
import {
  type Aspects,
  type Bdd,
  freshTag,
  highOf,
  levelOf,
  lowOf,
  makeNode,
  recall,
  remember,
} from './bdd.ts';

/** Tags that freshTag does not reach. */
const DISJOINT = -0x7fff_ffff;
const DIFFER = -0x7fff_fffb;
const IS_LEAF = -0x4000_0000;
const HAS_LEAF = -0x5000_0000;

/**
 * `then` where `test` holds, `otherwise` elsewhere. `test` is a set (its leaves are 0 and 1), the others have any leaves.
 * Throws TooLarge.
 */
export function ite(bdd: Bdd, test: number, then: number, otherwise: number): number {
  if (test < bdd.leaves) {
    if (test > 1) throw new Error(`a decision (leaf ${test}) where a set was expected`);
    return test === 1 ? then : otherwise;
  }
  const yes = then === test ? 1 : then;
  const no = otherwise === test ? 0 : otherwise;
  if (yes === no) return yes;
  if (yes === 1 && no === 0) return test;
  const known = recall(bdd, test, yes, no);
  if (known >= 0) return known;

  const { nodes } = bdd;
  const testLevel = nodes[test << 2]!;
  const yesLevel = nodes[yes << 2]!;
  const noLevel = nodes[no << 2]!;
  let level = testLevel;
  if (yesLevel < level) level = yesLevel;
  if (noLevel < level) level = noLevel;
  // As plain variables: this is the innermost loop of everything.
  let test0 = test;
  let test1 = test;
  let yes0 = yes;
  let yes1 = yes;
  let no0 = no;
  let no1 = no;
  if (testLevel === level) {
    test0 = nodes[(test << 2) + 1]!;
    test1 = nodes[(test << 2) + 2]!;
  }
  if (yesLevel === level) {
    yes0 = nodes[(yes << 2) + 1]!;
    yes1 = nodes[(yes << 2) + 2]!;
  }
  if (noLevel === level) {
    no0 = nodes[(no << 2) + 1]!;
    no1 = nodes[(no << 2) + 2]!;
  }
  const low = ite(bdd, test0, yes0, no0);
  const high = ite(bdd, test1, yes1, no1);
  const result = makeNode(bdd, level, low, high);
  remember(bdd, test, yes, no, result);
  return result;
}

/** Both. The operands are sets, as in `or`, `not`, `xor` and `subtract`. */
export function and(bdd: Bdd, a: number, b: number): number {
  return a < b ? ite(bdd, a, b, 0) : ite(bdd, b, a, 0);
}

export function or(bdd: Bdd, a: number, b: number): number {
  return a < b ? ite(bdd, a, 1, b) : ite(bdd, b, 1, a);
}

export function not(bdd: Bdd, a: number): number {
  return ite(bdd, a, 0, 1);
}

export function xor(bdd: Bdd, a: number, b: number): number {
  return a < b ? ite(bdd, a, not(bdd, b), b) : ite(bdd, b, not(bdd, a), a);
}

export function subtract(bdd: Bdd, a: number, b: number): number {
  return ite(bdd, b, 0, a);
}

/** The union of many, in the order of a balanced tree: the operands stay small for as long as they can. */
export function unionAll(bdd: Bdd, sets: readonly number[]): number {
  let layer = sets;
  while (layer.length > 1) {
    const next: number[] = [];
    for (let i = 0; i < layer.length; i += 2)
      next.push(i + 1 < layer.length ? or(bdd, layer[i]!, layer[i + 1]!) : layer[i]!);
    layer = next;
  }
  return layer[0] ?? 0;
}

/** Whether nothing is in both; makes no nodes, so it cannot be too large. */
export function disjoint(bdd: Bdd, a: number, b: number): boolean {
  if (a === 0 || b === 0) return true;
  if (a === 1 || b === 1 || a === b) return false;
  if (a > b) return disjoint(bdd, b, a);
  const known = recall(bdd, a, b, DISJOINT);
  if (known >= 0) return known === 1;
  const aLevel = levelOf(bdd, a);
  const bLevel = levelOf(bdd, b);
  const splitA = aLevel <= bLevel;
  const splitB = bLevel <= aLevel;
  const answer =
    disjoint(bdd, splitA ? lowOf(bdd, a) : a, splitB ? lowOf(bdd, b) : b) &&
    disjoint(bdd, splitA ? highOf(bdd, a) : a, splitB ? highOf(bdd, b) : b);
  remember(bdd, a, b, DISJOINT, answer ? 1 : 0);
  return answer;
}
/**
 * Other leaves: `leaves[leaf]` in the place of each. With 0 and 1 in `leaves` a decision becomes a set, such as that of
 * the packets for which it is one verdict.
 */
export function mapLeaves(bdd: Bdd, node: number, leaves: readonly number[]): number {
  return mapped(bdd, node, leaves, freshTag(bdd));
}

function mapped(bdd: Bdd, node: number, leaves: readonly number[], tag: number): number {
  if (node < bdd.leaves) return leaves[node]!;
  const known = recall(bdd, node, 0, tag);
  if (known >= 0) return known;
  const low = mapped(bdd, lowOf(bdd, node), leaves, tag);
  const high = mapped(bdd, highOf(bdd, node), leaves, tag);
  const result = makeNode(bdd, levelOf(bdd, node), low, high);
  remember(bdd, node, 0, tag, result);
  return result;
}

/** The set of what is decided with `leaf`. */
export function leafSet(bdd: Bdd, node: number, leaf: number): number {
  return isLeafOf(bdd, node, leaf, IS_LEAF - leaf);
}

function isLeafOf(bdd: Bdd, node: number, leaf: number, tag: number): number {
  if (node < bdd.leaves) return node === leaf ? 1 : 0;
  const known = recall(bdd, node, 0, tag);
  if (known >= 0) return known;
  const low = isLeafOf(bdd, lowOf(bdd, node), leaf, tag);
  const high = isLeafOf(bdd, highOf(bdd, node), leaf, tag);
  const result = makeNode(bdd, levelOf(bdd, node), low, high);
  remember(bdd, node, 0, tag, result);
  return result;
}

/** The first decision, and where it is `fall` the second. Throws TooLarge. */
export function seq(bdd: Bdd, first: number, second: number, fall: number): number {
  return followed(bdd, first, second, fall, freshTag(bdd));
}

function followed(bdd: Bdd, first: number, second: number, fall: number, tag: number): number {
  if (first < bdd.leaves) return first === fall ? second : first;
  if (second === fall || first === second || !hasLeaf(bdd, first, fall)) return first;
  const known = recall(bdd, first, second, tag);
  if (known >= 0) return known;
  const firstLevel = levelOf(bdd, first);
  const secondLevel = levelOf(bdd, second);
  const level = Math.min(firstLevel, secondLevel);
  const first0 = firstLevel === level ? lowOf(bdd, first) : first;
  const first1 = firstLevel === level ? highOf(bdd, first) : first;
  const second0 = secondLevel === level ? lowOf(bdd, second) : second;
  const second1 = secondLevel === level ? highOf(bdd, second) : second;
  const low = followed(bdd, first0, second0, fall, tag);
  const high = followed(bdd, first1, second1, fall, tag);
  const result = makeNode(bdd, level, low, high);
  remember(bdd, first, second, tag, result);
  return result;
}

/** Whether the leaf occurs; makes no nodes. */
function hasLeaf(bdd: Bdd, node: number, leaf: number): boolean {
  if (node < bdd.leaves) return node === leaf;
  const tag = HAS_LEAF - leaf;
  const known = recall(bdd, node, 0, tag);
  if (known >= 0) return known === 1;
  const found = hasLeaf(bdd, lowOf(bdd, node), leaf) || hasLeaf(bdd, highOf(bdd, node), leaf);
  remember(bdd, node, 0, tag, found ? 1 : 0);
  return found;
}

/** The set of what two decisions decide differently. Throws TooLarge. */
export function differ(bdd: Bdd, a: number, b: number): number {
  if (a === b) return 0;
  if (a < bdd.leaves && b < bdd.leaves) return 1;
  if (a > b) return differ(bdd, b, a);
  const known = recall(bdd, a, b, DIFFER);
  if (known >= 0) return known;
  const aLevel = levelOf(bdd, a);
  const bLevel = levelOf(bdd, b);
  const level = Math.min(aLevel, bLevel);
  const [splitA, splitB] = [aLevel === level, bLevel === level];
  const low = differ(bdd, splitA ? lowOf(bdd, a) : a, splitB ? lowOf(bdd, b) : b);
  const high = differ(bdd, splitA ? highOf(bdd, a) : a, splitB ? highOf(bdd, b) : b);
  const result = makeNode(bdd, level, low, high);
  remember(bdd, a, b, DIFFER, result);
  return result;
}

/** In the bits of `leavesUnder`: may be 0 or 1. */
export const ANY_BIT = 2;

/** The leaves for assignments like this one, ascending; `bits[level]` is 0, 1 or ANY_BIT. Makes no nodes. */
export function leavesUnder(bdd: Bdd, node: number, bits: Uint8Array): number[] {
  const { nodes, leaves } = bdd;
  const found = new Set<number>();
  const seen = new Set<number>();
  const open: number[] = [];
  for (let at: number | undefined = node; at !== undefined; at = open.pop()) {
    while (at >= leaves) {
      const index: number = at << 2;
      const bit: number = bits[nodes[index]!]!;
      if (bit === ANY_BIT) {
        if (seen.has(at)) break;
        seen.add(at);
        open.push(nodes[index + 2]!);
      }
      at = nodes[index + (bit === 1 ? 2 : 1)]!;
    }
    if (at < leaves) found.add(at);
  }
  return [...found].sort((a, b) => a - b);
}

/** How many nodes the diagram has, leaves not counted. */
export function sizeOf(bdd: Bdd, node: number): number {
  return reachable(bdd, node).filter((each) => each >= bdd.leaves).length;
}

/** The levels that decide anything, ascending. */
export function supportOf(bdd: Bdd, node: number): readonly number[] {
  return aspectsOf(bdd, node).levels;
}

/** The leaves that can be reached, ascending. */
export function leavesOf(bdd: Bdd, node: number): readonly number[] {
  return aspectsOf(bdd, node).leaves;
}

/** A diagram of fewer nodes is as quickly walked again. */
const MANY = 1_000;

function aspectsOf(bdd: Bdd, node: number): Aspects {
  const known = bdd.aspects.get(node);
  if (known !== undefined) return known;
  const found = reachable(bdd, node);
  const levels = new Set<number>();
  const leaves: number[] = [];
  for (const each of found) {
    if (each < bdd.leaves) leaves.push(each);
    else levels.add(levelOf(bdd, each));
  }
  const ascending = (a: number, b: number): number => a - b;
  const aspects = { levels: [...levels].sort(ascending), leaves: leaves.sort(ascending) };
  if (found.length > MANY) bdd.aspects.set(node, aspects);
  return aspects;
}

/** All that is below a node, itself and the leaves included, each once. */
function reachable(bdd: Bdd, root: number): readonly number[] {
  const { nodes, leaves } = bdd;
  if (bdd.seen.length < bdd.used) bdd.seen = new Int32Array(nodes.length >> 2);
  const { seen } = bdd;
  const walk = ++bdd.walks;
  const found = [root];
  seen[root] = walk;
  for (let i = 0; i < found.length; i++) {
    const node = found[i]!;
    if (node < leaves) continue;
    const low = nodes[(node << 2) + 1]!;
    const high = nodes[(node << 2) + 2]!;
    if (seen[low] !== walk) {
      seen[low] = walk;
      found.push(low);
    }
    if (seen[high] !== walk) {
      seen[high] = walk;
      found.push(high);
    }
  }
  return found;
}
