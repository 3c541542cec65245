// The exposures of one family, out of the sets of packets that arrive: port by port and place by place.

import type { SnapshotSocket } from '../model/snapshot.ts';
import { type Address, parseAddress } from '../net/address.ts';
import { type Interval, type IntervalSet, intervalSet } from '../net/interval.ts';
import { PROTOCOLS } from '../net/protocol.ts';
import { addressTypes } from '../semantics/address-types.ts';
import { decisionLeaves, LEAF } from '../space/decision.ts';
import type { WordField } from '../space/fields.ts';
import {
  intersectPackets,
  isEmpty,
  type PacketMatch,
  packetsOverlap,
  packetsWhere,
  subtractPackets,
  unionPackets,
} from '../space/packet-set.ts';
import type { PacketSet } from '../space/packet-space.ts';
import { type Arrivals, MAPPED, unicast } from './arrivals.ts';
import type { ClosedSocket, Exposure, ExposureInput, FamilyExposures, Walks } from './kinds.ts';
import { otherExposures } from './others.ts';
import { type Asking, passages } from './passage.ts';
import { narrowed, partsByDestination, partsByPort, type Reached, reachedAt } from './reached.ts';
import { everyAddress, impossibleSources } from './sources.ts';
import {
  type Answering,
  behindAddress,
  behindSocket,
  type ExposureProtocol,
  isEverywhere,
  isLoopbackAddress,
  type Reaches,
  socketAt,
} from './target.ts';

const PROTOCOLS_WITH_PORTS: readonly ExposureProtocol[] = ['tcp', 'udp', 'sctp'];

export interface FamilyInput extends ExposureInput, Walks {
  readonly isOutside: (name: string) => boolean;
  readonly beyond: IntervalSet<bigint>;
}

/** All of one family. `from` was made with the same input. */
export function familyExposures(from: Arrivals, input: FamilyInput): FamilyExposures {
  const { analysis, decision, asked } = from;
  const { family, host, space } = analysis;
  const answering: Answering = { sockets: input.sockets, containers: input.containers ?? [] };
  const { words } = space.layout.fields.find(({ name }) => name === 'iif') as WordField;
  const asking: Asking = {
    analysis,
    ruleset: from.ruleset,
    walk: input.walk,
    lenient: input.lenient,
    places: {
      family,
      impossible: impossibleSources(family, host),
      outside: words.filter((word) => word !== '-' && input.isOutside(word)),
    },
  };
  const own = ownAddresses(from, input);
  const accepted = reachedAt(analysis, decision, asked, LEAF.accept);
  const mapped = decisionLeaves(decision)
    .filter((leaf) => leaf >= MAPPED)
    .map((leaf) => reachedAt(analysis, decision, asked, leaf));
  const found: Exposure[] = [];
  const closed: ClosedSocket[] = [];
  const taken: PacketSet[] = [];
  for (const socket of (input.sockets ?? []).filter(({ families }) => families.includes(family))) {
    const reaches = behindSocket(socket, answering);
    if (isLoopbackAddress(socket.address)) {
      closed.push({ family, socket, reaches, why: 'loopback' });
      continue;
    }
    const these = subtractPackets(packetsFor(socket, from), nearerSockets(socket, input.sockets ?? [], from));
    taken.push(these);
    const rows = exposuresAt(asking, accepted, these, own, {
      proto: socket.protocol,
      ports: [{ first: BigInt(socket.port), last: BigInt(socket.port) }],
      reaches: () => reaches,
    });
    found.push(...rows);
    // A published port is the container's; who reaches it is told there.
    const translated = mapped.some(({ possible }) => packetsOverlap(possible, these));
    if (rows.length === 0 && !translated) closed.push({ family, socket, reaches, why: 'rules' });
  }
  const listening = unionPackets(space, taken);
  const direct = from.direct && reachedAt(analysis, from.direct.decision, from.direct.asked, LEAF.accept);
  for (const proto of PROTOCOLS_WITH_PORTS) {
    const nobody: Reaches = input.sockets === undefined ? { kind: 'none', unseen: true } : { kind: 'none' };
    found.push(...openPorts(asking, accepted, proto, own, { but: listening, reaches: () => nobody }));
    for (const each of mapped) {
      if (isEmpty(each.possible)) continue;
      found.push(
        ...openPorts(asking, each, proto, own, {
          reaches: (example, owner) => translatedTo(example, owner, proto, answering),
        }),
      );
    }
    if (direct === undefined) continue;
    for (const { first } of input.beyond) {
      const address = { family, value: first };
      const rows = openPorts(asking, direct, proto, everyAddress(family), {
        within: packetsWhere(space, { dst: address }),
        reaches: (_, __, ports) =>
          behindAddress(
            { address, port: ports.first === ports.last ? ports.first : undefined },
            undefined,
            'route',
            answering,
          ),
      });
      found.push(...rows.map((row) => ({ ...row, direct: true })));
    }
  }
  return {
    family,
    exposures: found.sort(byPort),
    others: otherExposures(asking, accepted, own),
    closed,
    notUnderstood: [
      ...new Set(
        [...analysis.free.values()].flatMap(({ reason, rule }) =>
          reason === 'not understood' && rule !== undefined ? [rule] : [],
        ),
      ),
    ],
  };
}

function byPort(a: Exposure, b: Exposure): number {
  return a.ports.first - b.ports.first || (a.proto < b.proto ? -1 : a.proto > b.proto ? 1 : 0);
}

/** Every address at which the host is dialled from outside. Others, such as those of bridges of containers, do not count. */
function ownAddresses({ analysis }: Arrivals, { isOutside }: FamilyInput): IntervalSet<bigint> {
  const { host, family } = analysis;
  if (host === undefined || addressTypes(host, family) === undefined) return unicast(family);
  return intervalSet(
    host.links
      .filter(({ name }) => isOutside(name))
      .flatMap(({ addresses }) =>
        addresses.filter(({ address }) => address.family === family && !isLinkLocal(address)),
      )
      .map(({ address: { value } }) => ({ first: value, last: value })),
  );
}

/** Strangers dial no such address. */
function isLinkLocal({ family, value }: Address): boolean {
  return family === 'ipv6' && value >> 118n === 0x3fan;
}

function packetsFor({ protocol, address, port }: SnapshotSocket, { analysis }: Arrivals): PacketSet {
  const bound = isEverywhere(address, analysis.family) ? undefined : parseAddress(address);
  const where: PacketMatch = { proto: protocol, dport: port };
  return packetsWhere(analysis.space, bound === undefined ? where : { ...where, dst: bound });
}

/** What sockets bound to one address take from this one. */
function nearerSockets(
  socket: SnapshotSocket,
  sockets: readonly SnapshotSocket[],
  from: Arrivals,
): PacketSet {
  const { family, space } = from.analysis;
  const nearer = !isEverywhere(socket.address, family)
    ? []
    : sockets.filter(
        (other) =>
          other.protocol === socket.protocol &&
          other.port === socket.port &&
          other.families.includes(family) &&
          !isEverywhere(other.address, family),
      );
  return unionPackets(
    space,
    nearer.map((other) => packetsFor(other, from)),
  );
}

interface PortsAsked {
  readonly proto: ExposureProtocol;
  readonly ports: IntervalSet<bigint>;
  readonly reaches: Answer;
}

type Answer = (
  example: {
    readonly address: ReturnType<typeof parseAddress>;
    readonly port: number | undefined;
    readonly here: boolean;
  },
  owner: string | undefined,
  ports: Interval<number>,
) => Reaches;

/** Rows for some ports of one protocol, all with the same places. */
function exposuresAt(
  asking: Asking,
  reached: Reached,
  these: PacketSet,
  own: IntervalSet<bigint>,
  { proto, ports, reaches }: PortsAsked,
): Exposure[] {
  const part = narrowed(reached, these);
  if (isEmpty(part.possible)) return [];
  const number = PROTOCOLS.get(proto)!;
  return partsByDestination(part, own).flatMap((each) =>
    ports.flatMap((interval) => {
      const range = { first: Number(interval.first), last: Number(interval.last) };
      const where = { proto: number, dport: range.first };
      return passages(asking, reached, each, where).map(({ example, ...passage }): Exposure => {
        const owner = passage.openedBy.find(({ translates }) => translates)?.owner;
        return {
          ...passage,
          example: example.packet,
          proto,
          ports: range,
          reaches: reaches(example, owner, range),
          direct: false,
        };
      });
    }),
  );
}

interface PortQuestion {
  /** Packets that others are told about. */
  readonly but?: PacketSet;
  readonly within?: PacketSet;
  readonly reaches: Answer;
}

/** Rows for all ports of a protocol but those that others are told about. */
function openPorts(
  asking: Asking,
  reached: Reached,
  proto: ExposureProtocol,
  own: IntervalSet<bigint>,
  { but, within, reaches }: PortQuestion,
): Exposure[] {
  const { space } = asking.analysis;
  const limits = (set: PacketSet): PacketSet => {
    const inside = within === undefined ? set : intersectPackets(set, within);
    return but === undefined ? inside : subtractPackets(inside, but);
  };
  const ofProtocol = packetsWhere(space, { proto, dport: { first: 1, last: 65535 } });
  const these = narrowed(reached, limits(ofProtocol));
  if (isEmpty(these.possible)) return [];
  return partsByPort(these).flatMap(({ ports }) => {
    const open = limits(packetsWhere(space, { proto, dport: ports }));
    return exposuresAt(asking, reached, open, own, { proto, ports, reaches });
  });
}

/** Where a translation leads: to a container, on to somewhere, or to a process of this host. */
function translatedTo(
  { address, port, here }: Parameters<Answer>[0],
  owner: string | undefined,
  proto: ExposureProtocol,
  answering: Answering,
): Reaches {
  if (!here || address === undefined)
    return behindAddress({ address, port }, owner, 'translation', answering);
  const socket = port === undefined ? undefined : socketAt(answering, proto, address, port);
  if (socket !== undefined) return behindSocket(socket, answering);
  return answering.sockets === undefined ? { kind: 'none', unseen: true } : { kind: 'none' };
}
