// The address of its own that a host puts in with `redirect` and `masquerade`.
import type { Nat } from '../model/nat.ts';
import { bitsOf } from '../net/address.ts';
import { type Cell, scalar } from './walk-cell.ts';
import type { Context, Walker } from './walk-step.ts';

/** fe80::/10. */
const LINK_LOCAL = 0xfe80n >> 6n;

/**
 * nf_nat_redirect.c, nf_nat_masquerade.c: the first address of the interface where the packet came in or goes out,
 * and loopback for packets of this host. null: there is none, and the packet is dropped.
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
  const known = new Map<string, Cell | null>();
  for (const link of host?.links ?? []) {
    const own = link.addresses.filter(({ address }) => address.family === family);
    const [first, ...more] =
      family === 'ipv4' ? own.slice(0, 1) : own.filter(({ address }) => address.value >> 118n !== LINK_LOCAL);
    if (own.length === 0) known.set(link.name, null);
    // Which one of several depends on scopes and flags.
    else if (first !== undefined && more.length === 0)
      known.set(link.name, scalar(first.address.value, bits));
  }
  return ({ cells }) => {
    const name = cells[slot];
    return typeof name === 'string' ? known.get(name) : undefined;
  };
}
