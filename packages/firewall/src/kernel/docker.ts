// What a Docker engine of this network namespace says about itself, over its unix socket (Docker Engine API).
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { request } from 'node:http';
import { type Address, parseAddress } from '@moat/netfilter';

/** A port of this host that leads into a container. */
export interface PublishedPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** The local address dialled; 0.0.0.0 or :: for all. */
  readonly hostAddress: Address;
  readonly hostPort: number;
  readonly containerPort: number;
}

export interface Container {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly names: readonly string[];
  readonly image: string;
  readonly networks: readonly { readonly name: string; readonly addresses: readonly Address[] }[];
  readonly ports: readonly PublishedPort[];
}

export interface BridgeNetwork {
  readonly id: string;
  readonly name: string;
  /** The host's interface for it. */
  readonly bridge: string;
}

export type Docker =
  | {
      readonly kind: 'engine';
      readonly version: string;
      /** Those that run. */
      readonly containers: readonly Container[];
      readonly networks: readonly BridgeNetwork[];
    }
  /** There is an engine, but it belongs to another network namespace. */
  | { readonly kind: 'elsewhere'; readonly socket: string }
  /** There seems to be an engine and it cannot be asked; `reason` says why in words. */
  | { readonly kind: 'unreadable'; readonly reason: string };

export interface DockerOptions {
  readonly socket?: string;
  /** For one answer. */
  readonly timeoutMs?: number;
  readonly proc?: string;
  /** The engine is Podman, which tells its bridges in a way of its own (Podman's libpod API). */
  readonly podman?: boolean;
}

/** `DOCKER_HOST` where it names a unix socket (any other engine is not this host's), else the usual place. */
export function dockerSocket(host = process.env['DOCKER_HOST']): string {
  return host?.startsWith('unix://') ? host.slice('unix://'.length) : '/var/run/docker.sock';
}

/** Asks the engine; undefined when there is none. Never rejects for what an engine does or says. */
export async function readDocker(options: DockerOptions = {}): Promise<Docker | undefined> {
  const { socket = dockerSocket(), timeoutMs = 2000, proc = '/proc', podman = false } = options;
  // Most servers have no engine; a request that cannot be made costs more than this look.
  if (!existsSync(socket)) return undefined;
  try {
    const ask = (path: string) => get(socket, path, timeoutMs);
    const [version, containers, networks, podmanNetworks] = await Promise.all([
      ask('/version'),
      ask('/containers/json'),
      ask('/networks'),
      podman ? ask('/v4.0.0/libpod/networks/json').catch(() => []) : [],
    ]);
    const bridges = new Map(
      (podmanNetworks as PodmanNetwork[]).map(({ id, network_interface }) => [id, network_interface]),
    );
    if (!listensHere(socket, proc)) return { kind: 'elsewhere', socket };
    return {
      kind: 'engine',
      version: (version as { Version: string }).Version,
      containers: (containers as ApiContainer[]).map(container),
      networks: (networks as ApiNetwork[])
        .filter(({ Driver }) => Driver === 'bridge')
        .map((each) => network(each, bridges.get(each.Id))),
    };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // The socket of an engine that was stopped stays behind and refuses.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ECONNREFUSED') return undefined;
    const reason =
      code === 'EACCES' || code === 'EPERM'
        ? `no permission to use ${socket}; ask as root`
        : `the engine behind ${socket} cannot be read: ${message}`;
    return { kind: 'unreadable', reason };
  }
}

interface ApiContainer {
  readonly Id: string;
  readonly Names: readonly string[] | null;
  readonly Image: string;
  readonly Ports:
    | readonly {
        readonly IP?: string;
        readonly PrivatePort: number;
        readonly PublicPort?: number;
        readonly Type: PublishedPort['protocol'];
      }[]
    | null;
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, { IPAddress?: string; GlobalIPv6Address?: string }>> | null;
  } | null;
}

interface ApiNetwork {
  readonly Id: string;
  readonly Name: string;
  readonly Driver: string;
  readonly Options: Readonly<Record<string, string>> | null;
}

interface PodmanNetwork {
  readonly id: string;
  readonly network_interface?: string;
}

function container(api: ApiContainer): Container {
  return {
    id: api.Id,
    names: (api.Names ?? []).map((name) => name.replace(/^\//, '')),
    image: api.Image,
    networks: Object.entries(api.NetworkSettings?.Networks ?? {}).map(
      ([name, { IPAddress, GlobalIPv6Address }]) => ({
        name,
        addresses: [IPAddress, GlobalIPv6Address].flatMap((text) => parseAddress(text ?? '') ?? []),
      }),
    ),
    ports: (api.Ports ?? []).flatMap(({ IP, PublicPort, PrivatePort, Type }) => {
      // Without both, the image merely says that it listens there (EXPOSE).
      if (IP === undefined || PublicPort === undefined) return [];
      // Podman leaves the address empty where none was asked for.
      return (IP === '' ? ['0.0.0.0', '::'] : [IP]).flatMap((text) => {
        const hostAddress = parseAddress(text);
        if (hostAddress === undefined) return [];
        return [{ protocol: Type, hostAddress, hostPort: PublicPort, containerPort: PrivatePort }];
      });
    }),
  };
}

/** The bridge driver names an interface itself unless told otherwise (libnetwork, drivers/bridge). */
function network({ Id, Name, Options }: ApiNetwork, podmanBridge: string | undefined): BridgeNetwork {
  const told = podmanBridge ?? Options?.['com.docker.network.bridge.name'];
  return { id: Id, name: Name, bridge: told || (Name === 'bridge' ? 'docker0' : `br-${Id.slice(0, 12)}`) };
}

/**
 * A unix socket is reached through the file system from every network namespace, but /proc/net/unix lists
 * those of this one alone (unix(7)).
 */
function listensHere(socket: string, proc: string): boolean {
  const wanted = realpathSync(socket);
  return readFileSync(`${proc}/net/unix`, 'utf8')
    .split('\n')
    .some((line) => {
      const path = /^(?:\S+\s+){7}(\/.*)$/.exec(line)?.[1];
      if (path === undefined) return false;
      if (path === wanted) return true;
      try {
        return realpathSync(path) === wanted;
      } catch {
        return false;
      }
    });
}

function get(socketPath: string, path: string, timeoutMs: number): Promise<unknown> {
  return new Promise((fulfil, reject) => {
    const asked = request(
      { socketPath, path, headers: { host: 'docker' }, agent: false, signal: AbortSignal.timeout(timeoutMs) },
      (answer) => {
        let body = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          body += chunk;
        });
        answer.on('error', fail);
        answer.on('end', () => {
          if (answer.statusCode !== 200)
            return reject(new Error(`${path} gave HTTP status ${answer.statusCode}`));
          try {
            fulfil(JSON.parse(body));
          } catch {
            reject(new Error(`${path} did not give JSON`));
          }
        });
      },
    );
    const fail = (error: Error) =>
      reject(error.name === 'AbortError' ? new Error(`no answer to ${path} within ${timeoutMs} ms`) : error);
    asked.on('error', fail);
    asked.end();
  });
}
