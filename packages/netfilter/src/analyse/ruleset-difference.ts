// Where two rulesets decide differently, for all packets: what one lets through and the other does not.
import type { Host } from '../model/host.ts';
import type { Ruleset } from '../model/ruleset.ts';
import type { IpFamily } from '../net/address.ts';
import { LEAF, packetsDecided } from '../space/decision.ts';
import { forEvery, forSome } from '../space/packet-fields.ts';
import {
  examplePacket,
  intersectPackets,
  isEmpty,
  type PacketFields,
  packetsWhere,
  subtractPackets,
  unionPackets,
} from '../space/packet-set.ts';
import { hold, type PacketSet, type PacketSpace } from '../space/packet-space.ts';
import { type Analysis, type AnalysisInput, beginAnalysis } from './analysis.ts';
import { type RoadOptions, roadDecision } from './road.ts';
import { viewOf } from './scope.ts';

export const ROADS = ['input', 'forward', 'output'] as const;
export type Road = (typeof ROADS)[number];

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

/** The packets on one road that are let through by one of the two only. */
export interface RoadDifference {
  readonly road: Road;
  /** Not let through before, and now they are; where something unknown decides: they may be. */
  readonly opened: PacketSet;
  readonly closed: PacketSet;
  /** Not let through by either, but told so (`reject`) by one of them only. */
  readonly answered: PacketSet;
}

/** The input of the analysis of both, for `spaceFor`. */
export function pairInput({ family, before, after, host }: RulesetPair): AnalysisInput {
  return { family, rulesets: [before, after], host };
}

/** A difference for each road on which there is one. The sets are held. */
export function rulesetDifferences(
  space: PacketSpace,
  pair: RulesetPair,
): { readonly analysis: Analysis; readonly differences: readonly RoadDifference[] } {
  const analysis = beginAnalysis(space, pairInput(pair));
  const before = viewOf(analysis, pair.before);
  const after = viewOf(analysis, pair.after);
  const where = pair.where === undefined ? undefined : hold(pair.where(space));
  const options: RoadOptions = {};
  const differences = (pair.roads ?? ROADS).flatMap((road): RoadDifference[] => {
    const was = hold(roadDecision(before, road, options));
    const is = hold(roadDecision(after, road, options));
    const among = (set: PacketSet): PacketSet =>
      hold(where === undefined ? set : intersectPackets(set, where));
    const accepts = (decision: typeof was): PacketSet => packetsDecided(decision, LEAF.accept, LEAF.unknown);
    const opened = among(subtractPackets(accepts(is), accepts(was)));
    const closed = among(subtractPackets(accepts(was), accepts(is)));
    const rejects = (decision: typeof was): PacketSet => packetsDecided(decision, LEAF.reject);
    const drops = (decision: typeof was): PacketSet => packetsDecided(decision, LEAF.drop);
    const now = intersectPackets(rejects(is), drops(was));
    const noLonger = intersectPackets(drops(is), rejects(was));
    const answered = among(unionPackets(space, [now, noLonger]));
    return [opened, closed, answered].every(isEmpty) ? [] : [{ road, opened, closed, answered }];
  });
  return { analysis, differences };
}

/** The packets of a difference, whatever the unknown: possible with some of it, certain with all. */
export function withoutUnknown(
  analysis: Analysis,
  set: PacketSet,
): { readonly possible: PacketSet; readonly certain: PacketSet } {
  const free = [...analysis.free.keys()];
  return { possible: forSome(set, free), certain: forEvery(set, free) };
}

/** A packet of the set that a person understands: a plain new connection if there is one. */
export function plainExample(set: PacketSet): PacketFields | undefined {
  const { space } = set;
  return examplePacket(set, [
    packetsWhere(space, { state: 'new' }),
    packetsWhere(space, { proto: 'tcp' }),
    packetsWhere(space, { tcpflags: 2 }),
    packetsWhere(space, { sport: { first: 32_768, last: 60_999 } }),
    packetsWhere(space, { dport: { first: 1, last: 65_535 } }),
  ]);
}
