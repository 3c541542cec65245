// The address of its own that a host puts in with `redirect` and `masquerade`.
import type { Nat } from '../model/nat.ts';
import { bitsOf } from '../net/address.ts';
import { type Cell, scalar } from './cell.ts';
import type { Context, Walker } from './step.ts';

/**
 * nf_nat_redirect.c, nf_nat_masquerade.c: the first address of the interface where the packet came in or goes out
 * (a link-local one if the packet was for such a one), and loopback for packets of this host. null: there is none, and
 * the packet is dropped.
 */
export function ownAddress(
  type: Nat['type'],
  { place: { family, hook }, slots, host }: Context,
): ((walker: Walker) => Cell | null) | undefined {
  if (type !== 'redirect' && type !== 'masquerade') return undefined;
  const bits = bitsOf(family);
  if (type === 'redirect' && hook === 'output') {
    const loopback = scalar(family === 'ipv4' ? 0x7f00_0001n : 1n, bits);
    return () => loopback;
  }
  const slot = slots.of(type === 'redirect' ? 'iif' : 'oif', 0);
  const own = (host?.links ?? []).map(({ name, addresses }) => {
    const values = addresses.flatMap(({ address }) => (address.family === family ? [address.value] : []));
    return [name, values] as const;
  });
  const known = new Map(own);
  const destination = slots.of('dst', bits);
  return ({ cells }) => {
    const name = cells[slot];
    const values = typeof name === 'string' ? known.get(name) : undefined;
    if (values === undefined) return undefined;
    const [first, ...more] = values;
    if (first === undefined) return null;
    // Which one of several it is for a way out depends on the route.
    if (type === 'masquerade') return more.length === 0 ? scalar(first, bits) : undefined;
    const to = cells[destination];
    if (typeof to !== 'bigint') return scalar(first, bits);
    const near = isLinkLocal(to) ? values.find(isLinkLocal) : first;
    return near === undefined ? null : near;
  };
}

/** fe80::/10. */
function isLinkLocal(address: bigint): boolean {
  return address >> 118n === 0xfe80n >> 6n;
}
