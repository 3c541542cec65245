// What answers on each port of this host: sockets joined with their processes and with published ports.
import type { Address, IpFamily } from '@moat/netfilter';
import type { Container, Docker, PublishedPort } from './docker.ts';
import { readDocker } from './docker.ts';
import { type Forward, readForwards } from './forwards.ts';
import type { Process, SocketOwners } from './processes.ts';
import { socketOwners } from './processes.ts';
import { type OpenSocket, readSockets, type Socket } from './sockets.ts';

export type Answering =
  | {
      readonly kind: 'process';
      readonly name: string;
      readonly pid: number;
      /** The systemd service or scope that it runs in. */
      readonly unit: string | undefined;
    }
  | { readonly kind: 'container'; readonly name: string; readonly containerPort: number }
  /** Somebody's DNAT rule sends it there; which container or machine that is, no engine has told. */
  | { readonly kind: 'forward'; readonly to: string }
  /** The kernel itself (NFS, WireGuard), or a process that may not be looked at. */
  | { readonly kind: 'unknown'; readonly uid: number };

export interface Listener {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly family: IpFamily;
  /** The local address dialled; 0.0.0.0 or :: for all of the family. */
  readonly address: Address;
  readonly port: number;
  readonly what: Answering;
}

export interface Listeners {
  readonly listeners: readonly Listener[];
  /** False when processes could not be looked at: some of what answers is then `unknown`. */
  readonly complete: boolean;
}

/** Reads sockets, processes and the engine, and joins them. `docker` is what the engine said, for other uses. */
export async function readListeners(): Promise<Listeners & { readonly docker: Docker | undefined }> {
  const [docker, forwards] = await Promise.all([readDocker(), readForwards()]);
  const sockets = readSockets();
  const owned = socketOwners(new Set(sockets.map((socket) => socket.inode)));
  return { listeners: joinListeners(sockets, owned, docker, forwards), complete: owned.complete, docker };
}

/**
 * One entry for each protocol, family, address and port, sorted by port. A published port is its container's,
 * whether docker-proxy holds the socket, dockerd itself (28 and later) or nobody, since packets from outside
 * go to the container before any socket sees them. A process in a container on the host's network is that
 * container's, too.
 */
export function joinListeners(
  sockets: readonly Socket[],
  owned: SocketOwners,
  docker: Docker | undefined,
  forwards: readonly Forward[] = [],
): Listener[] {
  const containers = docker?.kind === 'engine' ? docker.containers : [];
  const listeners = new Map<string, Listener>();
  const add = (listener: Listener) => {
    const { protocol, family, address, port } = listener;
    const key = `${protocol} ${family} ${address.value} ${port}`;
    if (!listeners.has(key)) listeners.set(key, listener);
  };
  for (const container of containers) {
    for (const { protocol, hostAddress, hostPort, containerPort } of container.ports) {
      const what = { kind: 'container', name: nameOf(container), containerPort } as const;
      add({ protocol, family: hostAddress.family, address: hostAddress, port: hostPort, what });
    }
  }
  for (const { protocol, family, address, port, to } of forwards) {
    add({ protocol, family, address, port, what: { kind: 'forward', to } });
  }
  for (const socket of sockets) {
    if (socket.kind !== 'open') continue;
    const { protocol, local } = socket;
    const owners = owned.owners.get(socket.inode) ?? [];
    const what = answering(socket, chiefOf(owners), containers);
    for (const family of socket.families) {
      const address = family === local.address.family ? local.address : { family, value: 0n };
      add({ protocol, family, address, port: local.port, what });
    }
  }
  return [...listeners.values()].sort(inOrder);
}

function answering(
  socket: OpenSocket,
  owner: Process | undefined,
  containers: readonly Container[],
): Answering {
  if (owner === undefined) return { kind: 'unknown', uid: socket.uid };
  for (const container of containers) {
    const name = nameOf(container);
    if (container.id === owner.container)
      return { kind: 'container', name, containerPort: socket.local.port };
    const port = container.ports.find((published) => standsFor(owner, socket, published));
    if (port !== undefined) return { kind: 'container', name, containerPort: port.containerPort };
  }
  return { kind: 'process', name: owner.name, pid: owner.pid, unit: owner.unit };
}

/** Whether the engine holds this socket only on behalf of a port that it has published. */
function standsFor(owner: Process, socket: OpenSocket, published: PublishedPort): boolean {
  const { protocol, hostAddress, hostPort } = published;
  return (
    (owner.name === 'docker-proxy' || owner.name === 'dockerd') &&
    protocol === socket.protocol &&
    hostPort === socket.local.port &&
    hostAddress.value === socket.local.address.value &&
    socket.families.includes(hostAddress.family)
  );
}

/**
 * Of those that hold a socket, the one to name: systemd keeps the sockets that it hands to services, and
 * servers hand theirs to workers, which have higher pids.
 */
function chiefOf(owners: readonly Process[]): Process | undefined {
  return owners.find(({ pid }) => pid !== 1) ?? owners[0];
}

function nameOf({ names, id }: Container): string {
  return names.find((name) => !name.includes('/')) ?? id.slice(0, 12);
}

function inOrder(a: Listener, b: Listener): number {
  return (
    a.port - b.port ||
    a.protocol.localeCompare(b.protocol) ||
    a.family.localeCompare(b.family) ||
    (a.address.value < b.address.value ? -1 : a.address.value > b.address.value ? 1 : 0)
  );
}
