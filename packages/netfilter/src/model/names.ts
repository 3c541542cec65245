// nft's names of the numbers in headers and in the kernel's own fields.
import { PROTOCOLS } from '../net/protocol.ts';
import type { Expression } from './expression.ts';
import { number, symbol, type Value } from './value.ts';

/** Number → name. The first name of a number is the one that nft prints; more may be read. */
type Names = ReadonlyMap<string, number>;

const names = (of: Record<string, number>): Names => new Map(Object.entries(of));

const counted = (first: number, list: string): Record<string, number> =>
  Object.fromEntries(list.split(' ').map((name, i) => [name, first + i]));

export const ICMP_TYPES: Names = names({
  'echo-reply': 0,
  ...counted(3, 'destination-unreachable source-quench redirect'),
  'echo-request': 8,
  ...counted(9, 'router-advertisement router-solicitation time-exceeded parameter-problem'),
  ...counted(13, 'timestamp-request timestamp-reply info-request info-reply'),
  ...counted(17, 'address-mask-request address-mask-reply'),
});

export const ICMPV6_TYPES: Names = names({
  ...counted(1, 'destination-unreachable packet-too-big time-exceeded parameter-problem'),
  ...counted(128, 'echo-request echo-reply mld-listener-query mld-listener-report mld-listener-done'),
  ...counted(133, 'nd-router-solicit nd-router-advert nd-neighbor-solicit nd-neighbor-advert'),
  ...counted(137, 'nd-redirect router-renumbering'),
  ...counted(141, 'ind-neighbor-solicit ind-neighbor-advert mld2-listener-report'),
  'mld-listener-reduction': 132,
});

export const ICMP_CODES: Names = names({
  ...counted(0, 'net-unreachable host-unreachable prot-unreachable port-unreachable frag-needed'),
  'net-prohibited': 9,
  'host-prohibited': 10,
  'admin-prohibited': 13,
});

export const ICMPV6_CODES: Names = names({
  'no-route': 0,
  'admin-prohibited': 1,
  ...counted(3, 'addr-unreachable port-unreachable policy-fail reject-route'),
});

/** RFC 2474, RFC 2597, RFC 3246. */
export const DSCP: Names = names({
  ...Object.fromEntries([0, 1, 2, 3, 4, 5, 6, 7].map((n) => [`cs${n}`, n * 8])),
  ...Object.fromEntries([11, 12, 13, 21, 22, 23, 31, 32, 33, 41, 42, 43].map((n) => [`af${n}`, assured(n)])),
  ef: 46,
  be: 0,
});

/** Class in the upper three bits, drop precedence in the next two. */
function assured(name: number): number {
  return Math.floor(name / 10) * 8 + (name % 10) * 2;
}

export const TCP_FLAGS: Names = names({
  fin: 1,
  syn: 2,
  rst: 4,
  psh: 8,
  ack: 16,
  urg: 32,
  ecn: 64,
  cwr: 128,
});

/** Bits, as nft compares them (include/uapi/linux/netfilter/nf_conntrack_common.h NF_CT_STATE_*). */
export const CT_STATES: Names = names({ invalid: 1, established: 2, related: 4, new: 8, untracked: 64 });

/** enum ip_conntrack_status of the same file. */
export const CT_STATUS: Names = names({
  expected: 1,
  'seen-reply': 2,
  assured: 4,
  confirmed: 8,
  snat: 16,
  dnat: 32,
  dying: 512,
});

/** include/uapi/linux/rtnetlink.h RTN_*. */
export const ADDRESS_TYPES: Names = names(
  counted(
    0,
    'unspec unicast local broadcast anycast multicast blackhole unreachable prohibit throw nat xresolve',
  ),
);

export const PACKET_TYPES: Names = names({ host: 0, broadcast: 1, multicast: 2, other: 3, unicast: 0 });

const ETHER_TYPES: Names = names({ ip: 0x800, arp: 0x806, ip6: 0x86dd, vlan: 0x8100, '8021q': 0x8100 });

const FIELDS: ReadonlyMap<string, Names> = new Map([
  ['ip protocol', PROTOCOLS],
  ['ip6 nexthdr', PROTOCOLS],
  ['meta l4proto', PROTOCOLS],
  ['ct protocol', PROTOCOLS],
  ['icmp type', ICMP_TYPES],
  ['icmp code', ICMP_CODES],
  ['icmpv6 type', ICMPV6_TYPES],
  ['icmpv6 code', ICMPV6_CODES],
  ['ip dscp', DSCP],
  ['ip6 dscp', DSCP],
  ['ip ecn', names({ 'not-ect': 0, ect1: 1, ect0: 2, ce: 3 })],
  ['ip6 ecn', names({ 'not-ect': 0, ect1: 1, ect0: 2, ce: 3 })],
  ['tcp flags', TCP_FLAGS],
  ['ct state', CT_STATES],
  ['ct status', CT_STATUS],
  ['ct direction', names({ original: 0, reply: 1 })],
  ['ct l3proto', names({ ipv4: 2, ipv6: 10 })],
  ['meta pkttype', PACKET_TYPES],
  ['meta nfproto', names({ ipv4: 2, ipv6: 10 })],
  ['meta protocol', ETHER_TYPES],
  ['ether type', ETHER_TYPES],
  ['vlan type', ETHER_TYPES],
]);

/** The number behind a symbol that is compared with `left`; undefined: a name of something else. */
export function symbolNumber(left: Expression, name: string): number | undefined {
  switch (left.kind) {
    case 'payload':
      return FIELDS.get(`${left.protocol} ${left.field}`)?.get(name);
    case 'meta':
    case 'ct':
      return FIELDS.get(`${left.kind} ${left.key}`)?.get(name);
    case 'fib':
      return left.result === 'type' ? ADDRESS_TYPES.get(name) : undefined;
    case 'mask':
      return symbolNumber(left.of, name);
    case 'bits':
      return symbolNumber(left.left, name);
    default:
      return undefined;
  }
}

/** A number by nft's name for it, or as a number if it has none. */
export function named(names: Names, value: number): Value {
  for (const [name, each] of names) if (each === value) return symbol(name);
  return number(value);
}
