// IP protocols: the numbers behind the names by which they go in rulesets.

/**
 * As assigned by IANA, under the names that nft lists where the machine has Debian's /etc/protocols; other names of
 * the same numbers come last.
 */
export const PROTOCOLS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    ip: 0,
    icmp: 1,
    igmp: 2,
    ggp: 3,
    ipencap: 4,
    st: 5,
    tcp: 6,
    egp: 8,
    igp: 9,
    pup: 12,
    udp: 17,
    hmp: 20,
    rdp: 27,
    dccp: 33,
    ipv6: 41,
    'ipv6-route': 43,
    'ipv6-frag': 44,
    idrp: 45,
    rsvp: 46,
    gre: 47,
    esp: 50,
    ah: 51,
    skip: 57,
    'ipv6-icmp': 58,
    'ipv6-nonxt': 59,
    'ipv6-opts': 60,
    eigrp: 88,
    ospf: 89,
    ipip: 94,
    pim: 103,
    ipcomp: 108,
    vrrp: 112,
    l2tp: 115,
    isis: 124,
    sctp: 132,
    fc: 133,
    'mobility-header': 135,
    udplite: 136,
    ipv4: 4,
    icmpv6: 58,
    comp: 108,
    'ipv6-mh': 135,
  }),
);

const NAMES: ReadonlyMap<number, string> = new Map(
  [...PROTOCOLS].map(([name, number]): [number, string] => [number, name]).reverse(),
);

/** The number of a protocol that is known by this name. */
export function protocolNumber(name: string): number | undefined {
  return PROTOCOLS.get(name);
}

/** The name of a protocol, where it has one here. */
export function protocolName(number: number): string | undefined {
  return NAMES.get(number);
}
