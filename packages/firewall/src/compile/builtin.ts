// What is always let through, and why: without these a network does not work. Nothing else is built in.
import {
  type Chain,
  type Expression,
  meta,
  number,
  payload,
  type Rule,
  type SetSource,
  type Statement,
  symbol,
  type Value,
} from '@moat/netfilter';

/** One built-in exception, for people (`moat show builtin`) and for the compiler. */
export interface Builtin {
  readonly chain: 'builtin_in' | 'builtin_out';
  readonly says: string;
  readonly why: string;
  readonly matches: readonly Statement[];
}

const LINK_LOCAL: Value = {
  kind: 'prefix',
  prefix: { family: 'ipv6', value: 0xfe80n << 112n, length: 10 },
};

function equal(left: Expression, right: Value | SetSource): Statement {
  return { kind: 'match', operator: '==', left, right };
}

function oneOf(...values: readonly (string | number)[]): SetSource {
  return {
    kind: 'elements',
    elements: values.map((value) => (typeof value === 'number' ? number(value) : symbol(value))),
  };
}

const ICMP_TYPE = payload('icmp', 'type');
const ICMPV6_TYPE = payload('icmpv6', 'type');
const ICMP_ERRORS = ['destination-unreachable', 'time-exceeded', 'parameter-problem'] as const;
const ND = [
  'nd-router-solicit',
  'nd-router-advert',
  'nd-neighbor-solicit',
  'nd-neighbor-advert',
  'ind-neighbor-solicit',
  'ind-neighbor-advert',
  148,
  149,
] as const;
const MLD = [
  'mld-listener-query',
  'mld-listener-report',
  'mld-listener-done',
  'mld2-listener-report',
  151,
  152,
  153,
] as const;

/** Sources: RFC 792, RFC 4443, RFC 4861 §7.1 (hop limit 255), RFC 4890 §4.4, RFC 2131 §4.1, RFC 8415 §7.2. */
export const BUILTINS: readonly Builtin[] = [
  {
    chain: 'builtin_in',
    says: 'icmp: destination-unreachable, time-exceeded, parameter-problem, echo-request',
    why: 'path MTU discovery, error messages, ping',
    matches: [equal(ICMP_TYPE, oneOf(...ICMP_ERRORS, 'echo-request'))],
  },
  {
    chain: 'builtin_in',
    says: 'icmpv6: destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request',
    why: 'path MTU discovery (IPv6 has no other way), error messages, ping',
    matches: [equal(ICMPV6_TYPE, oneOf(...ICMP_ERRORS, 'packet-too-big', 'echo-request'))],
  },
  {
    chain: 'builtin_in',
    says: 'icmpv6: neighbour discovery, router advertisements, with hop limit 255',
    why: 'finding neighbours and routers; hop limit 255 proves that the sender is on the link',
    matches: [equal(ICMPV6_TYPE, oneOf(...ND)), equal(payload('ip6', 'hoplimit'), number(255))],
  },
  {
    chain: 'builtin_in',
    says: 'icmpv6: multicast listener and router discovery, from fe80::/10',
    why: 'switches drop the multicast that neighbour discovery needs without it',
    matches: [equal(ICMPV6_TYPE, oneOf(...MLD)), equal(payload('ip6', 'saddr'), LINK_LOCAL)],
  },
  {
    chain: 'builtin_in',
    says: 'udp/68 from port 67, IPv4',
    why: "answers to this host's DHCP client, some of them broadcast and so no reply to anything",
    matches: [
      equal(meta('nfproto'), symbol('ipv4')),
      equal(payload('udp', 'sport'), number(67)),
      equal(payload('udp', 'dport'), number(68)),
    ],
  },
  {
    chain: 'builtin_in',
    says: 'udp/546 from port 547 and fe80::/10, IPv6',
    why: "answers to this host's DHCPv6 client: it asks by multicast, so no reply matches",
    matches: [
      equal(payload('ip6', 'saddr'), LINK_LOCAL),
      equal(payload('udp', 'sport'), number(547)),
      equal(payload('udp', 'dport'), number(546)),
    ],
  },
  {
    chain: 'builtin_out',
    says: 'icmp: the same errors, echo-request',
    why: 'error messages to peers; ping, which no sentence could allow',
    matches: [equal(ICMP_TYPE, oneOf(...ICMP_ERRORS, 'echo-request'))],
  },
  {
    chain: 'builtin_out',
    says: 'icmpv6: the same errors, packet-too-big, echo-request, neighbour and multicast discovery',
    why: 'without them the host leaves the IPv6 network',
    matches: [equal(ICMPV6_TYPE, oneOf(...ICMP_ERRORS, 'packet-too-big', 'echo-request', ...ND, ...MLD))],
  },
  {
    chain: 'builtin_out',
    says: 'udp/67 from port 68, IPv4',
    why: "this host's DHCP client",
    matches: [
      equal(meta('nfproto'), symbol('ipv4')),
      equal(payload('udp', 'sport'), number(68)),
      equal(payload('udp', 'dport'), number(67)),
    ],
  },
  {
    chain: 'builtin_out',
    says: 'udp/547 from port 546, IPv6',
    why: "this host's DHCPv6 client",
    matches: [
      equal(meta('nfproto'), symbol('ipv6')),
      equal(payload('udp', 'sport'), number(546)),
      equal(payload('udp', 'dport'), number(547)),
    ],
  },
];

/** One look-up sends ICMP and UDP through the list and lets TCP pass it by. */
export function builtinJump(chain: Builtin['chain']): Rule {
  const jump = (protocol: string) => ({
    key: symbol(protocol),
    verdict: { kind: 'jump', chain } as const,
  });
  return {
    comment: 'moat:builtin',
    statements: [
      {
        kind: 'vmap',
        key: meta('l4proto'),
        map: { kind: 'entries', entries: [jump('icmp'), jump('ipv6-icmp'), jump('udp')] },
      },
    ],
  };
}

export function builtinChain(chain: Builtin['chain']): Chain {
  return {
    name: chain,
    rules: BUILTINS.filter((builtin) => builtin.chain === chain).map((builtin) => ({
      comment: 'moat:builtin',
      statements: [...builtin.matches, { kind: 'verdict', verdict: { kind: 'accept' } }],
    })),
  };
}
