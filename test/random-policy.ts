// Random policies over few addresses, ports and interfaces, so that sentences collide; flows at their edges;
// and what a policy means, said once more in the simplest way: sentence after sentence, the first match decides.
import { type Address, formatAddress, type IpFamily, parseAddress } from '@moat/netfilter';
import fc from 'fast-check';

type Decision = 'accept' | 'drop' | 'reject';
type Protocol = 'tcp' | 'udp' | 'esp' | 'gre' | 'igmp' | 'ah';
type Ports = readonly (readonly [number, number])[];
type Where = string | undefined;

/** A sentence in parts. `from` and `to` are networks or names of groups. */
export interface Line {
  readonly action: 'allow' | 'deny' | 'reject' | 'limit';
  readonly direction: 'in' | 'out';
  readonly interface: string | undefined;
  readonly protocol: Protocol | undefined;
  readonly from: Where;
  readonly to: Where;
  readonly fromPorts: Ports | undefined;
  readonly toPorts: Ports | undefined;
}

export interface RandomPolicy {
  readonly defaults: { readonly incoming: Decision; readonly outgoing: Decision; readonly routed: Decision };
  readonly logging: string;
  readonly groups: Readonly<Record<string, readonly string[]>>;
  readonly lines: readonly Line[];
}

/** A new flow; `interface` is where it comes in or goes out. */
export interface Flow {
  readonly direction: 'in' | 'out';
  readonly interface: string;
  readonly protocol: Protocol;
  readonly source: Address;
  readonly destination: Address;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** What sentences are made of. Documentation networks and 10/8, nested in each other and side by side. */
export interface World {
  readonly networks: readonly string[];
  readonly ports: readonly (readonly [number, number])[];
  readonly interfaces: readonly string[];
  readonly protocols: readonly Protocol[];
}

export const WIDE_WORLD: World = {
  networks: [
    ...['0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '10.1.2.0/25', '10.1.2.128/25', '10.1.2.3'],
    ...['10.1.2.2/31', '10.1.2.4', '192.0.2.0/24', '192.0.2.255', '128.0.0.0/1', '255.255.255.255'],
    ...['::/0', '2001:db8::/32', '2001:db8:1::/48', '2001:db8:1::/64', '2001:db8:1::1', '2001:db8:1::2/127'],
    ...['2001:db8:1:0:8000::/65', '2001:db8:ffff::/48', '2001:db8:0:1::/64'],
  ],
  ports: [
    ...([22, 80, 443, 79, 81, 65535, 1].map((port) => [port, port]) as [number, number][]),
    ...([
      [80, 90],
      [85, 100],
      [1, 79],
      [91, 65535],
      [1, 65535],
    ] as [number, number][]),
  ],
  interfaces: ['eth0', 'eth1', 'eth+', 'wg0'],
  protocols: ['tcp', 'udp', 'esp', 'gre', 'igmp', 'ah'],
};

/** No flow goes over these by chance; they have meanings of their own (DHCP). */
const BUILT_IN_PORTS = new Set([67, 68, 546, 547]);

const familyOf = (network: string): IpFamily => (network.includes(':') ? 'ipv6' : 'ipv4');

function linesOf(world: World): fc.Arbitrary<Line> {
  const group = fc.constantFrom('one', 'two', 'three');
  const network = fc.constantFrom(...world.networks);
  const where = fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    { weight: 4, arbitrary: network },
    { weight: 2, arbitrary: group },
  );
  const ports = fc.option(fc.uniqueArray(fc.constantFrom(...world.ports), { minLength: 1, maxLength: 3 }), {
    nil: undefined,
  });
  return fc
    .record({
      action: fc.constantFrom('allow', 'allow', 'deny', 'deny', 'reject', 'limit'),
      direction: fc.constantFrom('in', 'in', 'in', 'out'),
      interface: fc.option(fc.constantFrom(...world.interfaces), { nil: undefined, freq: 3 }),
      protocol: fc.option(fc.constantFrom(...world.protocols), { nil: undefined }),
      from: where,
      to: where,
      fromPorts: fc.option(ports, { nil: undefined, freq: 3 }),
      toPorts: ports,
    })
    .map((line): Line => {
      // Only sentences that the language has: one family, ports where the protocol has them, lists with a protocol.
      const families = [line.from, line.to].flatMap((each) =>
        each === undefined || isGroup(each) ? [] : [familyOf(each)],
      );
      const to = new Set(families).size > 1 ? undefined : line.to;
      const protocol =
        line.protocol === 'igmp' && families.includes('ipv6') ? undefined : (line.protocol as Protocol);
      const hasPorts = protocol === undefined || protocol === 'tcp' || protocol === 'udp';
      const fitting = (list: Ports | undefined): Ports | undefined => {
        if (list === undefined || !hasPorts) return undefined;
        const single = list.find(([first, last]) => first === last) ?? ([80, 80] as const);
        return protocol === undefined ? [single] : list;
      };
      // A limit is for incoming traffic.
      const action = line.action === 'limit' && line.direction === 'out' ? 'allow' : line.action;
      const more = {
        action,
        protocol,
        to,
        fromPorts: fitting(line.fromPorts),
        toPorts: fitting(line.toPorts),
      };
      return { ...line, ...more } as Line;
    });
}

/** Policies of up to `most` sentences, most of them with few. */
export function policies(world: World, most: number): fc.Arbitrary<RandomPolicy> {
  const verdict = fc.constantFrom<Decision>('accept', 'drop', 'drop', 'reject');
  const members = fc.uniqueArray(fc.constantFrom(...world.networks), { minLength: 1, maxLength: 5 });
  return fc.record({
    defaults: fc.record({ incoming: verdict, outgoing: verdict, routed: verdict }),
    logging: fc.constantFrom('off', 'low', 'medium', 'high', 'full'),
    groups: fc.record({ one: members, two: members, three: members }),
    lines: fc.array(linesOf(world), { maxLength: most, size: 'max' }),
  });
}

const isGroup = (where: string): boolean => /^[a-z]+$/.test(where) && !where.includes(':');

const portsText = (ports: Ports): string =>
  ports.map(([first, last]) => (first === last ? first : `${first}:${last}`)).join(',');

const WORDS = { accept: 'allow', drop: 'deny', reject: 'reject' } as const;

/** The policy as the file that an admin would write. */
export function policyText({ defaults, logging, groups, lines }: RandomPolicy): string {
  const side = (keyword: string, where: Where, ports: Ports | undefined): string =>
    `${keyword} ${where ?? 'any'}${ports === undefined ? '' : ` port ${portsText(ports)}`}`;
  return [
    ...Object.entries(defaults).map(([traffic, decision]) => `default ${WORDS[decision]} ${traffic}`),
    `logging ${logging}`,
    ...Object.entries(groups).map(([name, members]) => `group ${name} ${members.join(' ')}`),
    ...lines.map((line) =>
      [
        line.action,
        line.interface === undefined ? line.direction : `${line.direction} on ${line.interface}`,
        side('from', line.from, line.fromPorts),
        side('to', line.to, line.toPorts),
        ...(line.protocol === undefined ? [] : [`proto ${line.protocol}`]),
      ].join(' '),
    ),
    '',
  ].join('\n');
}

/** What the policy says of a new flow: the first sentence that matches, else the default. A limit lets it in. */
export function meaning({ defaults, groups, lines }: RandomPolicy, flow: Flow): Decision {
  const first = lines.find((line) => matches(line, flow, groups));
  if (first === undefined) return flow.direction === 'in' ? defaults.incoming : defaults.outgoing;
  return { allow: 'accept', limit: 'accept', deny: 'drop', reject: 'reject' }[first.action] as Decision;
}

function matches(line: Line, flow: Flow, groups: RandomPolicy['groups']): boolean {
  const isTransport = flow.protocol === 'tcp' || flow.protocol === 'udp';
  const name = line.interface;
  return (
    line.direction === flow.direction &&
    (name === undefined ||
      (name.endsWith('+') ? flow.interface.startsWith(name.slice(0, -1)) : flow.interface === name)) &&
    (line.protocol === undefined
      ? isTransport || (line.fromPorts === undefined && line.toPorts === undefined)
      : line.protocol === flow.protocol) &&
    // IGMP is IPv4's; IPv6 has MLD.
    (line.protocol !== 'igmp' || flow.source.family === 'ipv4') &&
    isWithin(flow.source, line.from, groups) &&
    isWithin(flow.destination, line.to, groups) &&
    hasPort(line.fromPorts, flow.sourcePort) &&
    hasPort(line.toPorts, flow.destinationPort)
  );
}

const hasPort = (ports: Ports | undefined, port: number): boolean =>
  ports?.some(([first, last]) => port >= first && port <= last) ?? true;

function isWithin(address: Address, where: Where, groups: RandomPolicy['groups']): boolean {
  if (where === undefined) return true;
  const networks = isGroup(where) ? groups[where]! : [where];
  return networks.some((network) => {
    const { family, first, last } = edges(network);
    return family === address.family && address.value >= first && address.value <= last;
  });
}

function edges(network: string): { family: IpFamily; bits: number; first: bigint; last: bigint } {
  const [text = '', length] = network.split('/');
  const { family, value } = parseAddress(text)!;
  const bits = family === 'ipv4' ? 32 : 128;
  const size = 1n << BigInt(bits - (length === undefined ? bits : Number(length)));
  return { family, bits, first: value, last: value + size - 1n };
}

/** Flows whose addresses and ports are the first, the last, and the next ones outside of what the world is made of. */
export function flows(world: World, protocols: readonly Protocol[]): fc.Arbitrary<Flow> {
  const addresses: Record<IpFamily, Address[]> = { ipv4: [], ipv6: [] };
  for (const network of world.networks) {
    const { family, bits, first, last } = edges(network);
    for (const value of [first - 1n, first, last, last + 1n]) {
      if (value >= 0n && value < 1n << BigInt(bits)) addresses[family].push({ family, value });
    }
  }
  const ports = [
    ...new Set(world.ports.flatMap(([first, last]) => [first - 1, first, last, last + 1])),
  ].filter((port) => port > 0 && port <= 65535 && !BUILT_IN_PORTS.has(port));
  const names = ['eth0', 'eth1', 'eth', 'wg0', 'wg01', 'ppp0'];
  return fc.constantFrom<IpFamily>('ipv4', 'ipv6').chain((family) =>
    fc.record({
      direction: fc.constantFrom('in', 'in', 'out'),
      interface: fc.constantFrom(...names),
      protocol: fc.constantFrom(...protocols.filter((each) => each !== 'igmp' || family === 'ipv4')),
      source: fc.constantFrom(...addresses[family]),
      destination: fc.constantFrom(...addresses[family]),
      sourcePort: fc.constantFrom(...ports),
      destinationPort: fc.constantFrom(...ports),
    }),
  );
}

/** For a message: which flow it was. */
export function flowText(flow: Flow): string {
  const end = (address: Address, port: number): string => `${formatAddress(address)} port ${port}`;
  return (
    `${flow.direction} ${flow.interface} ${flow.protocol} from ${end(flow.source, flow.sourcePort)} ` +
    `to ${end(flow.destination, flow.destinationPort)}`
  );
}
