// Everything that decides on this machine, in this network namespace, as one value.
import { hostname, release } from 'node:os';
import {
  formatAddress,
  type IpFamily,
  SNAPSHOT_FORMAT,
  SNAPSHOT_VERSION,
  type Snapshot,
  type SnapshotContainer,
  type SnapshotEngine,
  type SnapshotMissing,
  type SnapshotNetwork,
  type SnapshotProcess,
  type SnapshotSocket,
} from '@moat/netfilter';
import { bypassesOf, readAttached } from './bypasses.ts';
import { type Docker, dockerSocket, readDocker } from './docker.ts';
import { parseFlows, readFlowLines } from './flows.ts';
import { type HostLinks, parseHostLinks } from './host-links.ts';
import { parseIpRules } from './ip-rules.ts';
import { type Process, socketOwners } from './processes.ts';
import { parseRoutes } from './routes.ts';
import { takeRulesets } from './rulesets.ts';
import { readSockets } from './sockets.ts';
import { readSysctls } from './sysctls.ts';
import { askFor } from './tool.ts';

export interface SnapshotOptions {
  /** The rules of nft also as text, for people: costs as much as all else together. */
  readonly nftText?: boolean;
  /** The flows that conntrack knows. */
  readonly flows?: boolean;
}

/** What is missing where some processes may not be looked at. */
export const SOME_PROCESSES = 'processes of some sockets';

const PODMAN_SOCKET = '/run/podman/podman.sock';

/** Takes one. What cannot be read is left out and told in `missing`; it never rejects for that. Changes nothing. */
export async function takeSnapshot(options: SnapshotOptions = {}): Promise<Snapshot> {
  const missing: SnapshotMissing[] = [];
  const lists = async <T>(
    what: string,
    ...reading: Promise<readonly T[]>[]
  ): Promise<readonly T[] | undefined> => {
    try {
      return (await Promise.all(reading)).flat();
    } catch (error) {
      missing.push({ what, why: (error as Error).message });
      return undefined;
    }
  };
  const running = Promise.all([
    takeRulesets({ nftText: options.nftText === true }),
    lists<HostLinks>(
      'interfaces',
      ip(['-d', 'addr'], (text) => [parseHostLinks(text)]),
    ),
    lists(
      'routes',
      ...FAMILIES.map((family) =>
        ip([flag(family), 'route', 'show', 'table', 'all'], (text) => parseRoutes(text, family)),
      ),
    ),
    lists(
      'rules of policy routing',
      ...FAMILIES.map((family) => ip([flag(family), 'rule'], (text) => parseIpRules(text, family))),
    ),
    options.flows === true ? lists('flows', flowsOf()) : undefined,
    readEngines(missing),
    readAttached(),
  ]);
  // While the programs run.
  const sysctls = readSysctls();
  const sockets = readOpenSockets(missing);
  const [taken, links, routes, rules, flows, engines, attached] = await running;
  const known = {
    links: links?.flatMap((each) => each.links),
    routes,
    rules,
    sysctls,
    sockets,
    ...engines,
    flows,
    bypasses: bypassesOf(attached, links?.[0]?.xdp ?? [], taken.rulesets.nft),
  };
  return {
    format: SNAPSHOT_FORMAT,
    version: SNAPSHOT_VERSION,
    taken: new Date().toISOString(),
    hostname: hostname(),
    kernel: release(),
    consistent: taken.consistent,
    rulesets: taken.rulesets,
    ...(Object.fromEntries(
      Object.entries(known).filter(([, value]) => value !== undefined),
    ) as Partial<Snapshot>),
    missing: [...taken.missing, ...missing, ...attached.missing],
  };
}

const FAMILIES: readonly IpFamily[] = ['ipv4', 'ipv6'];

function flag(family: IpFamily): string {
  return family === 'ipv4' ? '-4' : '-6';
}

function ip<T>(args: readonly string[], parse: (text: string) => readonly T[]): Promise<readonly T[]> {
  return askFor('ip', ['-N', '-j', ...args], parse);
}

async function flowsOf() {
  const told = await readFlowLines();
  if (!told.ok) throw new Error(told.why);
  return parseFlows(told.text);
}

function readOpenSockets(missing: SnapshotMissing[]): SnapshotSocket[] | undefined {
  try {
    return openSockets(missing);
  } catch (error) {
    missing.push({ what: 'sockets', why: (error as Error).message });
    return undefined;
  }
}

function openSockets(missing: SnapshotMissing[]): SnapshotSocket[] {
  const sockets = readSockets().filter((socket) => socket.kind === 'open');
  const { owners, complete } = socketOwners(new Set(sockets.map(({ inode }) => inode)));
  // Nobody is missed where each socket has somebody.
  if (!complete && sockets.some(({ inode }) => !owners.has(inode))) {
    missing.push({ what: SOME_PROCESSES, why: 'not every process may be looked at: takes root' });
  }
  return sockets.map(({ protocol, families, local, uid, inode }) => ({
    protocol,
    families,
    address: formatAddress(local.address),
    port: local.port,
    uid,
    processes: (owners.get(inode) ?? []).map(snapshotProcess),
  }));
}

function snapshotProcess({ pid, name, args, unit, container }: Process): SnapshotProcess {
  return {
    pid,
    name,
    args,
    ...(unit === undefined ? {} : { unit }),
    ...(container === undefined ? {} : { container }),
  };
}

type Engines = Pick<Snapshot, 'containers' | 'networks'>;

async function readEngines(missing: SnapshotMissing[]): Promise<Engines> {
  const told: readonly (readonly [SnapshotEngine, Docker | undefined])[] = await Promise.all([
    readDocker({ socket: dockerSocket() }).then((docker) => ['docker', docker] as const),
    readDocker({ socket: PODMAN_SOCKET, podman: true }).then((podman) => ['podman', podman] as const),
  ]);
  const containers: SnapshotContainer[] = [];
  const networks: SnapshotNetwork[] = [];
  let unreadable = false;
  for (const [engine, answer] of told) {
    if (answer?.kind === 'unreadable') {
      unreadable = true;
      missing.push({ what: `containers of ${engine}`, why: answer.reason });
    }
    if (answer?.kind !== 'engine') continue;
    containers.push(...answer.containers.map((container) => snapshotContainer(engine, container)));
    networks.push(...answer.networks.map(({ id, name, bridge }) => ({ engine, id, name, bridge })));
  }
  // A part of them is better than none; but none of them is not an empty list.
  return unreadable && containers.length === 0 ? {} : { containers, networks };
}

type EngineContainer = Extract<Docker, { kind: 'engine' }>['containers'][number];

function snapshotContainer(
  engine: SnapshotEngine,
  { id, names, image, networks, ports }: EngineContainer,
): SnapshotContainer {
  return {
    engine,
    id,
    names,
    image,
    networks: networks.map(({ name, addresses }) => ({ name, addresses: addresses.map(formatAddress) })),
    ports: ports.map(({ protocol, hostAddress, hostPort, containerPort }) => ({
      protocol,
      address: formatAddress(hostAddress),
      port: hostPort,
      containerPort,
    })),
  };
}
