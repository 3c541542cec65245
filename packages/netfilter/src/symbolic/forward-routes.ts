// Where a packet leaves the host, from its routes: the interface as a function of the destination.
import type { Host, HostRoute } from '../model/host.ts';
import type { IpFamily } from '../net/address.ts';
import { type IntervalSet, intervalSet, subtractIntervals } from '../net/interval.ts';
import { prefixInterval } from '../net/prefix.ts';
import { addressTypes, longestFirst } from '../semantics/address-types.ts';
import { always, decideByField, LEAF } from '../space/decision.ts';
import { fixFields } from '../space/packet-fields.ts';
import { type Decision, hold, release } from '../space/packet-space.ts';
import { type Analysis, interfaceWord } from './analysis.ts';

const MAIN_TABLE = 254;

/** Destinations that leave by an interface; no interface: there is more than one way. */
interface Way {
  readonly oif: string | undefined;
  readonly dst: IntervalSet<bigint>;
}

/**
 * `forward` with `oif` as the routes say it, `local` for addresses of this host, and a drop for what has no route. Where
 * the routes are not known, or rules choose between tables, `oif` stays open.
 */
export function routedForward(
  { space, family, host }: Analysis,
  forward: Decision,
  local: Decision,
): Decision {
  if (host === undefined) return forward;
  const types = addressTypes(host, family);
  if (types === undefined) return forward;
  const dropped = always(space, LEAF.drop);
  const ways = forwards(host, family) ? waysOf(host, family) : [];
  hold(forward);
  hold(local);
  const here = ['local', 'broadcast', 'multicast', 'anycast'].flatMap((type) => types[type] ?? []);
  const cases = ways?.map(({ oif, dst }) => ({
    values: dst,
    decision: oif === undefined ? forward : fixFields(forward, { oif: interfaceWord(space, oif) }),
  })) ?? [{ values: intervalSet(others(here, family)), decision: forward }];
  const decision = decideByField(
    space,
    'dst',
    [{ values: intervalSet(here), decision: local }, ...cases].filter(({ values }) => values.length > 0),
    dropped,
  );
  release(forward);
  release(local);
  return decision;
}

function all(family: IpFamily): IntervalSet<bigint> {
  return [{ first: 0n, last: (1n << (family === 'ipv4' ? 32n : 128n)) - 1n }];
}

function others(some: IntervalSet<bigint>, family: IpFamily): IntervalSet<bigint> {
  return subtractIntervals(all(family), intervalSet(some));
}

/** Whether the host passes packets on at all. What could not be read may be so. */
function forwards({ sysctls }: Host, family: IpFamily): boolean {
  const path = family === 'ipv4' ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding';
  return sysctls[path] !== '0';
}

/** undefined: rules of policy routing decide. */
function waysOf(host: Host, family: IpFamily): Way[] | undefined {
  const plain = host.rules
    .filter((rule) => rule.family === family)
    .every(({ action, from, to, iif, oif, mark, inverted }) => {
      const conditions = [from, to, iif, oif, mark].some((each) => each !== undefined) || inverted;
      return !conditions && action.kind === 'lookup' && action.table >= 253;
    });
  if (!plain || host.missing.includes('rules')) return undefined;
  const ways: Way[] = [];
  let left = all(family);
  for (const route of longestFirst(host.routes.filter((each) => each.family === family))) {
    if (route.table !== MAIN_TABLE && route.table !== 255) continue;
    const own = prefixInterval(route.prefix);
    const taken = subtractIntervals(left, subtractIntervals(left, [own]));
    left = subtractIntervals(left, [own]);
    if (route.table === MAIN_TABLE && route.type === 'unicast')
      ways.push({ oif: deviceOf(route), dst: taken });
  }
  return ways;
}

function deviceOf({ nextHops }: HostRoute): string | undefined {
  const devices = new Set(nextHops.filter(({ dead }) => !dead).map(({ device }) => device));
  return devices.size === 1 ? [...devices][0] : undefined;
}
