// The type of one address on the host: `fib daddr type`, `-m addrtype`.
import type { Host } from '../model/host.ts';
import { ADDRESS_TYPES } from '../model/names.ts';
import type { IpFamily } from '../net/address.ts';
import { addressTypes } from '../semantics/address-types.ts';
import { lastNotAbove } from './field.ts';

/** The kernel's number of the type; undefined: nobody knows. `device`: only what that interface has counts as local. */
export type TypeOf = (address: bigint, device: string | undefined) => number | undefined;

/** By the host's routes; without those only addresses that have the same type everywhere have one. */
export function addressType(family: IpFamily, host: Host | undefined): TypeOf {
  const byDevice = new Map<string | undefined, (address: bigint) => number | undefined>();
  return (address, device) => {
    const known = byDevice.get(device) ?? lookup(family, host, device);
    byDevice.set(device, known);
    return known(address);
  };
}

function lookup(
  family: IpFamily,
  host: Host | undefined,
  device: string | undefined,
): (address: bigint) => number | undefined {
  const types = host === undefined ? undefined : addressTypes(ofDevice(host, device), family);
  if (types === undefined) return (address) => typeEverywhere(family, address);
  const intervals = Object.entries(types)
    .flatMap(([type, set]) => set.map((interval) => ({ ...interval, type: ADDRESS_TYPES.get(type) })))
    .sort((a, b) => (a.first < b.first ? -1 : 1));
  const firsts = intervals.map(({ first }) => first);
  return (address) => intervals[lastNotAbove(firsts, address)]?.type;
}

/** rt_tables(5). */
const LOCAL_TABLE = 255;

/** nft_fib_ipv4.c, nft_fib_ipv6.c: with `iif` or `oif` an address of another interface is like any other. */
function ofDevice(host: Host, device: string | undefined): Host {
  if (device === undefined) return host;
  const routes = host.routes.filter(
    ({ table, nextHops }) => table !== LOCAL_TABLE || nextHops.some((hop) => hop.device === device),
  );
  return { ...host, routes };
}

function typeEverywhere(family: IpFamily, address: bigint): number | undefined {
  const type = (name: string) => ADDRESS_TYPES.get(name);
  if (family === 'ipv6') {
    if (address >> 120n === 0xffn) return type('multicast');
    return address === 1n ? type('local') : undefined;
  }
  if (address >> 24n === 0n || address === 0xffff_ffffn) return type('broadcast');
  if (address >> 28n === 0xen) return type('multicast');
  return address >> 24n === 127n ? type('local') : undefined;
}
