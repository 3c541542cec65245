// Types of addresses (fib, addrtype), from the routes of the host.
import type { Host, HostRoute } from '../model/host.ts';
import type { IpFamily } from '../net/address.ts';
import { type Interval, type IntervalSet, intervalSet, subtractIntervals } from '../net/interval.ts';
import { prefixInterval } from '../net/prefix.ts';

/** rt_tables: where addresses of this host stand. */
const LOCAL_TABLE = 255;

/** What needs no route to be of a type. */
const ALWAYS_OF: Readonly<Record<IpFamily, readonly (readonly [string, Interval<bigint>])[]>> = {
  ipv4: [
    ['broadcast', { first: 0n, last: 0xff_ffffn }],
    ['broadcast', { first: 0xffff_ffffn, last: 0xffff_ffffn }],
    ['multicast', { first: 0xe000_0000n, last: 0xefff_ffffn }],
  ],
  ipv6: [['multicast', { first: 0xffn << 120n, last: (1n << 128n) - 1n }]],
};

/** Addresses of which every host is sure; loopback is there while its interface is up. */
export const SURE_OF: typeof ALWAYS_OF = {
  ipv4: [...ALWAYS_OF.ipv4, ['local', { first: 0x7f00_0000n, last: 0x7fff_ffffn }]],
  ipv6: [...ALWAYS_OF.ipv6, ['local', { first: 1n, last: 1n }]],
};

export type AddressTypes = Readonly<Record<string, IntervalSet<bigint>>>;

/**
 * Addresses by type, a partition of all. fib_frontend.c inet_addr_type looks into the local table alone and takes all
 * else as unicast; net/ipv6/netfilter/nft_fib_ipv6.c makes a whole lookup. undefined: the routes could not be read.
 */
export function addressTypes(host: Host, family: IpFamily): AddressTypes | undefined {
  if (host.missing.includes('routes')) return undefined;
  const own = host.routes.filter((route) => route.family === family);
  const all: Interval<bigint>[] = [{ first: 0n, last: family === 'ipv4' ? 0xffff_ffffn : (1n << 128n) - 1n }];
  const types: Record<string, IntervalSet<bigint>> = {};
  let left: IntervalSet<bigint> = all;
  const take = (type: string, interval: IntervalSet<bigint>): void => {
    const taken = subtractIntervals(left, subtractIntervals(left, interval));
    types[type] = intervalSet([...(types[type] ?? []), ...taken]);
    left = subtractIntervals(left, interval);
  };
  for (const [type, interval] of ALWAYS_OF[family]) take(type, [interval]);
  for (const route of longestFirst(own.filter(({ table }) => table === LOCAL_TABLE)))
    take(route.type === 'unicast' ? 'unicast' : route.type, [prefixInterval(route.prefix)]);
  if (family === 'ipv6') {
    for (const route of longestFirst(own.filter(({ table }) => table !== LOCAL_TABLE)))
      take(route.type, [prefixInterval(route.prefix)]);
    take('unreachable', all);
  } else take('unicast', all);
  return types;
}

/** The order in which a lookup finds them. */
export function longestFirst(routes: readonly HostRoute[]): HostRoute[] {
  return [...routes].sort((a, b) => b.prefix.length - a.prefix.length || a.metric - b.metric);
}
