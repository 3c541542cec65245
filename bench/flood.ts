// Flood: the source of new flows, compiled out of flood.c, and what arrived of them.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandOutput } from '../lab/command.ts';
import type { Machine } from '../lab/machine.ts';
import { OPEN_PORT } from './rules.ts';
import { SERVER_MAC, type Server } from './subjects.ts';

const SOURCE = fileURLToPath(new URL('./flood.c', import.meta.url));

/** What one burst cost: processor time is that of the sending thread, in which the server's kernel works too. */
export type Burst = { readonly packets: number; readonly cpuNs: number; readonly wallNs: number };

/** The compiled program. */
export type Flood = {
  /** One burst of packets, each a new flow, from 10.128.0.0/9. Ends after `milliseconds` of processor time. */
  burst(
    source: Machine,
    server: Server,
    to: { readonly port: number; readonly protocol: 'tcp' | 'udp'; readonly milliseconds: number },
  ): Promise<Burst>;
  /** Takes in what comes to the open port, without an answer; gives the way to end it. */
  sink(machine: Machine): Promise<() => Promise<void>>;
  remove(): Promise<void>;
};

/** Half of what a conntrack table holds by default, so that a burst never meets a full one. */
const MOST_PACKETS = 130_000;

/** Compiles the program. Throws where there is no C compiler. */
export async function buildFlood(): Promise<Flood> {
  const folder = await mkdtemp(join(tmpdir(), 'moat-flood-'));
  const program = join(folder, 'flood');
  await commandOutput('cc', ['-O2', '-o', program, SOURCE]);
  // The last processor: interrupts land on the first one by default.
  const processor = availableParallelism() - 1;
  let seed = 0;
  return {
    burst: async (source, { machine, cable }, { port, protocol, milliseconds }) => {
      seed += 1;
      const printed = await source.output(program, [
        ...['send', cable, SERVER_MAC, machine.addresses.v4, String(port), protocol],
        ...[processor, milliseconds, MOST_PACKETS, seed].map(String),
      ]);
      const [packets, cpuNs, wallNs] = printed.split(' ').map(Number);
      return { packets: packets!, cpuNs: cpuNs!, wallNs: wallNs! };
    },
    sink: async (machine) => {
      const child = machine.spawn(program, ['sink', String(OPEN_PORT)]);
      const [said] = await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data')]);
      if (String(said) !== 'ready\n') throw new Error(`the sink does not start: ${said}`);
      return async () => {
        child.stdin.end();
        await once(child, 'close');
      };
    },
    remove: () => rm(folder, { recursive: true }),
  };
}

/** How many packets reached the sink since the machine was made, by the kernel's own counters. */
export async function arrived(machine: Machine): Promise<number> {
  const text = await machine.output('cat', ['/proc/net/snmp', '/proc/net/netstat']);
  return counter(text, 'Udp', 'RcvbufErrors') + counter(text, 'TcpExt', 'ListenOverflows');
}

/** proc_net(5): a line with the names, below it one with the values. */
function counter(text: string, group: string, name: string): number {
  const [names, values] = text
    .split('\n')
    .filter((line) => line.startsWith(`${group}: `))
    .map((line) => line.split(' '));
  const value = Number(values?.[names?.indexOf(name) ?? -1]);
  if (Number.isNaN(value)) throw new Error(`expected a counter ${group} ${name}, found none`);
  return value;
}
