// Transport protocols: their numbers (IANA "Protocol Numbers") and the names under which nft lists them.
import type { Expression } from './expression.ts';

const NUMBERS: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  dccp: 33,
  ipv6: 41,
  gre: 47,
  esp: 50,
  ah: 51,
  'ipv6-icmp': 58,
  vrrp: 112,
  sctp: 132,
  udplite: 136,
};

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(NUMBERS).map(([name, number]) => [number, name]),
);

/** Whether values beside this expression are transport protocols. */
export function isProtocol(expression: Expression): boolean {
  return expression.kind === 'meta' && expression.key === 'l4proto';
}

/** The name of a protocol; undefined for one that is not in the table. */
export function protocolName(number: number): string | undefined {
  return NAMES.get(number);
}

/** The number of a protocol; undefined for a name that is not in the table. */
export function protocolNumber(name: string): number | undefined {
  return Object.hasOwn(NUMBERS, name) ? NUMBERS[name] : undefined;
}
