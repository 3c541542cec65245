// A /proc made of plain files, for tests of what reads the real one.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, parseAddress } from '@moat/netfilter';

export interface FakeProcess {
  readonly pid: number;
  readonly parent?: number;
  readonly name: string;
  readonly args?: readonly string[];
  /** What /proc/PID/cmdline holds, where that is not `args` with a NUL after each. */
  readonly cmdline?: string;
  readonly cgroup?: string;
  /** Inodes of the sockets that it holds. */
  readonly sockets?: readonly number[];
  /** Device number of its controlling terminal. */
  readonly terminal?: number;
  /** When it started, in ticks since boot. */
  readonly start?: number;
  /** The terminals that it has open, such as `/dev/pts/3`. */
  readonly opened?: readonly string[];
  /** `net:[1]` is everybody's unless told; undefined is a process that may not be looked at. */
  readonly network?: string | undefined;
}

export interface FakeSocket {
  readonly file: 'tcp' | 'tcp6' | 'udp' | 'udp6';
  readonly local: string;
  readonly remote?: string;
  /** Hexadecimal, as in net/tcp_states.h. */
  readonly state: string;
  readonly inode: number;
  readonly uid?: number;
}

/** Writes such a tree into a new folder; `remove` takes it away. */
export function fakeProc(
  processes: readonly FakeProcess[],
  sockets: readonly FakeSocket[] = [],
  portRange = '32768\t60999',
): { proc: string; remove: () => void } {
  const proc = mkdtempSync(join(tmpdir(), 'proc-'));
  const write = (path: string, text: string) => writeFileSync(join(proc, path), text);
  for (const folder of ['self/ns', 'net', 'sys/net/ipv4']) mkdirSync(join(proc, folder), { recursive: true });
  symlinkSync('net:[1]', join(proc, 'self/ns/net'));
  write('sys/net/ipv4/ip_local_port_range', `${portRange}\n`);
  write('uptime', '1.00 1.00\n');
  for (const one of processes) {
    mkdirSync(join(proc, `${one.pid}/ns`), { recursive: true });
    mkdirSync(join(proc, `${one.pid}/fd`));
    const network = 'network' in one ? one.network : 'net:[1]';
    // Root may read everything, so what may not be looked at is something that readlink(2) fails on.
    if (network === undefined) write(`${one.pid}/ns/net`, '');
    else symlinkSync(network, join(proc, `${one.pid}/ns/net`));
    write(`${one.pid}/stat`, statLine(one));
    write(`${one.pid}/comm`, `${one.name}\n`);
    write(`${one.pid}/cmdline`, one.cmdline ?? (one.args ?? [one.name]).map((arg) => `${arg}\0`).join(''));
    write(`${one.pid}/cgroup`, one.cgroup ?? '0::/\n');
    symlinkSync('/dev/null', join(proc, `${one.pid}/fd/0`));
    for (const [n, path] of (one.opened ?? []).entries())
      symlinkSync(path, join(proc, `${one.pid}/fd/${n + 100}`));
    for (const [n, inode] of (one.sockets ?? []).entries()) {
      symlinkSync(`socket:[${inode}]`, join(proc, `${one.pid}/fd/${n + 3}`));
    }
  }
  for (const file of ['tcp', 'tcp6', 'udp', 'udp6'] as const) {
    const rows = sockets
      .filter((socket) => socket.file === file)
      .map((socket, n) => {
        const remote = socket.remote ?? (file.endsWith('6') ? '[::]:0' : '0.0.0.0:0');
        const ends = `${procEnd(socket.local)} ${procEnd(remote)}`;
        return `${n}: ${ends} ${socket.state} 00000000:00000000 00:00000000 00000000 ${socket.uid ?? 0} 0 ${socket.inode} 1 0 100 0 0 10 0\n`;
      });
    write(`net/${file}`, `  sl  local_address rem_address   st …\n${rows.join('')}`);
  }
  return { proc, remove: () => rmSync(proc, { recursive: true, force: true }) };
}

/** Fields 1 to 23 of /proc/PID/stat. */
function statLine({ pid, name, parent = 1, terminal = 0, start = 1 }: FakeProcess): string {
  return `${pid} (${name}) S ${parent} 1 1 ${terminal} -1 4194560 1 2 0 0 1 1 0 0 20 0 1 0 ${start} 4096\n`;
}

/** `192.0.2.1:22` or `[2001:db8::1]:22`. */
export function end(text: string): { address: Address; port: number } {
  const [, bracketed, plain, port] = /^(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(text)!;
  return { address: parseAddress((bracketed ?? plain)!)!, port: Number(port) };
}

/** As a little-endian kernel prints it. */
function procEnd(text: string): string {
  const { address, port } = end(text);
  const bytes = Buffer.from(
    address.value.toString(16).padStart(address.family === 'ipv4' ? 8 : 32, '0'),
    'hex',
  );
  return `${bytes.swap32().toString('hex').toUpperCase()}:${port.toString(16).toUpperCase().padStart(4, '0')}`;
}
