// Network: a server, three other machines and the internet between them, out of network namespaces.
import { existsSync } from 'node:fs';
import { commandOutput } from './command.ts';
import { assertPrivateNetwork } from './guard.ts';
import { type Machine, machineAt } from './machine.ts';

/** The machines of one lab. Every machine reaches every other through `internet`, which routes. */
export type Network = {
  /** The machine that is looked at. It forwards, as a machine with a container engine does. */
  readonly server: Machine;
  /** Somebody on the internet; in the story the admin sits here. */
  readonly outside: Machine;
  readonly blog: Machine;
  readonly third: Machine;
  /** The router between. It knows a route through the server to every address a container could have. */
  readonly internet: Machine;
  /** Removes the namespaces; programs that still run in them keep theirs until they end. */
  destroy(): Promise<void>;
};

type Site = { readonly v4: Link; readonly v6: Link };
type Link = { readonly address: string; readonly gateway: string; readonly length: number };

const site = (v4: string, gateway4: string, length4: number, v6: string, gateway6: string): Site => ({
  v4: { address: v4, gateway: gateway4, length: length4 },
  v6: { address: v6, gateway: gateway6, length: 64 },
});

const SITES = {
  server: site('203.0.113.130', '203.0.113.129', 25, '2001:db8:5::10', '2001:db8:5::1'),
  outside: site('198.51.100.4', '198.51.100.1', 24, '2001:db8:4::4', '2001:db8:4::1'),
  blog: site('203.0.113.7', '203.0.113.1', 25, '2001:db8::7', '2001:db8::1'),
  third: site('192.0.2.9', '192.0.2.1', 24, '2001:db8:9::9', '2001:db8:9::1'),
} as const;

type SiteName = keyof typeof SITES;
const SITE_NAMES = Object.keys(SITES) as SiteName[];

/** Every prefix from which containers get their addresses by default; the internet routes them to the server. */
const CONTAINER_PREFIXES = ['172.16.0.0/12', 'fd00::/8'];

/**
 * Creates the namespaces, links, addresses and routes. Throws in the machine's own network namespace.
 * Several networks may exist at once: where a name is taken, the namespace is called `server-2` and so on.
 */
export async function createNetwork(): Promise<Network> {
  assertPrivateNetwork();
  const suffix = freeSuffix();
  const namespace = (name: string): string => name + suffix;
  const all = [...SITE_NAMES, 'internet'].map(namespace);
  await ipBatch(
    [],
    all.map((name) => `netns add ${name}`),
  );
  await Promise.all(all.map(setSysctls));
  await ipBatch(
    [],
    SITE_NAMES.map((name) => link(name, namespace)),
  );
  await Promise.all([
    ...SITE_NAMES.map((name) => ipBatch(['-n', namespace(name)], machineLines(SITES[name]))),
    ipBatch(['-n', namespace('internet')], routerLines()),
  ]);
  const machine = (name: SiteName): Machine =>
    machineAt(
      name,
      `/run/netns/${namespace(name)}`,
      { v4: SITES[name].v4.address, v6: SITES[name].v6.address },
      'eth0',
    );
  return {
    server: machine('server'),
    outside: machine('outside'),
    blog: machine('blog'),
    third: machine('third'),
    internet: machineAt(
      'internet',
      `/run/netns/${namespace('internet')}`,
      { v4: SITES.server.v4.gateway, v6: SITES.server.v6.gateway },
      'server',
    ),
    destroy: () =>
      ipBatch(
        [],
        all.map((name) => `netns delete ${name}`),
      ),
  };
}

/** Gives one more namespace, linked by nothing yet, to the one who wires it himself. */
export async function addNamespace(name: string): Promise<string> {
  assertPrivateNetwork();
  await commandOutput('ip', ['netns', 'add', name]);
  await setSysctls(name);
  await ipBatch(['-n', name], ['link set lo up']);
  return `/run/netns/${name}`;
}

/** Runs the lines of an `ip -batch` file, all in one process; `flags` come first, such as `-n NAMESPACE`. */
export async function ipBatch(flags: readonly string[], lines: readonly string[]): Promise<void> {
  await commandOutput('ip', [...flags, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

function freeSuffix(): string {
  for (let number = 1; ; number++) {
    const suffix = number === 1 ? '' : `-${number}`;
    if (!existsSync(`/run/netns/server${suffix}`)) return suffix;
  }
}

const link = (name: SiteName, namespace: (name: string) => string): string =>
  `link add eth0 netns ${namespace(name)} type veth peer name ${name} netns ${namespace('internet')}`;

const machineLines = ({ v4, v6 }: Site): string[] => [
  'link set lo up',
  'link set eth0 up',
  `addr add ${v4.address}/${v4.length} dev eth0`,
  `addr add ${v6.address}/${v6.length} dev eth0 nodad`,
  `route add default via ${v4.gateway}`,
  `route add default via ${v6.gateway}`,
];

const routerLines = (): string[] => [
  'link set lo up',
  ...SITE_NAMES.flatMap((name) => {
    const { v4, v6 } = SITES[name];
    return [
      `link set ${name} up`,
      `addr add ${v4.gateway}/${v4.length} dev ${name}`,
      `addr add ${v6.gateway}/${v6.length} dev ${name} nodad`,
    ];
  }),
  ...CONTAINER_PREFIXES.map(
    (prefix) =>
      `route add ${prefix} via ${prefix.includes(':') ? SITES.server.v6.address : SITES.server.v4.address}`,
  ),
];

/**
 * To be set before the links exist, which start with a copy of `default`.
 * Addresses usable at once (no duplicate address detection), no waiting for router advertisements, and no limit on
 * ICMP errors: else every second rejected connection of a quick test would look like a dropped one.
 * Only the router and the server forward, but a machine that nobody routes to may as well.
 */
async function setSysctls(namespace: string): Promise<void> {
  const settings: readonly (readonly [string, number])[] = [
    ['ipv6/conf/all/accept_dad', 0],
    ['ipv6/conf/default/accept_dad', 0],
    ['ipv6/conf/all/accept_ra', 0],
    ['ipv6/conf/default/accept_ra', 0],
    ['ipv6/conf/all/forwarding', 1],
    ['ipv4/ip_forward', 1],
    ['ipv4/icmp_ratelimit', 0],
    ['ipv6/icmp/ratelimit', 0],
  ];
  const script = settings.map(([name, value]) => `echo ${value} > /proc/sys/net/${name}`).join('\n');
  await commandOutput('nsenter', [`--net=/run/netns/${namespace}`, 'sh', '-ec', script]);
}
