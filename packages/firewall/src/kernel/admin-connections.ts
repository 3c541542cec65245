// The established inbound connections by which somebody administers this machine, from the real sockets.
import { readFileSync } from 'node:fs';
import { type Address, formatAddress } from '@moat/netfilter';
import { dialledDestinations } from './conntrack.ts';
import { type Link, linksWith } from './links.ts';
import { ancestors, heldSockets, type Process, processTree, readProcess, socketOwners } from './processes.ts';
import { type ConnectedSocket, readSockets, type SocketEnd } from './sockets.ts';

export interface AdminConnection {
  readonly local: SocketEnd;
  readonly remote: SocketEnd;
  /** What the peer dialled: `local`, unless somebody's DNAT or redirect brought it here. */
  readonly dialled: SocketEnd;
  readonly inode: number;
  /** The processes that hold it. */
  readonly processes: readonly Process[];
  /** Name of the process that holds it: `sshd`, or what carries our own session. */
  readonly command: string;
  /** Somebody is logged in through it, as opposed to a connection that still authenticates. */
  readonly session: boolean;
  /** An ancestor of this process holds it: the command that runs now came in this way. */
  readonly ours: boolean;
  /** Both ends are on this machine. */
  readonly loopback: boolean;
  /**
   * Interfaces on which its packets may arrive: those that have the dialled address, or all but loopback where none
   * has it (routed service addresses lie on `lo`).
   */
  readonly interfaces: readonly string[];
}

export interface AdminConnections {
  readonly connections: readonly AdminConnection[];
  /** False when processes could not be looked at, so that connections may be missing here. */
  readonly complete: boolean;
}

/** `comm` of the ssh servers. OpenSSH 9.8 split sshd into sshd, sshd-session and (10.0) sshd-auth. */
const SSH_SERVERS = new Set(['sshd', 'sshd-session', 'sshd-auth', 'dropbear', 'tinysshd', 'tinysshd-noneau']);

/** Whether a process of this name (`comm`) is an ssh server. */
export function isSshServer(name: string): boolean {
  return SSH_SERVERS.has(name);
}

/**
 * Finds them by who holds the sockets, since sudo, tmux and cron lose `SSH_CONNECTION`: those of ssh servers,
 * and those of any ancestor of `self`, whatever its name (telnetd, a terminal in a web page). Inbound means
 * that something listens on the local port; or, for an ssh server that was stopped while its sessions stay,
 * that the port is not one that the kernel gives to outgoing connections.
 */
export function adminConnections(
  links: readonly Link[],
  { proc = '/proc', self = process.pid }: { proc?: string; self?: number } = {},
): AdminConnections {
  const sockets = readSockets(proc).filter((socket) => socket.protocol === 'tcp' && socket.inode !== 0);
  const listening = new Map<number, number[]>();
  for (const { kind, local, inode } of sockets) {
    if (kind === 'open') listening.set(local.port, [...(listening.get(local.port) ?? []), inode]);
  }
  const { owners, complete } = socketOwners(new Set(sockets.map((socket) => socket.inode)), proc);
  const tree = processTree(proc);
  const above = ancestors(self, tree).slice(1);
  const held = new Map(above.map((pid) => [pid, new Set(socketsOf(pid, proc))]));
  const outgoing = outgoingPorts(proc);
  const dialledEnds = dialledDestinations(proc);

  const connections: AdminConnection[] = [];
  for (const socket of sockets) {
    if (socket.kind !== 'connected') continue;
    const holders = new Map((owners.get(socket.inode) ?? []).map((one) => [one.pid, one]));
    // An ancestor counts even when it has moved to another network namespace and kept the socket.
    for (const [pid, inodes] of held) {
      const ancestor = inodes.has(socket.inode) ? readProcess(pid, proc) : undefined;
      if (ancestor !== undefined) holders.set(pid, ancestor);
    }
    // An ssh server that listens holds a new connection for the moment until it has forked. It is an ancestor
    // of every session, so that a stranger's connection would seem to be ours.
    const listeners = (listening.get(socket.local.port) ?? []).flatMap((inode) => owners.get(inode) ?? []);
    for (const { pid, name } of listeners) if (SSH_SERVERS.has(name)) holders.delete(pid);

    const processes = [...holders.values()];
    const server = processes.find((one) => SSH_SERVERS.has(one.name));
    const ancestor = processes.find((one) => held.has(one.pid));
    const holder = server ?? ancestor;
    if (holder === undefined) continue;
    const { port } = socket.local;
    const inbound =
      listening.has(port) || (server !== undefined && !(port >= outgoing.first && port <= outgoing.last));
    if (!inbound) continue;
    const dialled = dialledEnds(socket.local, socket.remote);
    connections.push({
      local: socket.local,
      remote: socket.remote,
      dialled,
      inode: socket.inode,
      processes,
      command: holder.name,
      session: processes.some(titleOfSession) || hasVisitor(holders, tree),
      ours: ancestor !== undefined,
      loopback: isOwn(socket, links),
      interfaces: arrivals(dialled.address, links),
    });
  }
  return { connections, complete };
}

/** A process other than an ssh server somewhere below one of the holders. */
function hasVisitor(
  holders: ReadonlyMap<number, Process>,
  tree: ReadonlyMap<number, { readonly parent: number; readonly name: string }>,
): boolean {
  for (const [pid, { name }] of tree) {
    if (holders.has(pid) || SSH_SERVERS.has(name)) continue;
    if (ancestors(pid, tree).some((above) => holders.has(above))) return true;
  }
  return false;
}

/**
 * A tunnel (`ssh -N`) and sftp run no program, but OpenSSH tells in its title: `sshd: root` and
 * `sshd: root@notty` are logged in; `[accepted]`, `[priv]`, `[net]` and the like stand for everything else.
 */
function titleOfSession({ name, args }: Process): boolean {
  return SSH_SERVERS.has(name) && /^sshd(?:-session)?: [^[]+$/.test(args[0] ?? '');
}

function isOwn({ remote }: ConnectedSocket, links: readonly Link[]): boolean {
  return isLoopback(remote.address) || linksWith(remote.address, links).length > 0;
}

function isLoopback({ family, value }: Address): boolean {
  return family === 'ipv4' ? value >> 24n === 127n : value === 1n;
}

function arrivals(address: Address, links: readonly Link[]): string[] {
  const outside = links.filter(({ loopback }) => !loopback).map(({ name }) => name);
  const having = linksWith(address, links).filter((name) => outside.includes(name));
  return having.length > 0 ? having : outside;
}

function socketsOf(pid: number, proc: string): number[] {
  try {
    return heldSockets(pid, proc);
  } catch {
    // Ended, or not ours to look at: socketOwners has noticed that, too.
    return [];
  }
}

/** ip-sysctl.rst: ip_local_port_range, both ends included. */
function outgoingPorts(proc: string): { first: number; last: number } {
  const [first, last] = readFileSync(`${proc}/sys/net/ipv4/ip_local_port_range`, 'latin1')
    .trim()
    .split(/\s+/);
  return { first: Number(first), last: Number(last) };
}

/** A text that no two connections share, not even one that later has the same addresses and ports. */
export function connectionKey({ local, remote, inode }: AdminConnection): string {
  const end = ({ address, port }: SocketEnd): string => `${formatAddress(address)} ${port}`;
  return `${end(local)} ${end(remote)} ${inode}`;
}
