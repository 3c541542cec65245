// Routes of all tables, from `ip -N -j route show table all` (ip-route(8)).
import {
  type IpFamily,
  parsePrefix,
  type RouteType,
  type SnapshotNextHop,
  type SnapshotRoute,
} from '@moat/netfilter';

interface IpHop {
  readonly dev?: string;
  readonly gateway?: string;
  /** A gateway of the other family. */
  readonly via?: { readonly host: string };
  readonly flags?: readonly string[];
}

interface IpRoute extends IpHop {
  readonly type?: string;
  readonly dst: string;
  readonly from?: string;
  readonly tos?: string;
  readonly table?: string;
  readonly prefsrc?: string;
  readonly metric?: number;
  readonly nexthops?: readonly IpHop[];
}

/** RTN_* of include/uapi/linux/rtnetlink.h, from 1 on. */
const TYPES: readonly RouteType[] = [
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
  'nat',
];

/** The names that `ip` prints where it does not know -N for them. */
const TABLES: Readonly<Record<string, number>> = { local: 255, main: 254, default: 253 };

/** The number of a table that `ip` printed; `main` where it printed none. */
export function tableNumber(text = 'main'): number | undefined {
  const number = TABLES[text] ?? Number(text);
  return Number.isNaN(number) ? undefined : number;
}

/** Parses the output for one family. Throws, in words, on a route that it does not understand. */
export function parseRoutes(json: string, family: IpFamily): SnapshotRoute[] {
  return (JSON.parse(json || '[]') as Partial<IpRoute>[])
    .filter((route): route is IpRoute => 'dst' in route)
    .map((route) => readRoute(route, family));
}

function readRoute(route: IpRoute, family: IpFamily): SnapshotRoute {
  const type = routeType(route.type);
  const table = tableNumber(route.table);
  const destination = route.dst === 'default' ? defaultOf(family) : route.dst;
  if (type === undefined || table === undefined || 'problem' in parsePrefix(destination)) {
    throw new Error(`not a route that moat understands: ${JSON.stringify(route)}`);
  }
  const hops = route.nexthops ?? (route.dev === undefined ? [] : [route]);
  return {
    family,
    table,
    type,
    destination,
    ...(route.from === undefined || route.from === 'default' ? {} : { from: route.from }),
    ...(route.tos === undefined ? {} : { tos: Number(route.tos) }),
    nextHops: hops.map(nextHop),
    ...(route.prefsrc === undefined ? {} : { preferredSource: route.prefsrc }),
    ...(route.metric === undefined ? {} : { metric: route.metric }),
  };
}

function defaultOf(family: IpFamily): string {
  return family === 'ipv4' ? '0.0.0.0/0' : '::/0';
}

function routeType(text = 'unicast'): RouteType | undefined {
  return TYPES[Number(text) - 1] ?? TYPES.find((type) => type === text);
}

function nextHop({ dev, gateway, via, flags }: IpHop): SnapshotNextHop {
  const through = gateway ?? via?.host;
  return {
    ...(dev === undefined ? {} : { device: dev }),
    ...(through === undefined ? {} : { gateway: through }),
    ...(flags?.includes('dead') ? { dead: true } : {}),
  };
}
