// Operations on the variables of a diagram: fix them, forget them, put functions in their place.
import { type Bdd, freshTag, highOf, levelOf, lowOf, makeNode, recall, remember } from './bdd.ts';
import { and, ite, or } from './operations.ts';

/** Tags that freshTag does not reach. */
const COFACTOR = -0x7fff_fffe;
const EXISTS = -0x7fff_fffd;
const FORALL = -0x7fff_fffc;

/** The set of assignments in which the variable of this level is 1. */
export function variable(bdd: Bdd, level: number): number {
  return makeNode(bdd, level, 0, 1);
}

/** The conjunction of these variables, negated where `bits` has 0; levels in any order, none twice. */
export function cube(bdd: Bdd, levels: readonly number[], bits: readonly (0 | 1)[]): number {
  const deepestFirst = levels.map((level, i) => ({ level, bit: bits[i]! })).sort((a, b) => b.level - a.level);
  let node = 1;
  for (const { level, bit } of deepestFirst) {
    node = bit === 1 ? makeNode(bdd, level, 0, node) : makeNode(bdd, level, node, 0);
  }
  return node;
}

/** A set of variables, as `exists` and `forall` take it. */
export function variableSet(bdd: Bdd, levels: readonly number[]): number {
  return cube(
    bdd,
    levels,
    levels.map(() => 1),
  );
}

/** What is left of `node` when the variables of `fixed`, a cube, have the values that they have in it. */
export function restrict(bdd: Bdd, node: number, fixed: number): number {
  if (node < bdd.leaves || fixed < bdd.leaves) return node;
  const level = levelOf(bdd, node);
  let rest = fixed;
  while (levelOf(bdd, rest) < level) rest = restOf(bdd, rest);
  if (rest < bdd.leaves) return node;
  const known = recall(bdd, node, rest, COFACTOR);
  if (known >= 0) return known;
  let result: number;
  if (levelOf(bdd, rest) === level) {
    const isOne = lowOf(bdd, rest) === 0;
    result = restrict(bdd, isOne ? highOf(bdd, node) : lowOf(bdd, node), restOf(bdd, rest));
  } else {
    const low = restrict(bdd, lowOf(bdd, node), rest);
    const high = restrict(bdd, highOf(bdd, node), rest);
    result = makeNode(bdd, level, low, high);
  }
  remember(bdd, node, rest, COFACTOR, result);
  return result;
}

/** A cube without its first variable. */
function restOf(bdd: Bdd, cubeNode: number): number {
  const low = lowOf(bdd, cubeNode);
  return low === 0 ? highOf(bdd, cubeNode) : low;
}

/** Where the set holds for some values of the variables (a `variableSet`). Throws TooLarge. */
export function exists(bdd: Bdd, node: number, variables: number): number {
  return quantify(bdd, node, variables, EXISTS);
}

/** Where the set holds whatever values the variables (a `variableSet`) have. Throws TooLarge. */
export function forall(bdd: Bdd, node: number, variables: number): number {
  return quantify(bdd, node, variables, FORALL);
}

function quantify(bdd: Bdd, node: number, variables: number, tag: number): number {
  if (node < bdd.leaves) return node;
  const level = levelOf(bdd, node);
  let rest = variables;
  while (levelOf(bdd, rest) < level) rest = highOf(bdd, rest);
  if (rest < bdd.leaves) return node;
  const known = recall(bdd, node, rest, tag);
  if (known >= 0) return known;
  let result = quantify(bdd, lowOf(bdd, node), rest, tag);
  if (levelOf(bdd, rest) === level) {
    const settled = tag === EXISTS ? 1 : 0;
    if (result !== settled) {
      const high = quantify(bdd, highOf(bdd, node), rest, tag);
      result = tag === EXISTS ? or(bdd, result, high) : and(bdd, result, high);
    }
  } else {
    result = makeNode(bdd, level, result, quantify(bdd, highOf(bdd, node), rest, tag));
  }
  remember(bdd, node, rest, tag, result);
  return result;
}

/** Functions for variables, made by `substitution`. Like node numbers it holds until the next `collect`. */
export interface Substitution {
  /** By level: the function's node, or -1 for a variable that stays. */
  readonly functions: Int32Array;
  readonly tag: number;
  readonly epoch: number;
}

/** Prepares `substitute`; the functions are sets. One that is used often is best made once: results are remembered for it. */
export function substitution(bdd: Bdd, functions: ReadonlyMap<number, number>): Substitution {
  const last = Math.max(-1, ...functions.keys());
  const byLevel = new Int32Array(last + 1).fill(-1);
  for (const [level, node] of functions) byLevel[level] = node;
  return { functions: byLevel, tag: freshTag(bdd), epoch: bdd.epoch };
}

/** `node` with all the functions in the place of their variables at once (so two variables can be swapped). Throws TooLarge. */
export function substitute(bdd: Bdd, node: number, by: Substitution): number {
  if (by.epoch !== bdd.epoch) throw new Error('a substitution from before the last collection');
  return substituted(bdd, node, by);
}

function substituted(bdd: Bdd, node: number, by: Substitution): number {
  if (node < bdd.leaves) return node;
  const level = levelOf(bdd, node);
  if (level >= by.functions.length) return node;
  const known = recall(bdd, node, 0, by.tag);
  if (known >= 0) return known;
  const low = substituted(bdd, lowOf(bdd, node), by);
  const high = substituted(bdd, highOf(bdd, node), by);
  const given = by.functions[level]!;
  let result: number;
  if (given >= 0) result = ite(bdd, given, high, low);
  else if (level < levelOf(bdd, low) && level < levelOf(bdd, high)) result = makeNode(bdd, level, low, high);
  else result = ite(bdd, variable(bdd, level), high, low);
  remember(bdd, node, 0, by.tag, result);
  return result;
}
