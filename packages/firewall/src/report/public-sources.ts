// Whether places are more than one's own networks and a few known machines.
import {
  type Interval,
  type IpFamily,
  intervalSet,
  type Places,
  parsePrefix,
  prefixInterval,
  subtractIntervals,
} from '@moat/netfilter';

/** RFC 1918, 6598, 3927, 4193, 4291 §2.5.6. */
const PRIVATE = {
  ipv4: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '169.254.0.0/16'],
  ipv6: ['fc00::/7', 'fe80::/10'],
} as const;

const intervals = {
  ipv4: intervalSet(PRIVATE.ipv4.map(intervalOf)),
  ipv6: intervalSet(PRIVATE.ipv6.map(intervalOf)),
} as const;

function intervalOf(text: string): Interval<bigint> {
  const parsed = parsePrefix(text);
  if ('problem' in parsed) throw new Error(`not a network: ${text}`);
  return prefixInterval(parsed.prefix);
}

/** More public addresses than these are no list of machines that somebody knows: a /16, and a /48. */
const FEW = { ipv4: 1n << 16n, ipv6: 1n << 80n } as const;

export function isPublic(family: IpFamily, { addresses, anywhere }: Places): boolean {
  if (anywhere) return true;
  const others = subtractIntervals(addresses, intervals[family]);
  return others.reduce((sum, { first, last }) => sum + last - first + 1n, 0n) > FEW[family];
}
