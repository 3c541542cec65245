// Where routing takes one packet: to this host, out by an interface, or nowhere.
import type { Host, HostRoute, HostRule, RuleAction } from '../model/host.ts';
import type { Address, IpFamily } from '../net/address.ts';
import type { Interval } from '../net/interval.ts';
import { type Prefix, prefixInterval } from '../net/prefix.ts';
import { longestFirst } from './address-types.ts';

export type Routing =
  /** A process of this host gets it. */
  | { readonly kind: 'here' }
  /** `device` absent: one of several, or one that nobody told. `preferredSource`: what this host would send from. */
  | { readonly kind: 'out'; readonly device?: string; readonly preferredSource?: Address }
  | { readonly kind: 'nowhere'; readonly why: 'no route' | 'blackhole' | 'unreachable' | 'prohibit' }
  /** The routes are not known, or it depends on what is not known of the packet. */
  | { readonly kind: 'unknown' };

/** What routing looks at; what is left out is not known. */
export interface RoutedPacket {
  readonly family: IpFamily;
  readonly dst: Address;
  readonly src?: Address | undefined;
  /** `lo` for packets that start on this host. */
  readonly iif?: string | undefined;
  readonly proto?: number | undefined;
  readonly sport?: number | undefined;
  readonly dport?: number | undefined;
  readonly mark?: number | undefined;
}

/** ip-rule(8): the rules that there are before anybody makes others, where they could not be read. */
const USUAL_TABLES = [255, 254, 253];

/**
 * The rules of policy routing by priority, and in the first table that has a route the longest prefix (ip-route(8),
 * fib_rules_lookup in net/core/fib_rules.c).
 */
export function routePacket(host: Host, packet: RoutedPacket): Routing {
  const { family } = packet;
  if (host.missing.includes('routes')) return { kind: 'unknown' };
  const routes = host.routes.filter((route) => route.family === family);
  const rules = host.rules.filter((rule) => rule.family === family);
  if (rules.length === 0 || host.missing.includes('rules')) {
    for (const table of USUAL_TABLES) {
      const found = lookup(routes, table, packet);
      if (found !== undefined) return routingOf(found);
    }
    return { kind: 'nowhere', why: 'no route' };
  }
  let from = Number.NEGATIVE_INFINITY;
  for (const rule of rules) {
    if (rule.priority < from) continue;
    const holds = ruleHolds(rule, packet);
    if (holds === undefined) return { kind: 'unknown' };
    if (!holds) continue;
    if (rule.action.kind === 'goto') {
      from = rule.action.priority;
      continue;
    }
    const routing = act(rule.action, routes, packet, host);
    if (routing !== undefined) return routing;
  }
  return { kind: 'nowhere', why: 'no route' };
}

/** undefined: the next rule is asked. */
function act(
  action: RuleAction,
  routes: readonly HostRoute[],
  packet: RoutedPacket,
  host: Host,
): Routing | undefined {
  switch (action.kind) {
    case 'blackhole':
    case 'unreachable':
    case 'prohibit':
      return { kind: 'nowhere', why: action.kind };
    case 'l3mdev': {
      const ofVrf = host.links.some(({ kind }) => kind === 'vrf');
      return ofVrf ? { kind: 'unknown' } : undefined;
    }
    case 'lookup': {
      const found = lookup(routes, action.table, packet);
      if (found === undefined || found.prefix.length <= (action.suppressPrefixLength ?? -1)) return undefined;
      return routingOf(found);
    }
    case 'goto':
    case 'nop':
      return undefined;
    default:
      throw new Error(action satisfies never);
  }
}

/** The best route of a table; none for a `throw`. */
function lookup(
  routes: readonly HostRoute[],
  table: number,
  { dst, src }: RoutedPacket,
): HostRoute | undefined {
  const found = longestFirst(
    routes.filter(
      (route) =>
        route.table === table &&
        isIn(dst, route.prefix) &&
        (route.from === undefined || src === undefined || isIn(src, route.from)) &&
        (route.tos ?? 0) === 0 &&
        (route.type !== 'unicast' || route.nextHops.some(({ dead }) => !dead)),
    ),
  )[0];
  return found?.type === 'throw' ? undefined : found;
}

function routingOf({ type, nextHops, preferredSource }: HostRoute): Routing {
  switch (type) {
    case 'local':
    case 'broadcast':
    case 'anycast':
    case 'multicast':
      return { kind: 'here' };
    case 'blackhole':
    case 'unreachable':
    case 'prohibit':
      return { kind: 'nowhere', why: type };
    case 'unicast': {
      const devices = new Set(nextHops.filter(({ dead }) => !dead).map(({ device }) => device));
      const [device] = devices;
      return {
        kind: 'out',
        ...(devices.size === 1 && device !== undefined ? { device } : {}),
        ...(preferredSource === undefined ? {} : { preferredSource }),
      };
    }
    case 'throw':
    case 'nat':
      return { kind: 'unknown' };
    default:
      throw new Error(type satisfies never);
  }
}

/** undefined: it depends on what is not known. */
function ruleHolds(rule: HostRule, packet: RoutedPacket): boolean | undefined {
  const { from, to, iif, oif, mark, tos, protocol, sport, dport, uid, unknown, inverted } = rule;
  const conditions = [
    from === undefined || (packet.src === undefined ? undefined : isIn(packet.src, from)),
    to === undefined || isIn(packet.dst, to),
    iif === undefined || (packet.iif === undefined ? undefined : packet.iif === iif),
    // Only a socket that is bound to an interface asks for one.
    oif === undefined,
    mark === undefined || ((packet.mark ?? 0) & mark.mask) >>> 0 === mark.value >>> 0,
    tos === undefined || tos === 0,
    protocol === undefined || (packet.proto === undefined ? undefined : packet.proto === protocol),
    within(packet.sport, sport),
    within(packet.dport, dport),
    // What comes in belongs to nobody here.
    uid === undefined || (packet.iif === 'lo' ? undefined : false),
    unknown.length === 0 || undefined,
  ];
  const holds = conditions.includes(false) ? false : conditions.includes(undefined) ? undefined : true;
  return holds === undefined ? undefined : holds !== inverted;
}

function within(value: number | undefined, interval: Interval<number> | undefined): boolean | undefined {
  if (interval === undefined) return true;
  return value === undefined ? undefined : value >= interval.first && value <= interval.last;
}

function isIn({ family, value }: Address, prefix: Prefix): boolean {
  const { first, last } = prefixInterval(prefix);
  return family === prefix.family && value >= first && value <= last;
}
