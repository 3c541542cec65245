// A space of packets: one family's fields and the diagrams over them. What is kept when it is tidied up.
import { type Bdd, type BddOptions, createBdd, TooLarge } from './bdd.ts';
import { collect } from './collect.ts';
import { type Layout, type LayoutOptions, packetLayout, type VariableOrder } from './fields.ts';
import { beginAttempt, tellProgress } from './progress.ts';

export interface PacketSpaceOptions extends LayoutOptions, BddOptions {}

/** Where packet sets and decisions live. Those of different spaces cannot be combined. */
export interface PacketSpace {
  readonly layout: Layout;
  /** The diagrams; nobody but this folder needs to look inside. */
  readonly bdd: Bdd;
  /** What `collectSpace` keeps, and how often it was held. */
  readonly held: Map<Diagram, number>;
}

/** A set of packets: equal sets are equal, however they were made (`samePackets`). */
export interface PacketSet {
  readonly kind: 'set';
  readonly space: PacketSpace;
  /** Changes when the space is tidied up; use `nodeOf`. */
  node: number;
  epoch: number;
}

/** A leaf for every packet: a verdict, a rule, whatever the caller numbers. */
export interface Decision {
  readonly kind: 'decision';
  readonly space: PacketSpace;
  node: number;
  epoch: number;
}

export type Diagram = PacketSet | Decision;

/** An empty space. */
export function packetSpace(options: PacketSpaceOptions): PacketSpace {
  return { layout: packetLayout(options), bdd: createBdd(options), held: new Map() };
}

export function setOf(space: PacketSpace, node: number): PacketSet {
  return { kind: 'set', space, node, epoch: space.bdd.epoch };
}

export function decisionOf(space: PacketSpace, node: number): Decision {
  return { kind: 'decision', space, node, epoch: space.bdd.epoch };
}

/** The diagram's node; throws for one of another space and for one that was not held when the space was tidied up. */
export function nodeOf(space: PacketSpace, diagram: Diagram): number {
  if (diagram.space !== space) throw new Error('packet sets of different spaces');
  // Leaves are never renumbered.
  if (diagram.epoch !== space.bdd.epoch && diagram.node >= space.bdd.leaves)
    throw new Error('a packet set that was not held when its space was collected');
  return diagram.node;
}

/** Keeps the diagram through `collectSpace`, until `release` was called as often. Gives it back. */
export function hold<T extends Diagram>(diagram: T): T {
  const { space } = diagram;
  nodeOf(space, diagram);
  space.held.set(diagram, (space.held.get(diagram) ?? 0) + 1);
  return diagram;
}

/** Ends one `hold`. */
export function release(diagram: Diagram): void {
  const { held } = diagram.space;
  const times = held.get(diagram) ?? 0;
  if (times > 1) held.set(diagram, times - 1);
  else held.delete(diagram);
}

/** Nodes in use, garbage included. */
export function spaceSize(space: PacketSpace): number {
  return space.bdd.used;
}

/** Forgets everything that is not held: sets and decisions that were not can no longer be used. */
export function collectSpace(space: PacketSpace): void {
  const { bdd, held } = space;
  const renumbered = collect(
    bdd,
    [...held.keys()].map(({ node }) => node),
  );
  for (const diagram of held.keys()) {
    diagram.node = renumbered(diagram.node);
    diagram.epoch = bdd.epoch;
  }
}

/** Below this size there is no need to tidy up: 10 MB. */
const SMALL = 500_000;

/**
 * `collectSpace` if that is likely to be worth it: where there is four times as much as the last one kept. Meant to be
 * called often, between one rule and the next, with all that is still needed held. Says whether it collected.
 */
export function tidySpace(space: PacketSpace): boolean {
  const { used, kept, budget, collected } = space.bdd;
  tellProgress(space.layout.family, used + collected);
  if (used < Math.min(SMALL, budget / 2) || used < Math.min(kept * 4, budget / 2 + kept / 2)) return false;
  collectSpace(space);
  return true;
}

export type Budgeted<T> =
  | { readonly kind: 'done'; readonly value: T; readonly order: VariableOrder }
  | { readonly kind: 'too large' };

export interface OrderOptions {
  /** Which orders to try; the one that did last time is best put first. */
  readonly orders?: readonly VariableOrder[];
  /** What each order may cost in the first round, in the second and so on; then only the space's own limits hold. */
  readonly efforts?: readonly number[];
}

/**
 * Runs `work` in a space of the first variable order, and when it is too large there or takes too long, again in one of
 * the next: no order is best for all rulesets. Those that only took too long get another, longer try. `too large` when
 * none will do. Other errors are passed on.
 */
export function inSomeOrder<T>(
  options: PacketSpaceOptions,
  work: (space: PacketSpace) => T,
  { orders = ['F', 'B', 'A', 'G'], efforts = [8_000_000, 32_000_000] }: OrderOptions = {},
): Budgeted<T> {
  const { effort: most = Number.MAX_SAFE_INTEGER } = options;
  let left = orders;
  let attempts = 0;
  for (const effort of [...efforts.filter((each) => each < most), most]) {
    const slow: VariableOrder[] = [];
    for (const order of left) {
      beginAttempt(++attempts, orders.length * (efforts.length + 1));
      try {
        return { kind: 'done', value: work(packetSpace({ ...options, order, effort })), order };
      } catch (error) {
        if (!(error instanceof TooLarge)) throw error;
        if (error.exceeded === 'effort') slow.push(order);
      }
    }
    left = slow;
  }
  return { kind: 'too large' };
}
