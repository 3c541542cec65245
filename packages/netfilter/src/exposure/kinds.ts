// What is asked about a host, and what is told: exposures, what else is let in, and what is closed.
import type { Host } from '../model/host.ts';
import type { Rule, Ruleset } from '../model/ruleset.ts';
import type { SnapshotContainer, SnapshotNetwork, SnapshotSocket } from '../model/snapshot.ts';
import type { IpFamily } from '../net/address.ts';
import type { Interval, IntervalSet } from '../net/interval.ts';
import type { FreeBit } from '../symbolic/analysis.ts';
import type { WalkFunction, WalkPacket } from '../walk/walk.ts';
import type { Opener } from './opener.ts';
import type { Places } from './sources.ts';
import type { ExposureProtocol, Reaches } from './target.ts';

export interface ExposureInput {
  readonly ruleset: Ruleset;
  /** Absent for a bare dump. */
  readonly host?: Host | undefined;
  /** Absent: nobody looked. */
  readonly sockets?: readonly SnapshotSocket[] | undefined;
  readonly containers?: readonly SnapshotContainer[] | undefined;
  readonly networks?: readonly SnapshotNetwork[] | undefined;
  /** Default: both, or of a dump of iptables those that it is about. */
  readonly families?: readonly IpFamily[];
}

/** How sure it is: `may` where something decides that nobody can know, or that was not understood. */
export type Certainty = 'must' | 'may';

/** Packets of one kind that get through from the same places by the same rules. */
export interface Passage {
  readonly family: IpFamily;
  readonly from: Places;
  /** Destinations; absent: every address of the host. */
  readonly to?: IntervalSet<bigint>;
  readonly certainty: Certainty;
  /** What makes it `may`. */
  readonly doubts: readonly FreeBit[];
  readonly openedBy: readonly Opener[];
  /** One of these packets, before any rule has seen it. */
  readonly example: WalkPacket;
}

/** A port, or neighbouring ports alike, that can be reached. */
export interface Exposure extends Passage {
  readonly proto: ExposureProtocol;
  readonly ports: Interval<number>;
  readonly reaches: Reaches;
  /** The packets are addressed to a container itself, not to this host; then `to` is its address. */
  readonly direct: boolean;
}

/** A protocol without ports, or an echo request, that is let through to this host. */
export interface OtherExposure extends Passage {
  /** `echo`: icmp's or icmpv6's echo request; else numbers of IP protocols. */
  readonly what: 'echo' | IntervalSet<bigint>;
}

/** A socket that nobody outside can reach. */
export interface ClosedSocket {
  readonly family: IpFamily;
  readonly socket: SnapshotSocket;
  readonly reaches: Reaches;
  /** `loopback`: it is bound there; `rules`: they let nobody through. */
  readonly why: 'loopback' | 'rules';
}

export interface FamilyExposures {
  readonly family: IpFamily;
  readonly exposures: readonly Exposure[];
  readonly others: readonly OtherExposure[];
  readonly closed: readonly ClosedSocket[];
  /** Rules with parts that were not understood, on the way of packets from outside. */
  readonly notUnderstood: readonly Rule[];
}

export interface Exposures {
  readonly families: readonly FamilyExposures[];
  /** Families whose rules are too many and too different to be computed within bounds. */
  readonly tooLarge: readonly IpFamily[];
}

/** Walks packets: as things are, and as long as no rate or count is exceeded. */
export interface Walks {
  readonly walk: WalkFunction;
  readonly lenient: WalkFunction;
}
