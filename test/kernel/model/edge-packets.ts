// Edge packets: packets that stand at the edges of a ruleset, in all states and on all ways, and that a kernel can get.
import { type Address, type FieldValue, type IpFamily, parseAddress, type Ruleset } from '@moat/netfilter';
import {
  addressIn,
  addressType,
  icmpProtocol,
  isIcmpError,
  type KernelPacket,
  type ProbeDevice,
} from '../../../lab/probe.ts';
import { type Edges, edgesOf } from './edges.ts';
import { rewritesDestinations } from './judge.ts';
import type { Random } from './random.ts';

type Hook = KernelPacket['hook'];
type State = 'new' | 'established' | 'related' | 'invalid' | 'untracked';

const TCP = 6;
const UDP = 17;
/** Besides those that rules name: igmp, gre, esp, ospf, sctp. */
const OTHER_PROTOCOLS = [2, 47, 50, 89, 132];
/** Protocols that IPv6 takes for extension headers (ipv6_ext_hdr), or that no rule sees there. */
const NOT_IN_IPV6 = new Set([0, 43, 44, 51, 59, 60, 135, 139, 140]);
const WITH_PORTS = new Set([TCP, UDP, 132]);

/** Flags with which conntrack takes up a flow, those that it does not know, and those of a flow that goes on. */
const TCP_FLAGS = {
  new: [2, 2, 2, 2, 0x0a, 0x22, 0xc2, 0x10, 0x18],
  invalid: [0, 0x12, 0x03, 0x04, 0x14, 0x11, 0x29, 0x3f, 0x01],
  established: [0x10, 0x18, 0x30, 0x11],
} as const;
const ICMP_NEW = { ipv4: [8, 13, 15, 17], ipv6: [128] } as const;
/** Not those of neighbour discovery and multicast listeners: IPv6 never tracks them. */
const ICMP_INVALID = { ipv4: [0, 14, 9, 3, 11], ipv6: [129, 1, 3, 150] } as const;
const ICMP_ERRORS = { ipv4: [3, 11, 12], ipv6: [1, 2, 3, 4] } as const;
const ICMP_UNTRACKED = {
  ipv4: [0, 8, 3, 5, 11, 13, 30],
  ipv6: [1, 2, 128, 129, 134, 135, 136, 143],
} as const;
const PORTS = [0, 1, 22, 53, 80, 443, 1023, 1024, 8080, 32768, 65535];

/** Which families and ways packets take, with weights: `['ipv4', 'input', 3]`. */
export type Mix = readonly (readonly [IpFamily, Hook, number])[];

/** How many interfaces a packet may leave by when it is forwarded: each one is another set of routes. */
const MOST_WAYS = 4;
const MOST_DEVICES = 24;

/** The interfaces that packets at the edges of this ruleset need: make them before `edgePackets`. */
export function edgeDevices(ruleset: Ruleset, random: Random): string[] {
  const found = (['ipv4', 'ipv6'] as const).flatMap((family) => {
    const { iif, oif } = edgesOf(ruleset, family);
    return [...iif, ...oif];
  });
  const names = [...new Set(found)].filter((name) => name !== 'lo');
  return [...random.some(names, MOST_DEVICES), 'other0', 'lo'];
}

/** The ways that matter to a ruleset: what only rules of the other family could see is left out. */
export function mixFor(ruleset: Ruleset): Mix {
  const families = new Set(ruleset.tables.map(({ family }) => family));
  const hooks = new Set(
    ruleset.tables.flatMap(({ chains }) => chains.flatMap(({ base }) => base?.hook ?? [])),
  );
  const ways: [Hook, number][] = [];
  if (hooks.has('input') || hooks.has('prerouting')) ways.push(['input', 4]);
  if (hooks.has('forward') || hooks.has('postrouting') || hooks.has('prerouting')) ways.push(['forward', 3]);
  if (hooks.has('output') || hooks.has('postrouting')) ways.push(['output', 2]);
  if (ways.length === 0) ways.push(['input', 1]);
  const v4 = families.has('ip') || families.has('inet') || !families.has('ip6');
  const v6 = families.has('ip6') || families.has('inet');
  return ways.flatMap(([hook, weight]) => [
    ...(v4 ? [['ipv4', hook, weight * 2] as const] : []),
    ...(v6 ? [['ipv6', hook, weight] as const] : []),
  ]);
}

/** `count` packets; `devices` are the interfaces that exist. None is part of another's flow. */
export function edgePackets(
  ruleset: Ruleset,
  devices: readonly ProbeDevice[],
  mix: Mix,
  random: Random,
  count: number,
): KernelPacket[] {
  const wanted = new Set(edgeDevices(ruleset, { ...random, some: (from) => [...from] }));
  const rewrites = rewritesDestinations(ruleset);
  // What came in by lo and gets another destination is not led back to this host.
  const usable = devices.filter(({ name, mac }) => wanted.has(name) && !(mac === 0 && rewrites));
  const lots = mix.flatMap(([family, hook, weight]) =>
    Array.from({ length: weight }, () => ({ family, hook })),
  );
  const edges = { ipv4: edgesOf(ruleset, 'ipv4'), ipv6: edgesOf(ruleset, 'ipv6') };
  const ways = random.some(
    usable.filter(({ mac }) => mac !== 0),
    MOST_WAYS,
  );
  const flows = new Set<string>();
  const packets: KernelPacket[] = [];
  for (let tries = 0; packets.length < count && tries < 12 * count; tries++) {
    const { family, hook } = random.pick(lots);
    const packet = makePacket(family, hook, edges[family], usable, ways, random);
    if (packet === undefined || (rewrites && isOffScope(packet))) continue;
    if (isOwnFlow(packet, flows)) packets.push(packet);
  }
  return packets;
}

function makePacket(
  family: IpFamily,
  hook: Hook,
  edges: Edges,
  devices: readonly ProbeDevice[],
  ways: readonly ProbeDevice[],
  random: Random,
): KernelPacket | undefined {
  const edge = (field: string): bigint | undefined => {
    const values = edges.numbers.get(field);
    return values === undefined || values.length === 0 ? undefined : random.pick(values);
  };
  /** At an edge in `percent` of the cases, else one of the others. */
  const near = (field: string, percent: number, otherwise: () => number): number => {
    const value = random.chance(percent) ? edge(field) : undefined;
    return value === undefined ? otherwise() : Number(value);
  };
  const ends = devices.filter(({ mac }) => mac !== 0);
  const device = random.pick(hook === 'input' ? devices : hook === 'forward' ? ends : ways);
  const out = hook === 'forward' ? random.pick(ways) : device;
  const src = pickAddress(family, 'src', edges, devices, random);
  const dst =
    device.mac === 0
      ? localAddress(family, devices, random)
      : pickAddress(family, 'dst', edges, devices, random);
  if (!isPossible(family, hook, src, dst, device, devices)) return undefined;
  const state = pickState(random);
  const kind = pickProtocol(family, state, near, random);
  if (kind === undefined) return undefined;
  const fields: Record<string, FieldValue> = {
    state,
    iif: hook === 'output' ? '-' : device.name,
    oif: hook === 'input' ? '-' : out.name,
    src,
    dst,
    ...kind,
    ttl: Math.max(
      2,
      near('ttl', 30, () => 64),
    ),
    dscp: near('dscp', 30, () => 0),
    ecn: near('ecn', 20, () => 0),
    length: Math.min(
      1400,
      near('length', 30, () => 0),
    ),
  };
  if (state === 'established' || state === 'related') fields['ctmark'] = near('ctmark', 40, () => 0);
  if (hook === 'output') {
    fields['uid'] = near('uid', 50, () => random.pick([0, 1000]));
    fields['gid'] = near('gid', 50, () => 0);
    fields['mark'] = near('mark', 20, () => 0);
  } else {
    const mac = edge('smac');
    if (mac !== undefined && random.chance(70)) fields['smac'] = Number(mac & ~(1n << 40n));
    if (hook === 'input' && edges.numbers.size > 0 && random.chance(3))
      fields['pkttype'] = random.pick(['broadcast', 'multicast']);
  }
  return { family, hook, fields };
}

function pickState(random: Random): State {
  const at = random.int(100);
  if (at < 62) return 'new';
  if (at < 78) return 'established';
  if (at < 84) return 'related';
  return at < 92 ? 'invalid' : 'untracked';
}

type Near = (field: string, percent: number, otherwise: () => number) => number;

/** Protocol, ports, flags and ICMP type with which a packet is in the state; undefined: not with these. */
function pickProtocol(
  family: IpFamily,
  state: State,
  near: Near,
  random: Random,
): Record<string, number> | undefined {
  const icmp = icmpProtocol(family);
  const sport = near('sport', 40, () => (random.chance(20) ? random.pick(PORTS) : random.int(65536)));
  const dport = near('dport', 75, () => (random.chance(60) ? random.pick(PORTS) : random.int(65536)));
  const icmpcode = near('icmpcode', 40, () => random.pick([0, 0, 1, 3]));
  const message = (types: readonly number[]): Record<string, number> => {
    const icmptype = near('icmptype', 50, () => random.pick(types));
    const possible = types.includes(icmptype) ? icmptype : random.pick(types);
    return { proto: icmp, icmptype: possible, icmpcode, sport };
  };
  const tcp = (flags: readonly number[]): Record<string, number> => {
    const wanted = near('tcpflags', 40, () => random.pick(flags));
    return { proto: TCP, sport, dport, tcpflags: flags.includes(wanted) ? wanted : random.pick(flags) };
  };
  switch (state) {
    case 'related':
      return message(ICMP_ERRORS[family]);
    case 'invalid':
      return random.chance(70) ? tcp(TCP_FLAGS.invalid) : message(ICMP_INVALID[family]);
    case 'established': {
      const at = random.int(10);
      if (at < 6) return tcp(TCP_FLAGS.established);
      if (at < 9) return { proto: UDP, sport, dport };
      return { proto: icmp, icmptype: family === 'ipv4' ? 8 : 128, icmpcode: 0, sport };
    }
    case 'new':
    case 'untracked': {
      const at = random.int(20);
      if (at < 10) return tcp(state === 'new' ? TCP_FLAGS.new : [...TCP_FLAGS.new, ...TCP_FLAGS.invalid]);
      if (at < 15) return { proto: UDP, sport, dport };
      if (at < 18) return message((state === 'new' ? ICMP_NEW : ICMP_UNTRACKED)[family]);
      const proto = near('proto', 60, () => random.pick(OTHER_PROTOCOLS));
      if (proto === TCP || proto === UDP || proto > 255) return undefined;
      if (proto === 1 || proto === 58 || proto === 33 || proto === 136) return undefined;
      if (family === 'ipv6' && NOT_IN_IPV6.has(proto)) return undefined;
      return WITH_PORTS.has(proto) ? { proto, sport, dport } : { proto };
    }
    default:
      throw new Error(state satisfies never);
  }
}

function pickAddress(
  family: IpFamily,
  side: 'src' | 'dst',
  edges: Edges,
  devices: readonly ProbeDevice[],
  random: Random,
): Address {
  const other = side === 'src' ? 'dst' : 'src';
  const at = random.int(20);
  const field = at < 12 ? side : at < 14 ? other : undefined;
  const values = field === undefined ? undefined : edges.numbers.get(field);
  if (values !== undefined && values.length > 0) return { family, value: random.pick(values) };
  if (side === 'dst' && at >= 15) return localAddress(family, devices, random);
  return randomAddress(family, random);
}

function localAddress(family: IpFamily, devices: readonly ProbeDevice[], random: Random): Address {
  const { v4, v6 } = random.pick(devices);
  return family === 'ipv4' ? v4 : v6;
}

const SOMEWHERE = ['10.0.0.0', '192.168.1.0', '172.17.0.0', '203.0.113.0', '198.51.100.0', '192.0.2.0'].map(
  (text) => parseAddress(text)!.value,
);
const SOMEWHERE_V6 = ['2001:db8::', 'fd00::', '2001:db8:1::'].map((text) => parseAddress(text)!.value);

function randomAddress(family: IpFamily, random: Random): Address {
  if (family === 'ipv6') return { family, value: random.pick(SOMEWHERE_V6) + BigInt(1 + random.int(65536)) };
  if (random.chance(30))
    return { family, value: BigInt(1 + random.int(223)) * 2n ** 24n + BigInt(random.int(2 ** 24)) };
  return { family, value: random.pick(SOMEWHERE) + BigInt(1 + random.int(254)) };
}

/** Whether the kernel would let it go all the way without any rules (ip_route_input_slow, ip6_rcv_core, ip6_forward). */
function isPossible(
  family: IpFamily,
  hook: Hook,
  src: Address,
  dst: Address,
  device: ProbeDevice,
  devices: readonly ProbeDevice[],
): boolean {
  const byLoopback = device.mac === 0;
  // What a host sends to itself goes through lo, wherever it was told to leave.
  if (hook === 'output' && addressType(dst, devices) === 'local') return false;
  if (family === 'ipv6') {
    const isPlain = (value: bigint): boolean => value >> 125n === 1n || value >> 121n === 0x7en;
    const isLink = (value: bigint): boolean => value >> 118n === 0x3fan;
    if (byLoopback) return src.value === 1n || isPlain(src.value);
    if (!isPlain(src.value) && !(hook === 'input' && isLink(src.value))) return false;
    if (isPlain(dst.value)) return true;
    // Link-local, and groups of a scope that leaves the host.
    return (
      hook === 'input' &&
      (isLink(dst.value) || (dst.value >> 120n === 0xffn && ((dst.value >> 112n) & 15n) >= 2n))
    );
  }
  const first = (value: bigint): number => Number(value >> 24n);
  const [from, to] = [first(src.value), first(dst.value)];
  if (from === 0 || from >= 224 || to === 0) return false;
  if (hook === 'input') return to < 240 || dst.value === 0xffff_ffffn || to < 255;
  return from !== 127 && to !== 127 && to < 224;
}

/**
 * Whether `redirect` would look for an address of a scope that the interfaces of the harness do not have, and drop the
 * packet (nf_nat_redirect.c).
 */
function isOffScope({ family, hook, fields }: KernelPacket): boolean {
  const { value } = addressIn(fields, 'dst');
  return family === 'ipv6' && hook === 'input' && (value >> 118n === 0x3fan || value >> 120n === 0xffn);
}

/** Notes the flows that the packet needs to be there; false: it would be part of another's flow, or another of its. */
function isOwnFlow({ family, fields }: KernelPacket, flows: Set<string>): boolean {
  const text = (name: string): string => {
    const value = fields[name];
    return typeof value === 'object' ? value.value.toString(36) : String(value);
  };
  const icmp = fields['proto'] === icmpProtocol(family);
  const [src, dst, sport] = [text('src'), text('dst'), text('sport')];
  const key = (proto: unknown, a: string, b: string, from: string, to: string): string =>
    `${family} ${String(proto)} ${a} ${b} ${from} ${to}`;
  const quotes = icmp && isIcmpError(family, Number(fields['icmptype']));
  const proto = quotes ? UDP : fields['proto'];
  const dport = quotes ? sport : icmp ? 'echo' : text('dport');
  const there = quotes ? key(proto, dst, src, sport, sport) : key(proto, src, dst, sport, dport);
  const back = quotes
    ? key(proto, src, dst, sport, sport)
    : icmp
      ? key(proto, dst, src, sport, 'echo')
      : key(proto, dst, src, dport, sport);
  const held = fields['state'] === 'established' || fields['state'] === 'related';
  // Flows that are held are upper case, packets that are not part of one lower case.
  if (flows.has(`F ${there}`) || flows.has(`F ${back}`)) return false;
  if (held) {
    if (flows.has(`p ${there}`) || flows.has(`p ${back}`)) return false;
    flows.add(`F ${there}`).add(`F ${back}`);
  } else {
    flows.add(`p ${there}`);
  }
  return true;
}
