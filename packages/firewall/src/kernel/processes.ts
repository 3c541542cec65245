// Who holds a socket, and who started whom, from one pass over /proc (proc(5)).
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface Process {
  readonly pid: number;
  readonly parent: number;
  /** As the kernel has it (`comm`): at most 15 bytes. */
  readonly name: string;
  readonly args: readonly string[];
  /** The systemd service or scope that it runs in. */
  readonly unit: string | undefined;
  /** The container that it runs in: 64 hexadecimal digits. */
  readonly container: string | undefined;
}

export interface SocketOwners {
  /** Socket inode to the processes that hold it, lowest pid first. Sockets that nobody was seen to hold are absent. */
  readonly owners: ReadonlyMap<number, readonly Process[]>;
  /** False when processes could not be looked at (an ordinary user sees his own only). */
  readonly complete: boolean;
}

/**
 * The processes of this network namespace that hold one of these sockets. What vanishes meanwhile is left
 * out. Sockets of the kernel itself (NFS, WireGuard) have no process.
 */
export function socketOwners(inodes: ReadonlySet<number>, proc = '/proc'): SocketOwners {
  const owners = new Map<number, Process[]>();
  let complete = true;
  const network = readlinkSync(`${proc}/self/ns/net`);
  for (const pid of allPids(proc)) {
    try {
      if (readlinkSync(`${proc}/${pid}/ns/net`) !== network) continue;
      const held = heldSockets(pid, proc).filter((inode) => inodes.has(inode));
      if (held.length === 0) continue;
      const process = readProcess(pid, proc);
      if (process === undefined) continue;
      for (const inode of new Set(held)) owners.set(inode, [...(owners.get(inode) ?? []), process]);
    } catch (error) {
      if (!isGone(error)) complete = false;
    }
  }
  return { owners, complete };
}

/** Inodes of the sockets among a process's open files; throws when they may not be looked at. */
export function heldSockets(pid: number, proc = '/proc'): number[] {
  const inodes: number[] = [];
  for (const fd of readdirSync(`${proc}/${pid}/fd`)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`${proc}/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined) inodes.push(Number(inode));
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
  return inodes;
}

/** One process, or undefined when it has ended. */
export function readProcess(pid: number, proc = '/proc'): Process | undefined {
  try {
    const { parent, name } = parseStat(readFileSync(`${proc}/${pid}/stat`, 'utf8'));
    // A program that has changed its title (sshd, postgres) has no NUL at the end.
    const cmdline = readFileSync(`${proc}/${pid}/cmdline`, 'utf8').replace(/\0$/, '');
    const args = cmdline === '' ? [] : cmdline.split('\0');
    return { pid, parent, name, args, ...parseCgroup(readFileSync(`${proc}/${pid}/cgroup`, 'utf8')) };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** What the kernel tells everybody of a process (proc(5), /proc/PID/stat). */
export interface ProcessStat {
  readonly parent: number;
  readonly name: string;
  /** The device number of its controlling terminal; 0: it has none. */
  readonly terminal: number;
  /** When it started, in ticks since boot: with its pid it names no other process. */
  readonly start: number;
}

/** All processes with their parents and names. Readable for everybody unless /proc is mounted with hidepid. */
export function processTree(proc = '/proc'): Map<number, ProcessStat> {
  const tree = new Map<number, ProcessStat>();
  for (const pid of allPids(proc)) {
    try {
      tree.set(pid, parseStat(readFileSync(`${proc}/${pid}/stat`, 'utf8')));
    } catch {
      // Ended, or hidden from us: it has no place in the tree either way.
    }
  }
  return tree;
}

/** The pid, its parent, and so on up; a process whose parent is outside this pid namespace ends the chain. */
export function ancestors(pid: number, tree: ReadonlyMap<number, { readonly parent: number }>): number[] {
  const chain: number[] = [];
  let next = pid;
  // A pid that was used again between two reads could close a circle.
  while (next > 0 && !chain.includes(next)) {
    chain.push(next);
    next = tree.get(next)?.parent ?? 0;
  }
  return chain;
}

/** `PID (NAME) STATE PPID …`; the name may hold anything, brackets and line ends too. */
function parseStat(text: string): ProcessStat {
  const close = text.lastIndexOf(')');
  // From the third field on.
  const fields = text.slice(close + 2).split(' ');
  const [parent = 0, terminal = 0, start = 0] = [fields[1], fields[4], fields[19]].map(Number);
  return { parent, name: text.slice(text.indexOf('(') + 1, close), terminal, start };
}

/** cgroups(7): `HIERARCHY:CONTROLLERS:PATH` lines. systemd and container engines put their names in the path. */
function parseCgroup(text: string): { unit: string | undefined; container: string | undefined } {
  let unit: string | undefined;
  let container: string | undefined;
  for (const line of text.split('\n')) {
    const [, controllers, ...path] = line.split(':');
    const names = path.join(':').split('/');
    container ??= names.findLast((name) => CONTAINER.test(name))?.match(CONTAINER)?.[1];
    // systemd keeps its units in the unified hierarchy, or in one of its own name beside the old ones.
    if (controllers !== '' && controllers !== 'name=systemd') continue;
    unit ??= names.findLast((name) => /\.(service|scope)$/.test(name) && !CONTAINER.test(name));
  }
  return { unit, container };
}

/** `docker/ID`, `docker-ID.scope`, `libpod-ID.scope`, `cri-containerd-ID.scope` */
const CONTAINER = /(?:^|-)([0-9a-f]{64})(?:\.scope)?$/;

function allPids(proc: string): number[] {
  return readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** A process that ends while it is read gives ENOENT (its folder) or ESRCH (an open file of it). */
function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ESRCH';
}
