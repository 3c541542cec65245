// The type of an address on the host: `fib daddr type`, `-m addrtype`.
import type { Host } from '../model/host.ts';
import { ADDRESS_TYPES } from '../model/names.ts';
import type { Hook } from '../model/ruleset.ts';
import type { IpFamily } from '../net/address.ts';
import { prefixInterval } from '../net/prefix.ts';

/** rt_tables(5). */
const LOCAL_TABLE = 255;
const type = (name: string): number => ADDRESS_TYPES.get(name)!;

/** The kernel's number of the type; undefined: nobody knows. `device`: only for that interface. */
export type TypeOf = (address: bigint, device: string | undefined) => number | undefined;

/**
 * As nft_fib_ipv4.c and nft_fib_ipv6.c say it: fixed types of an address first, then the longest prefix of the table
 * `local`. Without a host only loopback addresses are known to be local, and what this host sends comes from itself.
 */
export function addressType(family: IpFamily, host: Host | undefined, _hook: Hook): TypeOf {
  const fixed = family === 'ipv4' ? fixedType4 : fixedType6;
  if (host === undefined || host.missing.includes('routes'))
    return (address) => fixed(address) ?? loopback(family, address);
  const routes = host.routes
    .filter((route) => route.family === family && route.table === LOCAL_TABLE && route.type !== 'throw')
    .map((route) => ({ ...prefixInterval(route.prefix), route }))
    .sort((a, b) => b.route.prefix.length - a.route.prefix.length || a.route.metric - b.route.metric);
  return (address, device) => {
    const known = fixed(address);
    if (known !== undefined) return known;
    const found = routes.find(({ first, last }) => address >= first && address <= last)?.route;
    if (found === undefined) return type('unicast');
    const there = device === undefined || found.nextHops.some((hop) => hop.device === device);
    return there ? type(found.type) : type('unicast');
  };
}

/** 0/8 and 255.255.255.255 are broadcast, 224/4 multicast. */
function fixedType4(address: bigint): number | undefined {
  if (address >> 24n === 0n || address === 0xffff_ffffn) return type('broadcast');
  return address >> 28n === 0xen ? type('multicast') : undefined;
}

function fixedType6(address: bigint): number | undefined {
  return address >> 120n === 0xffn ? type('multicast') : undefined;
}

function loopback(family: IpFamily, address: bigint): number | undefined {
  const local = family === 'ipv4' ? address >> 24n === 127n : address === 1n;
  return local ? type('local') : undefined;
}
