// Questions about the host's routes (`fib saddr . iif oif`, `-m rpfilter`) as sets of packets.
import type { Expression } from '../model/expression.ts';
import type { Host } from '../model/host.ts';
import { type IntervalSet, intervalSet, subtractIntervals } from '../net/interval.ts';
import { prefixInterval } from '../net/prefix.ts';
import { fieldOf, NO_INTERFACE, type WordField } from '../space/fields.ts';
import { packetsWhere, unionPackets } from '../space/packet-set.ts';
import type { PacketSet } from '../space/packet-space.ts';
import type { Analysis } from './analysis.ts';
import type { Place } from './reading.ts';
import { leadsBy, lookedUp } from './walk-route.ts';

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
  const known: string[] = [];
  for (const device of words) {
    if (!hasLink(host, device)) continue;
    known.push(device);
    // What comes by loopback came from here.
    const isHome = device === 'lo' && hook === 'prerouting';
    const there = isHome ? undefined : reachedBy(device, routes, family === 'ipv6');
    if (isAsked(device)) asked.push(packetsWhere(space, { iif: device, ...(there && { [side]: there }) }));
    if (there !== undefined && isAsked(NO_INTERFACE)) {
      const all = [{ first: 0n, last: (1n << (family === 'ipv4' ? 32n : 128n)) - 1n }];
      asked.push(packetsWhere(space, { iif: device, [side]: subtractIntervals(all, there) }));
    }
  }
  return { asked: unionPackets(space, asked), sure: packetsWhere(space, { iif: known }) };
}

function hasLink({ links }: Host, device: string): boolean {
  return links.some(({ name }) => name === device);
}

/** The addresses to which a route leads by the interface. `strict`: other routes are not looked at. */
function reachedBy(
  device: string,
  routes: NonNullable<ReturnType<typeof lookedUp>>,
  strict: boolean,
): IntervalSet<bigint> {
  const found: IntervalSet<bigint>[] = [];
  let done: IntervalSet<bigint> = [];
  for (const route of routes) {
    const leads = leadsBy(route, device);
    if (strict && !leads) continue;
    const own = [prefixInterval(route.prefix)];
    if (route.type === 'unicast' && leads) found.push(subtractIntervals(own, done));
    done = intervalSet([...done, ...own]);
  }
  return intervalSet(found.flat());
}
