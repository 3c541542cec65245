// Where a route to an address leads: `fib saddr . iif oif`, `-m rpfilter`.
import type { Host, HostRoute } from '../model/host.ts';
import type { IpFamily } from '../net/address.ts';
import type { Interval } from '../net/interval.ts';
import { prefixInterval } from '../net/prefix.ts';
import { longestFirst } from './address-types.ts';

/** The name of the interface, empty: there is no such route; undefined: nobody knows. */
export type RouteTo = (address: bigint, device: string | undefined) => string | undefined;

/** rt_tables(5): default, main, local. */
const PLAIN_TABLES: readonly number[] = [253, 254, 255];

/**
 * The route to an address, and whether it is one by `device`: the longest prefix and the lowest metric decide. For
 * link-local addresses of IPv6 other interfaces do not count. Of several routes for one prefix `-m rpfilter` of IPv6
 * prefers that by the device (ip6t_rpfilter.c), and `fib` does not (nft_fib_ipv6.c): nobody knows. undefined: the routes
 * are not known, or rules choose between tables.
 */
export function routeTo(family: IpFamily, host: Host | undefined): RouteTo | undefined {
  const routes = lookedUp(family, host)?.map((route) => ({ ...prefixInterval(route.prefix), route }));
  if (routes === undefined) return undefined;
  return (address, device) => {
    const strict = device !== undefined && family === 'ipv6' && isLinkLocal(address);
    const all = routes.filter(
      ({ first, last, route }) => address >= first && address <= last && (!strict || leadsBy(route, device)),
    );
    const found = all[0]?.route;
    if (found?.type !== 'unicast') return '';
    if (device !== undefined) {
      if (leadsBy(found, device)) return device;
      const isRival = ({ route }: (typeof all)[number]): boolean =>
        route.prefix.length === found.prefix.length && route.type === 'unicast' && leadsBy(route, device);
      return family === 'ipv6' && all.some(isRival) ? undefined : '';
    }
    const devices = new Set(found.nextHops.map((hop) => hop.device));
    return devices.size === 1 ? [...devices][0] : undefined;
  };
}

/** fe80::/10. */
export const LINK_LOCAL: Interval<bigint> = { first: 0xfe80n << 112n, last: (0xfec0n << 112n) - 1n };

function isLinkLocal(address: bigint): boolean {
  return address >= LINK_LOCAL.first && address <= LINK_LOCAL.last;
}

/** The routes that all packets are looked up in, the one that counts first; undefined: not known, or it depends. */
export function lookedUp(family: IpFamily, host: Host | undefined): readonly HostRoute[] | undefined {
  if (host === undefined || host.missing.includes('routes') || !isPlain(host, family)) return undefined;
  return longestFirst(
    host.routes.filter((route) => route.family === family && PLAIN_TABLES.includes(route.table)),
  );
}

export function leadsBy({ nextHops }: HostRoute, device: string): boolean {
  return nextHops.some((hop) => hop.device === device);
}

/** All packets are looked up in the same tables. */
function isPlain({ rules, missing }: Host, family: IpFamily): boolean {
  if (missing.includes('rules')) return false;
  return rules
    .filter((rule) => rule.family === family)
    .every(({ action, from, to, iif, oif, mark, inverted, unknown }) => {
      const asks = [from, to, iif, oif, mark].some((each) => each !== undefined);
      const plain = action.kind === 'lookup' && PLAIN_TABLES.includes(action.table);
      return plain && !asks && !inverted && unknown.length === 0;
    });
}
