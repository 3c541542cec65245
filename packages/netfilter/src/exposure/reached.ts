// What gets to one end from outside, as sets that can be asked cheaply: by destination, port and source.
import { type IntervalSet, intervalsCover } from '../net/interval.ts';
import { always, decide, decisionLeaves, LEAF, packetsDecided } from '../space/decision.ts';
import { forEvery, forSome } from '../space/packet-fields.ts';
import { intersectPackets, isEmpty, noPackets } from '../space/packet-set.ts';
import type { Decision, PacketSet } from '../space/packet-space.ts';
import { splitByField } from '../space/split.ts';
import type { Analysis } from '../symbolic/analysis.ts';

/** Packets over all fields, and what they are over `iif`, `src`, `dst`, `proto` and `dport` alone. */
export interface Reached {
  readonly possible: PacketSet;
  readonly certain: PacketSet;
  /** The same with everything else that matters, to take examples from. */
  readonly mayBe: PacketSet;
  readonly mustBe: PacketSet;
}

const ASKED: ReadonlySet<string> = new Set(['iif', 'src', 'dst', 'proto', 'dport']);

/** Those of `asked` that get to a leaf. What could not be understood may be an accept. */
export function reachedAt(
  { space, free }: Analysis,
  decision: Decision,
  asked: PacketSet,
  leaf: number,
): Reached {
  const unknowns = [...free.keys()];
  const others = space.layout.fields.map(({ name }) => name).filter((name) => !ASKED.has(name));
  const known = others.filter((name) => !free.has(name));
  const leaves = leaf === LEAF.accept ? [leaf, LEAF.unknown] : [leaf];
  const mayBe = intersectPackets(asked, packetsDecided(decision, ...leaves));
  if (isEmpty(mayBe)) {
    const none = noPackets(space);
    return { possible: none, certain: none, mayBe, mustBe: none };
  }
  if (unknowns.length === 0 && !decisionLeaves(decision).includes(LEAF.unknown)) {
    const possible = forSome(mayBe, known);
    return { possible, certain: possible, mayBe, mustBe: mayBe };
  }
  const mustBe = intersectPackets(asked, forEvery(packetsDecided(decision, leaf), unknowns));
  return { possible: forSome(mayBe, others), certain: forSome(mustBe, known), mayBe, mustBe };
}

/** A part of what gets there: the same sources for all these destinations. */
export interface Part {
  readonly certainty: 'must' | 'may';
  /** Absent: all that anybody asked for. */
  readonly to?: IntervalSet<bigint>;
  /** Over `iif` and `src`, once protocol and port are fixed. */
  readonly from: PacketSet;
}

/** The sets narrowed to `where`. */
export function narrowed(reached: Reached, where: PacketSet): Pick<Reached, 'possible' | 'certain'> {
  return {
    possible: intersectPackets(reached.possible, where),
    certain: intersectPackets(reached.certain, where),
  };
}

/** By destination. The sets are of one protocol and port, or do not depend on them; `all`: every destination there is. */
export function partsByDestination(
  { possible, certain }: Pick<Reached, 'possible' | 'certain'>,
  all: IntervalSet<bigint>,
): readonly Part[] {
  const { space } = possible;
  const forgotten = (set: PacketSet): PacketSet => forSome(set, ['proto', 'dport']);
  const both = decide(
    forgotten(certain),
    always(space, 2),
    decide(forgotten(possible), always(space, 1), always(space, 0)),
  );
  return splitByField(both, 'dst').flatMap(({ values, rest }): Part[] => {
    const to = intervalsCover(values, all) ? {} : { to: values };
    const parts: Part[] = [
      { certainty: 'must', ...to, from: packetsDecided(rest, 2) },
      { certainty: 'may', ...to, from: packetsDecided(rest, 1) },
    ];
    return parts.filter(({ from }) => !isEmpty(from));
  });
}

/** By port, those with equal destinations and sources together; the sets are of one protocol. */
export function partsByPort({ possible, certain }: Pick<Reached, 'possible' | 'certain'>): readonly (Pick<
  Reached,
  'possible' | 'certain'
> & {
  readonly ports: IntervalSet<bigint>;
})[] {
  const { space } = possible;
  const both = decide(
    forSome(certain, ['proto']),
    always(space, 2),
    decide(forSome(possible, ['proto']), always(space, 1), always(space, 0)),
  );
  return splitByField(both, 'dport').flatMap(({ values, rest }) => {
    const open = packetsDecided(rest, 1, 2);
    return isEmpty(open) ? [] : [{ ports: values, possible: open, certain: packetsDecided(rest, 2) }];
  });
}
