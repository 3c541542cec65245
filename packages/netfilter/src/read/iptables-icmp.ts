// iptables' own names of ICMP types and codes.

const list = (lines: string): ReadonlyMap<string, string> =>
  new Map(
    lines
      .trim()
      .split('\n')
      .flatMap((line) => {
        const [number = '', ...names] = line.trim().split(' ');
        return names.map((name): [string, string] => [name, number]);
      }),
  );

/** `iptables -p icmp -h`: name → TYPE or TYPE/CODE. */
export const ICMP_NAMES = list(`
  255 any
  0 echo-reply pong
  3 destination-unreachable
  3/0 network-unreachable
  3/1 host-unreachable
  3/2 protocol-unreachable
  3/3 port-unreachable
  3/4 fragmentation-needed
  3/5 source-route-failed
  3/6 network-unknown
  3/7 host-unknown
  3/9 network-prohibited
  3/10 host-prohibited
  3/11 tos-network-unreachable
  3/12 tos-host-unreachable
  3/13 communication-prohibited
  3/14 host-precedence-violation
  3/15 precedence-cutoff
  4 source-quench
  5 redirect
  5/0 network-redirect
  5/1 host-redirect
  5/2 tos-network-redirect
  5/3 tos-host-redirect
  8 echo-request ping
  9 router-advertisement
  10 router-solicitation
  11 time-exceeded ttl-exceeded
  11/0 ttl-zero-during-transit
  11/1 ttl-zero-during-reassembly
  12 parameter-problem
  12/0 ip-header-bad
  12/1 required-option-missing
  13 timestamp-request
  14 timestamp-reply
  17 address-mask-request
  18 address-mask-reply
`);

/** `ip6tables -p ipv6-icmp -h`. */
export const ICMP6_NAMES = list(`
  1 destination-unreachable
  1/0 no-route
  1/1 communication-prohibited
  1/2 beyond-scope
  1/3 address-unreachable
  1/4 port-unreachable
  1/5 failed-policy
  1/6 reject-route
  2 packet-too-big
  3 time-exceeded ttl-exceeded
  3/0 ttl-zero-during-transit
  3/1 ttl-zero-during-reassembly
  4 parameter-problem
  4/0 bad-header
  4/1 unknown-header-type
  4/2 unknown-option
  128 echo-request ping
  129 echo-reply pong
  130 mld-listener-query
  131 mld-listener-report
  132 mld-listener-done mld-listener-reduction
  133 router-solicitation
  134 router-advertisement
  135 neighbour-solicitation neighbor-solicitation
  136 neighbour-advertisement neighbor-advertisement
  137 redirect
`);
