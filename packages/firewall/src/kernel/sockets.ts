// The TCP and UDP sockets of this network namespace, from /proc/net (proc_net_tcp.rst of the kernel).
import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { type Address, type IpFamily, unmapAddress } from '@moat/netfilter';

/** An address with a port. An unspecified address (0.0.0.0, ::) stands for every local one. */
export interface SocketEnd {
  readonly address: Address;
  readonly port: number;
}

interface SocketBase {
  readonly protocol: 'tcp' | 'udp';
  readonly local: SocketEnd;
  /** Links the socket to the processes that hold it; 0 while nobody does (not accepted yet). */
  readonly inode: number;
  /** Effective user id of its maker. */
  readonly uid: number;
}

/** TCP in LISTEN, or UDP that takes from anybody. */
export interface OpenSocket extends SocketBase {
  readonly kind: 'open';
  /** The families in which it can be reached; both for `::` unless 0.0.0.0 of that port is open, too. */
  readonly families: readonly IpFamily[];
}

/** TCP in ESTABLISHED, or UDP connected to one peer. IPv4 inside IPv6 is given as IPv4. */
export interface ConnectedSocket extends SocketBase {
  readonly kind: 'connected';
  readonly remote: SocketEnd;
}

export type Socket = OpenSocket | ConnectedSocket;

/** net/tcp_states.h; UDP uses the same numbers (an unconnected socket is in CLOSE). */
const ESTABLISHED = 0x01;
const CLOSE = 0x07;
const LISTEN = 0x0a;

/**
 * All open and connected sockets; those that are opening or closing are left out. Whether a socket bound to
 * `::` takes IPv4 as well (IPV6_V6ONLY) is not told there. It is taken to do so unless a socket of its own is
 * open for IPv4: so what is reachable may be overstated for a lone IPv6-only socket, and is never understated.
 * A machine without IPv6 has no tcp6 and udp6; that is not an error.
 */
export function readSockets(proc = '/proc'): Socket[] {
  const sockets: Socket[] = [];
  for (const protocol of ['tcp', 'udp'] as const) {
    const ipv4 = parseSockets(protocol, readFileSync(`${proc}/net/${protocol}`, 'latin1'));
    const ipv6 = parseSockets(protocol, readIfThere(`${proc}/net/${protocol}6`));
    const wildcards = new Set<number>();
    for (const socket of ipv4) {
      if (socket.kind === 'open' && socket.local.address.value === 0n) wildcards.add(socket.local.port);
    }
    sockets.push(...ipv4);
    for (const socket of ipv6) {
      const alone =
        socket.kind === 'open' && socket.families.length === 2 && wildcards.has(socket.local.port);
      sockets.push(alone ? { ...socket, families: ['ipv6'] } : socket);
    }
  }
  return sockets;
}

/** Parses one of the four files. `order` is the byte order of the machine that wrote it. */
export function parseSockets(protocol: 'tcp' | 'udp', text: string, order = endianness()): Socket[] {
  const sockets: Socket[] = [];
  for (const line of text.split('\n').slice(1)) {
    const [, localText, remoteText, stateText, , , , uid, , inode] = line.trim().split(/\s+/);
    if (localText === undefined || remoteText === undefined || inode === undefined) continue;
    const local = parseEnd(localText, order);
    const base = { protocol, inode: Number(inode), uid: Number(uid) };
    const state = Number.parseInt(stateText!, 16);
    if (state === ESTABLISHED) {
      const remote = parseEnd(remoteText, order);
      sockets.push({ kind: 'connected', ...base, local: unmapped(local), remote: unmapped(remote) });
    } else if (protocol === 'tcp' ? state === LISTEN : state === CLOSE) {
      const wildcard = local.address.family === 'ipv6' && local.address.value === 0n;
      const plain = unmapped(local);
      const families: IpFamily[] = wildcard ? ['ipv4', 'ipv6'] : [plain.address.family];
      sockets.push({ kind: 'open', ...base, local: plain, families });
    }
  }
  return sockets;
}

/** `0100007F:0016`: each 32-bit word of the address as the machine's own number, the port as a plain one. */
function parseEnd(text: string, order: 'BE' | 'LE'): SocketEnd {
  const colon = text.indexOf(':');
  let value = 0n;
  for (let at = 0; at < colon; at += 8) {
    const word = Buffer.from(text.slice(at, at + 8), 'hex');
    value = (value << 32n) | BigInt(order === 'LE' ? word.readUInt32LE() : word.readUInt32BE());
  }
  const family = colon === 8 ? 'ipv4' : 'ipv6';
  return { address: { family, value }, port: Number.parseInt(text.slice(colon + 1), 16) };
}

function unmapped(end: SocketEnd): SocketEnd {
  return { address: unmapAddress(end.address), port: end.port };
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
