// Where two rulesets decide differently, for all packets: what one lets through and the other does not.
import type { Host } from '../model/host.ts';
import type { Ruleset } from '../model/ruleset.ts';
import type { IpFamily } from '../net/address.ts';
import { LEAF, packetsDecided } from '../space/decision.ts';
import { forEvery, forSome } from '../space/packet-fields.ts';
import { intersectPackets, isEmpty, subtractPackets, unionPackets } from '../space/packet-set.ts';
import { type Decision, hold, type PacketSet, type PacketSpace } from '../space/packet-space.ts';
import { type Analysis, type AnalysisInput, beginAnalysis } from '../symbolic/analysis.ts';
import { viewOf } from '../symbolic/scope.ts';
import { ROADS, type Road, roadTrips } from './compared-roads.ts';

export interface RulesetPair {
  readonly family: IpFamily;
  readonly before: Ruleset;
  readonly after: Ruleset;
  /** The machine for both. */
  readonly host?: Host | undefined;
  /** Only packets like these; all by default. */
  readonly where?: (space: PacketSpace) => PacketSet;
  readonly roads?: readonly Road[];
}

/** Packets, by what is sure about them; they do not depend on what nobody can know. The sets are held. */
export interface Doubted {
  /** Whatever the unknown turns out to be. */
  readonly certain: PacketSet;
  /** If it turns out so: the certain ones are among them. */
  readonly possible: PacketSet;
}

/** The packets that fare differently on one road. */
export interface RoadDifference {
  readonly road: Road;
  /** The packets that were compared. Held. */
  readonly asked: PacketSet;
  /** Not let through before, and now they are. */
  readonly opened: Doubted;
  readonly closed: Doubted;
  /** Let through by neither; dropped before, and now told so (`reject`). */
  readonly answered: Doubted;
  /** Let through by neither; told so before, and now dropped. */
  readonly silenced: Doubted;
}

export type DifferenceKind = Exclude<keyof RoadDifference, 'road' | 'asked'>;

export interface RulesetDifferences {
  readonly analysis: Analysis;
  /** One for each road on which there is a difference. */
  readonly differences: readonly RoadDifference[];
  /** By road the packets that were compared, and those of them that may pass before and after. Held. */
  readonly roads: ReadonlyMap<Road, { readonly asked: PacketSet; readonly kept: PacketSet }>;
}

/** The input of the analysis of both, for `spaceFor`. */
export function pairInput({ family, before, after, host }: RulesetPair): AnalysisInput {
  return { family, rulesets: [before, after], host };
}

/**
 * Compares for all packets, in a space that `spaceFor(pairInput(pair))` describes. What is unknown in the same rule of
 * both rulesets is taken to turn out the same in both. Throws TooLarge when the space's budget is used up.
 */
export function rulesetDifferences(space: PacketSpace, pair: RulesetPair): RulesetDifferences {
  const analysis = beginAnalysis(space, pairInput(pair));
  const before = roadTrips(viewOf(analysis, pair.before));
  const after = roadTrips(viewOf(analysis, pair.after));
  const differences: RoadDifference[] = [];
  const roads = new Map<Road, { asked: PacketSet; kept: PacketSet }>();
  for (const road of pair.roads ?? ROADS) {
    const was = before(road);
    const is = after(road);
    const found = was.map(({ decision, packets }, i) => {
      const now = is[i]!;
      // Fields that the second ruleset alone reads may be of the question, too.
      const asked = hold(
        pair.where === undefined ? packets() : intersectPackets(packets(), pair.where(space)),
      );
      const changes = changesOf(analysis, asked, decision, now.decision);
      const pass = (one: Decision): PacketSet => packetsDecided(one, LEAF.accept, LEAF.unknown);
      const both = intersectPackets(asked, intersectPackets(pass(decision), pass(now.decision)));
      const kept = hold(forSome(both, [...analysis.free.keys()]));
      return { asked, changes, kept };
    });
    const asked = hold(
      unionPackets(
        space,
        found.map((each) => each.asked),
      ),
    );
    const kept = hold(
      unionPackets(
        space,
        found.map((each) => each.kept),
      ),
    );
    roads.set(road, { asked, kept });
    const changes = joinChanges(
      space,
      found.map((each) => each.changes),
    );
    const isNone = Object.values(changes).every(({ possible }) => isEmpty(possible));
    if (!isNone) differences.push({ road, asked, ...changes });
  }
  return { analysis, differences, roads };
}

type Changes = Readonly<Record<DifferenceKind, Doubted>>;

function changesOf(analysis: Analysis, asked: PacketSet, was: Decision, is: Decision): Changes {
  const free = [...analysis.free.keys()];
  const among = (decision: Decision, ...leaves: readonly number[]): PacketSet =>
    intersectPackets(asked, packetsDecided(decision, ...leaves));
  const doubted = (certain: PacketSet, possible: PacketSet): Doubted => ({
    certain: hold(forEvery(certain, free)),
    possible: hold(forSome(possible, free)),
  });
  /** Decided by `one` as `wanted`, and not by the other, neither so nor with a part that was not understood. */
  const only = (one: Decision, wanted: number, other: Decision, unwanted: readonly number[]): Doubted => {
    const certain = intersectPackets(among(one, wanted), among(other, ...unwanted));
    const perhaps = intersectPackets(among(one, LEAF.unknown), among(other, ...unwanted));
    const perhapsNot = intersectPackets(among(one, wanted), among(other, LEAF.unknown));
    return doubted(certain, unionPackets(analysis.space, [certain, perhaps, perhapsNot]));
  };
  const refused = [LEAF.drop, LEAF.reject, LEAF.fall];
  const plain = (one: Decision, a: number, other: Decision, b: number): Doubted => {
    const both = intersectPackets(among(one, a), among(other, b));
    return doubted(both, both);
  };
  return {
    opened: only(is, LEAF.accept, was, refused),
    closed: only(was, LEAF.accept, is, refused),
    answered: plain(is, LEAF.reject, was, LEAF.drop),
    silenced: plain(was, LEAF.reject, is, LEAF.drop),
  };
}

function joinChanges(space: PacketSpace, all: readonly Changes[]): Changes {
  const join = (kind: DifferenceKind): Doubted => ({
    certain: hold(
      unionPackets(
        space,
        all.map((each) => each[kind].certain),
      ),
    ),
    possible: hold(
      unionPackets(
        space,
        all.map((each) => each[kind].possible),
      ),
    ),
  });
  return {
    opened: join('opened'),
    closed: join('closed'),
    answered: join('answered'),
    silenced: join('silenced'),
  };
}

/** What may be so, but need not. */
export function inDoubt({ certain, possible }: Doubted): PacketSet {
  return subtractPackets(possible, certain);
}
