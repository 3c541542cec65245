// The facts in a snapshot → Host.
import type {
  Host,
  HostAddress,
  HostLink,
  HostPart,
  HostRoute,
  HostRule,
  NextHop,
  RuleAction,
} from '../model/host.ts';
import type {
  Snapshot,
  SnapshotAddress,
  SnapshotLink,
  SnapshotNextHop,
  SnapshotRoute,
  SnapshotRule,
} from '../model/snapshot.ts';
import { type Address, parseAddress } from '../net/address.ts';
import type { Interval } from '../net/interval.ts';
import { type Prefix, parsePrefix, prefixOf } from '../net/prefix.ts';
import { defined } from './json.ts';

/** Throws only for a snapshot that `readSnapshot` would have refused. */
export function hostOf({ links, routes, rules, sysctls }: Snapshot): Host {
  const parts: Readonly<Record<HostPart, unknown>> = { links, routes, rules, sysctls };
  return {
    links: (links ?? []).map(hostLink),
    routes: (routes ?? []).map(hostRoute),
    rules: (rules ?? []).map(hostRule).sort(inOrder),
    sysctls: sysctls ?? {},
    missing: (Object.keys(parts) as HostPart[]).filter((part) => parts[part] === undefined),
  };
}

function hostLink({
  name,
  index,
  kind,
  loopback,
  up,
  master,
  mac,
  group,
  addresses,
}: SnapshotLink): HostLink {
  return defined({
    name,
    index,
    kind,
    loopback,
    up,
    master,
    mac: mac?.toLowerCase(),
    group,
    addresses: addresses.map(hostAddress),
  });
}

function hostAddress({ address: text, prefixLength, broadcast, peer: far }: SnapshotAddress): HostAddress {
  const address = addressOf(text);
  const peer = optional(addressOf, far);
  return defined({
    address,
    prefix: prefixOf(peer ?? address, prefixLength),
    broadcast: optional(addressOf, broadcast),
    peer,
  });
}

function hostRoute(route: SnapshotRoute): HostRoute {
  return defined({
    family: route.family,
    table: route.table,
    type: route.type,
    prefix: prefixText(route.destination),
    from: optional(prefixText, route.from),
    tos: route.tos,
    nextHops: route.nextHops.map(nextHop),
    preferredSource: optional(addressOf, route.preferredSource),
    metric: route.metric ?? 0,
  });
}

function nextHop({ device, gateway, dead }: SnapshotNextHop): NextHop {
  return defined({ device, gateway: optional(addressOf, gateway), dead: dead === true });
}

function hostRule(rule: SnapshotRule): HostRule {
  const mark = rule.mark === undefined ? undefined : { value: rule.mark, mask: rule.markMask ?? 0xffff_ffff };
  return defined({
    family: rule.family,
    priority: rule.priority,
    inverted: rule.inverted ?? false,
    from: optional(prefixText, rule.from),
    to: optional(prefixText, rule.to),
    iif: rule.iif,
    oif: rule.oif,
    mark,
    tos: rule.tos,
    protocol: rule.protocol,
    sport: optional(rangeOf, rule.sport),
    dport: optional(rangeOf, rule.dport),
    uid: optional(rangeOf, rule.uid),
    action: ruleAction(rule),
    unknown: rule.unknown ?? [],
  });
}

function ruleAction(rule: SnapshotRule): RuleAction {
  switch (rule.action) {
    case 'lookup':
      return defined({
        kind: 'lookup',
        table: rule.table ?? 0,
        suppressPrefixLength: rule.suppressPrefixLength,
        suppressGroup: rule.suppressGroup,
      });
    case 'goto':
      return { kind: 'goto', priority: rule.goto ?? 0 };
    default:
      return { kind: rule.action };
  }
}

function inOrder(a: HostRule, b: HostRule): number {
  return a.family.localeCompare(b.family) || a.priority - b.priority;
}

function optional<A, B>(read: (from: A) => B, from: A | undefined): B | undefined {
  return from === undefined ? undefined : read(from);
}

function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`not an address in a snapshot: ${text}`);
  return address;
}

function prefixText(text: string): Prefix {
  const read = parsePrefix(text);
  if ('problem' in read) throw new Error(`not a network in a snapshot: ${text}`);
  return read.prefix;
}

function rangeOf(text: string): Interval<number> {
  const [first, last] = text.split('-').map(Number);
  return { first: first!, last: last ?? first! };
}
