// IP protocols: the numbers behind the names by which they go in rulesets.

/** As assigned by IANA, under the names that nft lists where the machine has Debian's /etc/protocols. */
const NUMBERS: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  ipencap: 4,
  tcp: 6,
  udp: 17,
  dccp: 33,
  ipv6: 41,
  gre: 47,
  esp: 50,
  ah: 51,
  'ipv6-icmp': 58,
  ipcomp: 108,
  vrrp: 112,
  sctp: 132,
  udplite: 136,
};

const NAMES = new Map(Object.entries(NUMBERS).map(([name, number]) => [number, name]));

/** The number of a protocol that is known by this name. */
export function protocolNumber(name: string): number | undefined {
  return Object.hasOwn(NUMBERS, name) ? NUMBERS[name] : undefined;
}

/** The name of a protocol, where it has one here. */
export function protocolName(number: number): string | undefined {
  return NAMES.get(number);
}
