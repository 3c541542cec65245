// A parsed JSON value → Snapshot, or what is wrong with it.
import type { RouteType } from '../model/host.ts';
import {
  SNAPSHOT_FORMAT,
  SNAPSHOT_VERSION,
  type Snapshot,
  type SnapshotAddress,
  type SnapshotBypass,
  type SnapshotContainer,
  type SnapshotEnd,
  type SnapshotFlow,
  type SnapshotLink,
  type SnapshotMissing,
  type SnapshotNetwork,
  type SnapshotNextHop,
  type SnapshotProcess,
  type SnapshotRoute,
  type SnapshotRule,
  type SnapshotRulesets,
  type SnapshotSocket,
} from '../model/snapshot.ts';
import { parseAddress } from '../net/address.ts';
import { parsePrefix } from '../net/prefix.ts';
import { isObject, type Json } from './json.ts';
import {
  anyText,
  flag,
  listOf,
  numberUpTo,
  objectOf,
  oneOf,
  onlyTrue,
  recordOf,
  type Shape,
  type ShapeProblem,
  shape,
  textThat,
} from './shape.ts';

export interface SnapshotReading {
  /** undefined: there are problems. */
  readonly snapshot: Snapshot | undefined;
  readonly problems: readonly ShapeProblem[];
}

const U8 = numberUpTo(255);
const U16 = numberUpTo(65_535);
const U32 = numberUpTo(4_294_967_295);
const family = oneOf('ipv4', 'ipv6');
const address = textThat('an IP address', (text) => parseAddress(text) !== undefined);
const prefix = textThat('an address or network (192.0.2.0/24)', (text) => 'prefix' in parsePrefix(text));
const range = textThat('a number or a range (80-90)', (text) => /^\d{1,10}(-\d{1,10})?$/.test(text));

const ROUTE_TYPES = [
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
] as const satisfies readonly RouteType[];

const rulesets = objectOf<SnapshotRulesets>({}, {
  nft: shape<unknown>('the JSON of nft: an object with a list `nftables`', (json): json is unknown =>
    isObject(json) ? Array.isArray(json['nftables']) : false,
  ),
  nftText: anyText,
  iptables: anyText,
  ip6tables: anyText,
  iptablesLegacy: anyText,
  ip6tablesLegacy: anyText,
  ipset: anyText,
} as never);

const link = objectOf<SnapshotLink>(
  {
    name: anyText,
    index: U32,
    loopback: flag,
    up: flag,
    group: U32,
    addresses: listOf(
      objectOf<SnapshotAddress>(
        { family, address, prefixLength: numberUpTo(128) },
        { broadcast: address, peer: address },
      ),
    ),
  },
  { kind: anyText, master: anyText, mac: anyText },
);

const route = objectOf<SnapshotRoute>(
  {
    family,
    table: U32,
    type: oneOf(...ROUTE_TYPES),
    destination: prefix,
    nextHops: listOf(objectOf<SnapshotNextHop>({}, { device: anyText, gateway: address, dead: onlyTrue })),
  },
  { from: prefix, tos: U8, preferredSource: address, metric: U32 },
);

const rule = objectOf<SnapshotRule>(
  {
    family,
    priority: U32,
    action: oneOf('lookup', 'l3mdev', 'goto', 'nop', 'blackhole', 'unreachable', 'prohibit'),
  },
  {
    inverted: onlyTrue,
    from: prefix,
    to: prefix,
    iif: anyText,
    oif: anyText,
    mark: U32,
    markMask: U32,
    tos: U8,
    protocol: U16,
    sport: range,
    dport: range,
    uid: range,
    table: U32,
    suppressPrefixLength: U32,
    suppressGroup: U32,
    goto: U32,
    unknown: listOf(anyText),
  },
);

const socket = objectOf<SnapshotSocket>(
  {
    protocol: oneOf('tcp', 'udp'),
    families: listOf(family),
    address,
    port: U16,
    uid: U32,
    processes: listOf(
      objectOf<SnapshotProcess>(
        { pid: U32, name: anyText, args: listOf(anyText) },
        { unit: anyText, container: anyText },
      ),
    ),
  },
  {},
);

const engine = oneOf('docker', 'podman');

const container = objectOf<SnapshotContainer>(
  {
    engine,
    id: anyText,
    names: listOf(anyText),
    image: anyText,
    networks: listOf(
      objectOf<SnapshotContainer['networks'][number]>({ name: anyText, addresses: listOf(address) }, {}),
    ),
    ports: listOf(
      objectOf<SnapshotContainer['ports'][number]>(
        { protocol: oneOf('tcp', 'udp', 'sctp'), address, port: U16, containerPort: U16 },
        {},
      ),
    ),
  },
  {},
);

const network = objectOf<SnapshotNetwork>({ engine, id: anyText, name: anyText, bridge: anyText }, {});

const end = objectOf<SnapshotEnd>({ src: address, dst: address }, { sport: U16, dport: U16 });

const flow = objectOf<SnapshotFlow>(
  { family, protocol: U8, original: end, reply: end, flags: listOf(anyText) },
  { state: anyText, mark: U32, zone: U16, timeout: U32 },
);

const bypass = objectOf<SnapshotBypass>(
  { kind: oneOf('xdp', 'tc', 'netfilter program', 'flowtable', 'ipvs'), detail: anyText },
  { device: anyText },
);

const snapshotShape: Shape<Snapshot> = objectOf<Snapshot>(
  {
    format: oneOf(SNAPSHOT_FORMAT),
    version: oneOf(SNAPSHOT_VERSION),
    taken: anyText,
    hostname: anyText,
    kernel: anyText,
    consistent: flag,
    rulesets,
    missing: listOf(objectOf<SnapshotMissing>({ what: anyText, why: anyText }, {})),
  },
  {
    redacted: onlyTrue,
    links: listOf(link),
    routes: listOf(route),
    rules: listOf(rule),
    sysctls: recordOf(anyText),
    sockets: listOf(socket),
    containers: listOf(container),
    networks: listOf(network),
    flows: listOf(flow),
    bypasses: listOf(bypass),
  },
);

/**
 * Reads what `JSON.parse` gave of a snapshot. Every field that is not as `Snapshot` has it is a problem, and with a
 * problem there is no snapshot: half of one would give wrong answers. Never throws.
 */
export function readSnapshot(json: Json): SnapshotReading {
  const problems: ShapeProblem[] = [];
  if (!isObject(json) || json['format'] !== SNAPSHOT_FORMAT) {
    const found = isObject(json) && 'format' in json ? JSON.stringify(json['format']) : 'no such field';
    const expected = `a snapshot: an object with "format": "${SNAPSHOT_FORMAT}"`;
    return { snapshot: undefined, problems: [{ path: 'format', expected, found }] };
  }
  if (json['version'] !== SNAPSHOT_VERSION) {
    const expected = `version ${SNAPSHOT_VERSION}, which is what this program reads`;
    const found = JSON.stringify(json['version']) ?? 'nothing';
    return { snapshot: undefined, problems: [{ path: 'version', expected, found }] };
  }
  const snapshot = snapshotShape(json, '', problems);
  return { snapshot: problems.length === 0 ? snapshot : undefined, problems };
}
