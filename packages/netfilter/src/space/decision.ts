// Decisions: a verdict for every packet, put together from rules as a chain puts them together.

import { type FieldMatch, matchValues } from './field-match.ts';
import { type Case, fieldSwitch, isBelow, maskSet, valuesSwitch } from './field-values.ts';
import { fieldOf } from './fields.ts';
import { differ, ite, leafSet, leavesOf, mapLeaves, seq, unionAll } from './operations.ts';
import { type PacketMatch, packetsWhere } from './packet-set.ts';
import {
  type Decision,
  decisionOf,
  nodeOf,
  type PacketSet,
  type PacketSpace,
  setOf,
} from './packet-space.ts';

/**
 * Leaves that verdicts commonly have. `drop` and `accept` are 0 and 1, so a decision between these two alone is the set
 * of what is accepted. `fall` is a chain's end without a verdict. The other numbers are the caller's.
 */
export const LEAF = { drop: 0, accept: 1, reject: 2, fall: 3, unknown: 4 } as const;

/** The same for all packets. */
export function always(space: PacketSpace, leaf: number): Decision {
  if (!Number.isInteger(leaf) || leaf < 0 || leaf >= space.bdd.leaves) {
    throw new Error(`leaf ${leaf} in a space of ${space.bdd.leaves} leaves`);
  }
  return decisionOf(space, leaf);
}

/** Whether it is the same for all packets. */
export function isConstant(decision: Decision): boolean {
  return decision.node < decision.space.bdd.leaves;
}

/** `then` for the packets of the set, `otherwise` for all others: one rule before what comes after it. */
export function decide(set: PacketSet, then: Decision, otherwise: Decision): Decision {
  const { space } = set;
  return decisionOf(space, ite(space.bdd, nodeOf(space, set), nodeOf(space, then), nodeOf(space, otherwise)));
}

/**
 * `then` for the packets that match, `otherwise` for all others, as `decide` with `packetsWhere` gives it. Where both stand
 * below the fields that are asked for, neither the set nor anything else is made that is not part of the answer.
 */
export function decideWhere(
  space: PacketSpace,
  match: PacketMatch,
  then: Decision,
  otherwise: Decision,
): Decision {
  const { bdd, layout } = space;
  const rest = nodeOf(space, otherwise);
  const deepestFirst = Object.entries(match)
    .map(([name, values]) => ({ field: fieldOf(layout, name), values }))
    .sort((a, b) => b.field.first - a.field.first);
  let node = nodeOf(space, then);
  for (const { field, values } of deepestFirst) {
    const { intervals, masks } = matchValues(layout, field, values);
    if (masks.length > 0 || !isBelow(bdd, node, field) || !isBelow(bdd, rest, field))
      return decide(packetsWhere(space, match), then, otherwise);
    node = valuesSwitch(bdd, field, intervals, node, rest);
  }
  return decisionOf(space, node);
}

/** The first decision, and where it is `leaf` (`fall`: a chain returned) the second. */
export function thenDecide(first: Decision, second: Decision, leaf: number = LEAF.fall): Decision {
  const { space } = first;
  return decisionOf(space, seq(space.bdd, nodeOf(space, first), nodeOf(space, second), leaf));
}

/**
 * A verdict map: the decision of the first case that has the packet's value of the field, else `otherwise`. Cheap
 * for many cases when their decisions do not look at fields above this one.
 */
export function decideByField(
  space: PacketSpace,
  name: string,
  cases: readonly { readonly values: FieldMatch; readonly decision: Decision }[],
  otherwise: Decision,
): Decision {
  const { bdd, layout } = space;
  const field = fieldOf(layout, name);
  const read = cases.map(({ values, decision }) => ({
    ...matchValues(layout, field, values),
    target: nodeOf(space, decision),
  }));
  const rest = nodeOf(space, otherwise);
  const sorted: Case[] = read
    .flatMap(({ intervals, target }) => intervals.map((interval) => ({ ...interval, target })))
    .sort((a, b) => (a.first < b.first ? -1 : 1));
  const isSimple =
    read.every(({ masks, target }) => masks.length === 0 && isBelow(bdd, target, field)) &&
    isBelow(bdd, rest, field) &&
    sorted.every((each, i) => i === 0 || each.first > sorted[i - 1]!.last);
  if (isSimple) return decisionOf(space, fieldSwitch(bdd, field, sorted, rest));
  let node = rest;
  for (const { intervals, masks, target } of read.reverse()) {
    const masked = masks.map(({ mask, value }) => maskSet(bdd, field, mask, value));
    node = ite(bdd, unionAll(bdd, [valuesSwitch(bdd, field, intervals, 1), ...masked]), target, node);
  }
  return decisionOf(space, node);
}

/** The packets for which the decision is one of these leaves. */
export function packetsDecided(decision: Decision, ...leaves: readonly number[]): PacketSet {
  const { space } = decision;
  const node = nodeOf(space, decision);
  const found = leavesOf(space.bdd, node);
  if (found.every((leaf) => leaf < 2) && !leaves.includes(0))
    return setOf(space, leaves.includes(1) ? node : 0);
  return setOf(
    space,
    unionAll(
      space.bdd,
      leaves.filter((leaf) => found.includes(leaf)).map((leaf) => leafSet(space.bdd, node, leaf)),
    ),
  );
}

/** The packets that two decisions decide differently. */
export function packetsToldApart(one: Decision, other: Decision): PacketSet {
  const { space } = one;
  return setOf(space, differ(space.bdd, nodeOf(space, one), nodeOf(space, other)));
}

/** Other leaves: `reject` and `drop` made one, or a base chain's policy put in the place of `fall`. */
export function renameLeaves(decision: Decision, names: Readonly<Record<number, number>>): Decision {
  const { space } = decision;
  const leaves = Array.from({ length: space.bdd.leaves }, (_, leaf) => names[leaf] ?? leaf);
  return decisionOf(space, mapLeaves(space.bdd, nodeOf(space, decision), leaves));
}

/** The leaves that occur, ascending. */
export function decisionLeaves(decision: Decision): readonly number[] {
  return leavesOf(decision.space.bdd, nodeOf(decision.space, decision));
}
