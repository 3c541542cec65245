// What answers at a port: a process, a container, or nobody that is known.
import type { SnapshotContainer, SnapshotSocket } from '../model/snapshot.ts';
import { type Address, formatAddress, type IpFamily, parseAddress } from '../net/address.ts';

export type ExposureProtocol = 'tcp' | 'udp' | 'sctp';

/** How packets come to a container. */
export type ContainerWay = 'translation' | 'proxy' | 'route' | 'host network';

export type Reaches =
  | {
      readonly kind: 'process';
      /** undefined: nobody may look at it, or it is the kernel's own socket. */
      readonly name: string | undefined;
      readonly unit?: string;
      readonly pid?: number;
      readonly args?: readonly string[];
      /** Of the socket's maker. */
      readonly uid: number;
    }
  | {
      readonly kind: 'container';
      /** Of an engine that was asked; else `172.17.0.2:80`. */
      readonly name: string;
      readonly known: boolean;
      readonly image?: string;
      /** In the container. */
      readonly port?: number;
      readonly by: ContainerWay;
    }
  | {
      readonly kind: 'none';
      /** Packets are sent on to there, and it is no container that is known. */
      readonly forwardedTo?: { readonly address?: string; readonly port?: number };
      /** Nobody looked which sockets there are. */
      readonly unseen?: true;
    };

/** What is known of sockets and containers, in a form to look things up. */
export interface Answering {
  /** Absent: not read. */
  readonly sockets: readonly SnapshotSocket[] | undefined;
  readonly containers: readonly SnapshotContainer[];
}

/** Who is behind a socket; its published container rather than the proxy in between. */
export function behindSocket(socket: SnapshotSocket, { containers }: Answering): Reaches {
  const [process] = socket.processes;
  const own = containers.find(({ id }) => id === process?.container);
  if (own !== undefined) return containerNamed(own, socket.port, 'host network');
  const publishing = containers.flatMap((container) =>
    container.ports
      .filter((port) => publishes(port, socket))
      .map(({ containerPort }) => ({ container, port: containerPort })),
  )[0];
  if (publishing !== undefined) return containerNamed(publishing.container, publishing.port, 'proxy');
  const named = process === undefined ? {} : { pid: process.pid, args: process.args };
  return {
    kind: 'process',
    name: process?.name,
    ...(process?.unit === undefined ? {} : { unit: process.unit }),
    ...named,
    uid: socket.uid,
  };
}

function publishes(port: SnapshotContainer['ports'][number], socket: SnapshotSocket): boolean {
  if (port.protocol !== socket.protocol || port.port !== socket.port) return false;
  const isAny = (address: string) => address === '0.0.0.0' || address === '::' || address === '';
  return isAny(port.address) || isAny(socket.address) || port.address === socket.address;
}

function containerNamed(container: SnapshotContainer, port: number, by: ContainerWay): Reaches {
  const [name = container.id.slice(0, 12)] = container.names;
  return { kind: 'container', name, known: true, image: container.image, port, by };
}

/** Programs that translate to containers: what their rules send packets to is one. */
const ENGINES: ReadonlySet<string> = new Set(['docker', 'podman', 'cni']);

/** Where packets end that are sent to `address` and `port`, by translation or because they were addressed so. */
export function behindAddress(
  { address, port }: { readonly address: Address | undefined; readonly port: number | undefined },
  owner: string | undefined,
  by: ContainerWay,
  { containers }: Answering,
): Reaches {
  const text = address === undefined ? undefined : formatAddress(address);
  const container = containers.find(({ networks }) =>
    networks.some(({ addresses }) => addresses.some((each) => text !== undefined && sameAddress(each, text))),
  );
  if (container !== undefined) {
    if (port !== undefined) return containerNamed(container, port, by);
    const { name, image, known } = containerNamed(container, 0, by) as Extract<
      Reaches,
      { kind: 'container' }
    >;
    return { kind: 'container', name, known, by, ...(image === undefined ? {} : { image }) };
  }
  const given = {
    ...(text === undefined ? {} : { address: text }),
    ...(port === undefined ? {} : { port }),
  };
  if (owner !== undefined && ENGINES.has(owner) && text !== undefined) {
    const name = port === undefined ? text : `${text.includes(':') ? `[${text}]` : text}:${port}`;
    return { kind: 'container', name, known: false, ...(port === undefined ? {} : { port }), by };
  }
  return { kind: 'none', forwardedTo: given };
}

function sameAddress(a: string, b: string): boolean {
  if (a === b) return true;
  const parsed = parseAddress(a);
  return parsed !== undefined && formatAddress(parsed) === b;
}

/** The socket that takes what comes to this address and port of the host: the one bound to it before one bound to all. */
export function socketAt(
  { sockets = [] }: Answering,
  proto: ExposureProtocol,
  address: Address,
  port: number,
): SnapshotSocket | undefined {
  const there = sockets.filter(
    (socket) => socket.protocol === proto && socket.port === port && socket.families.includes(address.family),
  );
  const text = formatAddress(address);
  return (
    there.find((socket) => socket.address === text) ??
    there.find((socket) => isEverywhere(socket.address, address.family))
  );
}

/** `0.0.0.0`, and `::` for sockets that take both families. */
export function isEverywhere(address: string, family: IpFamily): boolean {
  return address === '::' || (family === 'ipv4' && address === '0.0.0.0');
}

export function isLoopbackAddress(text: string): boolean {
  return text === '::1' || /^(?:::ffff:)?127\./.test(text);
}
