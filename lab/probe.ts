// Probe: one packet for a real kernel: what its fields are, and the 80 bytes that tell inject.c how to make it.
import {
  type Address,
  type FieldValue,
  type IpFamily,
  NO_INTERFACE,
  type PacketFields,
  parseAddress,
} from '@moat/netfilter';

/**
 * A packet and the way it takes: `input` prerouting and input, `forward` prerouting, forward and postrouting, `output`
 * output and postrouting. `fields` are those at the beginning of the way; `oif` is known from the start.
 */
export type KernelPacket = {
  readonly family: IpFamily;
  readonly hook: 'input' | 'forward' | 'output';
  readonly fields: PacketFields;
};

/** An interface of the kernel that packets are put into. */
export type ProbeDevice = {
  readonly name: string;
  /** As a number of 48 bits; 0 for `lo`. */
  readonly mac: number;
  readonly v4: Address;
  readonly v6: Address;
};

export const PROBE_BYTES = 80;

const TCP = 6;
const UDP = 17;
const SCTP = 132;
const DCCP = 33;
const UDPLITE = 136;
/** Linux's numbers for kinds of links (ARPHRD_*). */
const ETHERNET_TYPE = 1;
const LOOPBACK_TYPE = 772;
/** What inject.c gives to the sockets of packets that leave. */
const PROBE_PRIORITY = 6;
const PEER_MAC = 0x02_00_00_00_ff_01;
const BROADCAST_MAC = 0xff_ff_ff_ff_ff_ff;
const MULTICAST_MAC = 0x01_00_5e_00_00_fb;

/** SEEN_REPLY, ASSURED and CONFIRMED of enum ip_conntrack_status: the status of the flows that inject.c makes. */
const REPLIED = 14;

export const LOOPBACK: ProbeDevice = {
  name: 'lo',
  mac: 0,
  v4: parseAddress('127.0.0.1')!,
  v6: parseAddress('::1')!,
};

export const icmpProtocol = (family: IpFamily): number => (family === 'ipv4' ? 1 : 58);

/** Whether an ICMP message of this type is about another packet, which it quotes. */
export function isIcmpError(family: IpFamily, type: number): boolean {
  return family === 'ipv6' ? type >= 1 && type <= 4 : [3, 4, 5, 11, 12].includes(type);
}

/** The value of a numeric field, 0 where it is left out. */
export function numberIn(fields: PacketFields, name: string, otherwise = 0): number {
  const value = fields[name];
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : otherwise;
}

/** The address in a field; a packet without it is a bug of the caller and throws. */
export function addressIn(fields: PacketFields, name: string): Address {
  const value = fields[name];
  if (typeof value !== 'object') throw new Error(`expected an address in ${name}, got ${String(value)}`);
  return value;
}

/**
 * The packet with every field that the kernel knows of it, so that a judge is asked for exactly what is injected. What is
 * given stays; the rest gets the values that such a packet has: a SYN, ttl 64, no mark, the shortest length, the address
 * types by the kernel's own addresses.
 */
export function completePacket(packet: KernelPacket, devices: readonly ProbeDevice[]): KernelPacket {
  const { family, hook, fields: given } = packet;
  const out = hook === 'output';
  const src = addressIn(given, 'src');
  const dst = addressIn(given, 'dst');
  const proto = numberIn(given, 'proto', TCP);
  const icmp = proto === icmpProtocol(family);
  const ports = numberIn(given, 'dport');
  const dport = icmp
    ? numberIn(given, 'icmptype', ports >> 8) * 256 + numberIn(given, 'icmpcode', ports & 255)
    : ports;
  const sport = numberIn(given, 'sport');
  const state = String(given['state'] ?? 'new');
  const iif = String(given['iif'] ?? NO_INTERFACE);
  const device = out ? undefined : devices.find(({ name }) => name === iif);
  const least = shortest(family, proto, icmp && isIcmpError(family, dport >> 8));
  // One literal, and then only a few more: millions of packets are made.
  const fields: Record<string, FieldValue> = {
    state,
    'early state': state === 'untracked' ? state : 'invalid',
    iif,
    oif: given['oif'] ?? NO_INTERFACE,
    src,
    dst,
    proto,
    sport,
    dport,
    tcpflags: proto === TCP ? numberIn(given, 'tcpflags', 2) : 0,
    ttl: numberIn(given, 'ttl', 64),
    dscp: numberIn(given, 'dscp'),
    ecn: numberIn(given, 'ecn'),
    // Zeros behind an SCTP chunk would be a chunk that makes no sense.
    length: proto === SCTP ? least : Math.max(least, numberIn(given, 'length')),
    daddrtype: addressType(dst, devices),
    saddrtype: addressType(src, devices),
    mark: out ? numberIn(given, 'mark') : 0,
    pkttype: 'host',
    exthdr: 0,
    ...NO_HEADERS,
    ipsec: 0,
    zone: 0,
    label: 0n,
    priority: out ? PROBE_PRIORITY : 0,
    socket: out ? 1 : 0,
  };
  if (icmp) {
    fields['icmptype'] = dport >> 8;
    fields['icmpcode'] = dport & 255;
  }
  if (out) {
    fields['uid'] = numberIn(given, 'uid');
    fields['gid'] = numberIn(given, 'gid');
  } else if (device !== undefined) {
    setLink(fields, given, device, hook);
  }
  if (state === 'new' || state === 'established' || state === 'related') {
    const quoted = state === 'related';
    fields['ctmark'] = state === 'new' ? 0 : numberIn(given, 'ctmark');
    fields['status'] = state === 'new' ? 0 : REPLIED;
    fields['ctdir'] = quoted ? 1 : 0;
    fields['osrc'] = quoted ? dst : src;
    fields['odst'] = quoted ? src : dst;
    fields['oproto'] = quoted ? UDP : proto;
    fields['osport'] = sport;
    fields['odport'] = quoted ? sport : dport;
  }
  return { family, hook, fields };
}

/** No packet has extension headers. */
const NO_HEADERS: PacketFields = Object.fromEntries(
  ['rt', 'hbh', 'frag', 'dst', 'mh'].map((header) => [`exthdr ${header}`, 0]),
);

const MACS: Readonly<Record<string, number>> = { broadcast: BROADCAST_MAC, multicast: MULTICAST_MAC };

function setLink(
  fields: Record<string, FieldValue>,
  given: PacketFields,
  { mac }: ProbeDevice,
  hook: 'input' | 'forward',
): void {
  const local = mac === 0;
  // Only what is sent to this host alone is forwarded.
  if (hook === 'input' && !local) fields['pkttype'] = given['pkttype'] ?? 'host';
  fields['iiftype'] = local ? LOOPBACK_TYPE : ETHERNET_TYPE;
  fields['smac'] = local ? 0 : numberIn(given, 'smac', PEER_MAC);
  fields['dmac'] = MACS[String(fields['pkttype'])] ?? mac;
}

function shortest(family: IpFamily, proto: number, quotes: boolean): number {
  const header = family === 'ipv4' ? 20 : 40;
  if (proto === icmpProtocol(family)) {
    if (quotes) return header + 8 + header + 8;
    return header + (family === 'ipv4' ? 8 : 32);
  }
  const lengths: Readonly<Record<number, number>> = {
    [TCP]: 20,
    [UDP]: 8,
    [UDPLITE]: 8,
    [SCTP]: 32,
    [DCCP]: 20,
  };
  return header + (lengths[proto] ?? 16);
}

/** What `fib … type` says: the kernel has only the addresses of its interfaces, and routes to everything else. */
export function addressType(address: Address, devices: readonly ProbeDevice[]): string {
  const { family, value } = address;
  if (family === 'ipv4') {
    if (value >> 24n === 127n) return value === 0x7fff_ffffn ? 'broadcast' : 'local';
    if (value >> 28n === 14n) return 'multicast';
    if (value >> 24n === 0n || value === 0xffff_ffffn) return 'broadcast';
    return devices.some(({ v4 }) => v4.value === value) ? 'local' : 'unicast';
  }
  if (value >> 120n === 0xffn) return 'multicast';
  return value === 1n || devices.some(({ v6 }) => v6.value === value) ? 'local' : 'unicast';
}

/** Writes what inject.c needs of a complete packet at `offset`. `device`: where the interface stands in its list. */
export function writeProbe(
  into: Buffer,
  offset: number,
  packet: KernelPacket,
  id: number,
  device: number,
): void {
  const { family, hook, fields } = packet;
  const at = (place: number): number => offset + place;
  const state = fields['state'];
  into.fill(0, offset, offset + PROBE_BYTES);
  into.writeUInt16LE(id, at(0));
  into[at(2)] = family === 'ipv4' ? 4 : 6;
  into[at(3)] = hook === 'output' ? 1 : 0;
  into.writeUInt16LE(device, at(4));
  into[at(6)] = numberIn(fields, 'proto');
  into[at(7)] = numberIn(fields, 'tcpflags');
  writeAddress(into, at(8), addressIn(fields, 'src'));
  writeAddress(into, at(24), addressIn(fields, 'dst'));
  into.writeUInt16LE(numberIn(fields, 'sport'), at(40));
  into.writeUInt16LE(numberIn(fields, 'dport'), at(42));
  into[at(44)] = numberIn(fields, 'ttl');
  into[at(45)] = numberIn(fields, 'dscp') * 4 + numberIn(fields, 'ecn');
  into.writeUInt16LE(numberIn(fields, 'length'), at(46));
  into.writeUIntBE(numberIn(fields, 'smac'), at(48), 6);
  into.writeUIntBE(numberIn(fields, 'dmac'), at(54), 6);
  into.writeUInt32LE(numberIn(fields, 'uid'), at(60));
  into.writeUInt32LE(numberIn(fields, 'gid'), at(64));
  into.writeUInt32LE(numberIn(fields, 'mark'), at(68));
  into.writeUInt32LE(numberIn(fields, 'ctmark'), at(72));
  into[at(76)] = state === 'established' ? 1 : state === 'related' ? 2 : 0;
}

function writeAddress(into: Buffer, offset: number, { family, value }: Address): void {
  if (family === 'ipv4') {
    into.writeUInt32BE(Number(value), offset);
    return;
  }
  into.writeBigUInt64BE(value >> 64n, offset);
  into.writeBigUInt64BE(value & 0xffff_ffff_ffff_ffffn, offset + 8);
}
