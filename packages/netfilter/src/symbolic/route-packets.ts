// Questions about the host's routes (`fib saddr . iif oif`, `-m rpfilter`) as sets of packets.
import type { Expression } from '../model/expression.ts';
import type { Host, HostRoute } from '../model/host.ts';
import { bitsOf, type IpFamily } from '../net/address.ts';
import { type IntervalSet, intervalSet, subtractIntervals } from '../net/interval.ts';
import { prefixInterval } from '../net/prefix.ts';
import type { Place } from '../semantics/reading.ts';
import { LINK_LOCAL, leadsBy, lookedUp } from '../semantics/route-to.ts';
import { fieldOf, NO_INTERFACE, type WordField } from '../space/fields.ts';
import { packetsWhere, unionPackets } from '../space/packet-set.ts';
import type { PacketSet } from '../space/packet-space.ts';
import type { Analysis } from './analysis.ts';

/** `asked`: packets whose route leads where it is asked for; `sure`: those of whose route one is sure. */
export interface RoutedPackets {
  readonly asked: PacketSet;
  readonly sure: PacketSet;
}

/**
 * By the routes that `routeTo` looks into. `isAsked` is asked for the name of an interface, or NO_INTERFACE where there
 * is no such route. undefined: it is another question, or the routes are not known.
 */
export function routePackets(
  { space, host, family }: Analysis,
  { result, flags }: Expression & { readonly kind: 'fib' },
  { hook }: Place,
  isAsked: (word: string) => boolean,
): RoutedPackets | undefined {
  const routes = lookedUp(family, host);
  const side = flags.includes('daddr') ? 'dst' : flags.includes('saddr') ? 'src' : undefined;
  if (host === undefined || routes === undefined || side === undefined) return undefined;
  if (result === 'type' || !flags.includes('iif') || flags.includes('oif')) return undefined;
  const { words } = fieldOf(space.layout, 'iif') as WordField;
  const asked: PacketSet[] = [];
  const sure: PacketSet[] = [];
  for (const device of words) {
    if (!hasLink(host, device)) continue;
    const by = (addresses: IntervalSet<bigint>): PacketSet =>
      packetsWhere(space, { iif: device, [side]: addresses });
    const all = [{ first: 0n, last: (1n << BigInt(bitsOf(family))) - 1n }];
    // What comes by loopback came from here.
    const isHome = device === 'lo' && hook === 'prerouting';
    const { yes, no } = isHome ? { yes: all, no: [] } : reachedBy(device, routes, all, family);
    if (isAsked(device)) asked.push(by(yes));
    if (isAsked(NO_INTERFACE)) asked.push(by(no));
    sure.push(by(intervalSet([...yes, ...no])));
  }
  return { asked: unionPackets(space, asked), sure: unionPackets(space, sure) };
}

function hasLink({ links }: Host, device: string): boolean {
  return links.some(({ name }) => name === device);
}

interface Reached {
  readonly yes: IntervalSet<bigint>;
  readonly no: IntervalSet<bigint>;
}

/** The addresses to which a route leads by the interface, and to which none does; see `routeTo` for the rest. */
function reachedBy(
  device: string,
  routes: readonly HostRoute[],
  all: IntervalSet<bigint>,
  family: IpFamily,
): Reached {
  const yes: IntervalSet<bigint>[] = [];
  const perhaps: IntervalSet<bigint>[] = [];
  let done: IntervalSet<bigint> = [];
  for (const route of routes) {
    const own = [prefixInterval(route.prefix)];
    if (route.type === 'unicast' && leadsBy(route, device)) {
      yes.push(subtractIntervals(own, done));
      if (family === 'ipv6') perhaps.push(own);
    }
    done = intervalSet([...done, ...own]);
  }
  const sure = intervalSet(yes.flat());
  if (family === 'ipv4') return { yes: sure, no: subtractIntervals(all, sure) };
  const may = intervalSet(perhaps.flat());
  const near = subtractIntervals([LINK_LOCAL], subtractIntervals([LINK_LOCAL], may));
  const leads = intervalSet([...subtractIntervals(sure, [LINK_LOCAL]), ...near]);
  return { yes: leads, no: subtractIntervals(all, intervalSet([...leads, ...may])) };
}
