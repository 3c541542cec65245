// Packets of every kind on their way through a host: in, out, through, from containers, redirected by somebody.
import {
  type Address,
  type IpFamily,
  type Packet,
  type PacketFields,
  type PacketSpace,
  parseAddress,
  type Table,
  walkHook,
} from '@moat/netfilter';
import fc from 'fast-check';
import type { World } from './random-policy.ts';

/** Hosts with and without containers; `br-lan` looks like an engine's bridge, `virbr0` is one of machines. */
export const FACTS = [
  { containers: [], others: [], bridges: [] },
  {
    containers: ['docker0', 'net7'],
    others: ['br-lan'],
    bridges: ['docker0', 'br-lan', 'br-0123', 'virbr0', 'net7'],
  },
] as const;

type Facts = { readonly containers: readonly string[]; readonly others: readonly string[] };

const INTERFACES = [
  ...['eth0', 'eth1', 'eth', 'eth10', 'wg0', 'wg01', 'ppp0', 'lo'],
  ...['docker0', 'docker1', 'br-lan', 'br-0123', 'br-ffff', 'podman0', 'cni-podman0', 'virbr0', 'net7'],
];

/**
 * Where a packet goes. To an address of this host: to a process, or as somebody's REDIRECT or DNAT has it to another port
 * or on to a container. From here. To others: through, or redirected to a process here.
 */
const WAYS = [
  ...['in', 'in', 'in by broadcast', 'in, redirected', 'in, sent on', 'out', 'out'],
  ...['through', 'through', 'through, rewritten', 'redirected'],
] as readonly Way[];
export type Way =
  | 'in'
  | 'in by broadcast'
  | 'in, redirected'
  | 'in, sent on'
  | 'out'
  | 'through'
  | 'through, rewritten'
  | 'redirected';

/** A packet before any translation. */
export interface Arrival {
  readonly way: Way;
  readonly iif: string;
  readonly oif: string;
  readonly state: Packet['state'];
  readonly protocol: string;
  readonly source: Address;
  readonly destination: Address;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly icmpType: number;
  readonly hopLimit: number;
  /** Where it is sent instead, if it is. */
  readonly newDestination?: Address;
  readonly newPort?: number;
  /** What was noted about the flow when it began, unless it begins now. */
  readonly statuses?: ReadonlySet<string>;
  readonly labels?: ReadonlySet<number>;
  /** What the FIB calls the destination, where the way does not say it. */
  readonly destinationType?: Packet['destinationType'];
}

const NUMBERS: Readonly<Record<string, number>> = {
  ...{ icmp: 1, igmp: 2, tcp: 6, udp: 17, ipv6: 41, gre: 47, esp: 50, ah: 51, 'ipv6-icmp': 58, vrrp: 112 },
};

/** nft's names (`nft describe icmp type`, `nft describe icmpv6 type`); others have none, and rules name them by number. */
const ICMP_NAMES: Readonly<Record<IpFamily, Readonly<Record<number, string>>>> = {
  ipv4: {
    0: 'echo-reply',
    3: 'destination-unreachable',
    5: 'redirect',
    8: 'echo-request',
    11: 'time-exceeded',
    12: 'parameter-problem',
    13: 'timestamp-request',
  },
  ipv6: {
    1: 'destination-unreachable',
    2: 'packet-too-big',
    3: 'time-exceeded',
    4: 'parameter-problem',
    128: 'echo-request',
    129: 'echo-reply',
    130: 'mld-listener-query',
    131: 'mld-listener-report',
    132: 'mld-listener-done',
    133: 'nd-router-solicit',
    134: 'nd-router-advert',
    135: 'nd-neighbor-solicit',
    136: 'nd-neighbor-advert',
    137: 'nd-redirect',
    141: 'ind-neighbor-solicit',
    142: 'ind-neighbor-advert',
    143: 'mld2-listener-report',
  },
};

/** Clients and servers of both families, each from and to each. */
const DHCP: readonly (readonly [number, number])[] = [
  [67, 68],
  [68, 67],
  [546, 547],
  [547, 546],
];

const addressesOf = (world: World, family: IpFamily): Address[] =>
  [...world.networks, 'fe80::1', 'fec0::1', '10.1.2.5', '198.51.100.7', '2001:db8:2::1'].flatMap(
    (network) => {
      const address = parseAddress(network.split('/')[0]!)!;
      return address.family === family ? [address] : [];
    },
  );

const FORWARDED: ReadonlySet<Way> = new Set(['in, sent on', 'through', 'through, rewritten']);
/** NAT is for new flows. */
const REWRITTEN: ReadonlySet<Way> = new Set([
  'in, redirected',
  'in, sent on',
  'through, rewritten',
  'redirected',
]);

export function arrivals(world: World): fc.Arbitrary<Arrival> {
  const ports = [...world.ports.flat(), 67, 68, 546, 547, 50_000];
  const one = fc.constantFrom<string>(...INTERFACES);
  return fc.constantFrom<IpFamily>('ipv4', 'ipv6').chain((family) => {
    const icmp = family === 'ipv4' ? 'icmp' : 'ipv6-icmp';
    const types = [...Object.keys(ICMP_NAMES[family]).map(Number), ...(family === 'ipv6' ? [148, 151] : [])];
    const protocols = [
      'tcp',
      'udp',
      'udp',
      icmp,
      icmp,
      'esp',
      'gre',
      'vrrp',
      ...(family === 'ipv4' ? ['igmp'] : []),
    ];
    return fc
      .record({
        way: fc.constantFrom(...WAYS),
        iif: one,
        oif: one,
        same: fc.nat(4).map((n) => n === 0),
        state: fc.constantFrom<Packet['state']>(
          'new',
          'new',
          'new',
          'established',
          'related',
          'invalid',
          'untracked',
        ),
        protocol: fc.constantFrom(...protocols),
        source: fc.constantFrom(...addressesOf(world, family)),
        destination: fc.constantFrom(...addressesOf(world, family)),
        pair: fc.oneof(
          { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...ports), fc.constantFrom(...ports)) },
          { weight: 1, arbitrary: fc.constantFrom(...DHCP) },
        ),
        icmpType: fc.constantFrom(...types),
        hopLimit: fc.constantFrom(255, 255, 254, 64),
      })
      .map(({ same, pair: [sourcePort, destinationPort], ...others }): Arrival => {
        // Packets that are not tracked meet no NAT.
        const state = REWRITTEN.has(others.way) && others.state === 'untracked' ? 'new' : others.state;
        const arrival = { ...others, state, sourcePort, destinationPort };
        const { way } = arrival;
        if (way === 'out') return { ...arrival, iif: '-' };
        if (!FORWARDED.has(way)) return { ...arrival, oif: '-' };
        // Nothing is forwarded to or from loopback.
        const [iif, oif] = [arrival.iif, arrival.oif].map((name) => (name === 'lo' ? 'eth0' : name)) as [
          string,
          string,
        ];
        return { ...arrival, iif, oif: same ? iif : oif };
      });
  });
}

const hasPorts = ({ protocol }: Arrival): boolean => protocol === 'tcp' || protocol === 'udp';
const isIcmp = ({ protocol }: Arrival): boolean => protocol === 'icmp' || protocol === 'ipv6-icmp';

/** The packet in a space; an interface that it does not tell apart is the word for those that begin so, or `*`. */
export function fieldsOfArrival(arrival: Arrival, space: PacketSpace): PacketFields {
  const fields = space.layout.fields;
  const word = (name: string): string => {
    const field = fields.find((each) => each.name === 'iif')!;
    const words = field.kind === 'words' ? field.words : [];
    if (words.includes(name)) return name;
    const fitting = words.filter((each) => each.endsWith('*') && name.startsWith(each.slice(0, -1)));
    return fitting.sort((a, b) => b.length - a.length)[0]!;
  };
  const ports = hasPorts(arrival)
    ? { sport: arrival.sourcePort, dport: arrival.destinationPort }
    : { sport: 0, dport: isIcmp(arrival) ? arrival.icmpType * 256 : 0 };
  return {
    state: arrival.state,
    iif: word(arrival.iif),
    oif: word(arrival.oif),
    src: arrival.source,
    dst: arrival.destination,
    proto: NUMBERS[arrival.protocol]!,
    ...ports,
    ...(arrival.source.family === 'ipv6' ? { ttl: arrival.hopLimit } : {}),
  };
}

/** What kind of traffic the packet is, by what interfaces lead where. */
export function trafficOf({ way, iif }: Arrival, facts: Facts): 'incoming' | 'outgoing' | 'routed' {
  if (way.startsWith('in')) return 'incoming';
  if (way === 'out') return 'outgoing';
  if (way === 'redirected') return 'routed';
  const engines = /^(docker0$|br-|podman|cni-)/.test(iif);
  const isContainer = engines ? !facts.others.includes(iif) : facts.containers.includes(iif);
  return isContainer ? 'outgoing' : 'routed';
}

/** What the table says to the packet at all the hooks that it passes, with limits not exceeded. */
export function walked(table: Table, arrival: Arrival): string {
  const { way, iif, oif } = arrival;
  const packet: Packet = {
    protocol: arrival.protocol,
    source: arrival.source,
    destination: arrival.destination,
    ...(hasPorts(arrival)
      ? { sourcePort: arrival.sourcePort, destinationPort: arrival.destinationPort }
      : {}),
    ...icmpOf(arrival),
    hopLimit: arrival.hopLimit,
    ...(iif === '-' ? {} : { inInterface: iif }),
    state: arrival.state,
    destinationType: arrival.destinationType ?? typeOf(way),
    ...(arrival.state === 'new' || arrival.statuses === undefined ? {} : { statuses: arrival.statuses }),
    labels: (arrival.state === 'new' ? undefined : arrival.labels) ?? new Set(),
  };
  if (way === 'out') return walkHook(table, 'output', { ...packet, outInterface: oif }).verdict;
  const before = walkHook(table, 'prerouting', packet);
  if (before.verdict !== 'accept') return before.verdict;
  const { labels } = before;
  const translated = REWRITTEN.has(way) && arrival.state === 'new';
  const later: Packet = {
    ...packet,
    labels,
    ...(translated ? { statuses: new Set(['dnat']) } : {}),
    ...(translated && arrival.newDestination !== undefined ? { destination: arrival.newDestination } : {}),
    ...(translated && arrival.newPort !== undefined && hasPorts(arrival)
      ? { destinationPort: arrival.newPort }
      : {}),
  };
  if (FORWARDED.has(way)) return walkHook(table, 'forward', { ...later, outInterface: oif }).verdict;
  const isHere = translated ? ({ destinationType: 'local' } as const) : {};
  return walkHook(table, 'input', { ...later, ...isHere }).verdict;
}

function typeOf(way: Way): Packet['destinationType'] {
  if (way === 'in by broadcast') return 'broadcast';
  return way.startsWith('in') ? 'local' : 'unicast';
}

function icmpOf(arrival: Arrival): Pick<Packet, 'icmpType'> {
  if (!isIcmp(arrival)) return {};
  const name = ICMP_NAMES[arrival.source.family][arrival.icmpType];
  // The walk knows types by name.
  return name === undefined ? { icmpType: String(arrival.icmpType) } : { icmpType: name };
}
