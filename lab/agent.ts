// Agent: a living process on a machine that dials, listens and probes there on request, many times a second.
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Machine } from './machine.ts';

/** How one attempt ended: a silent drop is `timeout`; `unreachable` is an ICMP error other than port unreachable. */
export type Reach = 'open' | 'refused' | 'timeout' | 'unreachable';

/** One attempt's end; `code` is the system's error name, `data` (latin1) what came back where it was asked for. */
export type DialResult = {
  readonly result: Reach;
  readonly ms: number;
  readonly code?: string;
  readonly data?: string;
};

/**
 * How to dial: limit in ms, own source address, text to send, bytes of an answer to wait for.
 *
 * The limit is 1500 by default. Where everything is one machine, an ICMPv6 error comes back while connect(2) still holds
 * the socket; the kernel then acts on the next one only, after it sent its SYN again one second later. With less than
 * that, IPv6 connections rejected by ICMP look like a timeout. Open, dropped and reset ones answer rightly at any limit.
 */
export type DialOptions = {
  readonly timeoutMs?: number;
  readonly source?: string;
  readonly send?: string;
  readonly bytes?: number;
};

/** A connection that stays. */
export type Connection = {
  readonly localPort: number;
  readonly localAddress: string;
  /** Whether data still goes there and comes back; the other end has to echo, as `serve` does. */
  alive(timeoutMs?: number): Promise<boolean>;
  close(): Promise<void>;
};

/** Which of them are alive; those that are say so at once. */
export const areAlive = (flows: readonly Connection[], limitMs = 5000): Promise<boolean[]> =>
  Promise.all(flows.map((flow) => flow.alive(limitMs)));

/** What a prober counted at one target; transitions in order of the attempts' beginnings, ms since the epoch. */
export type ProberReport = {
  readonly name: string;
  readonly counts: Readonly<Record<Reach, number>>;
  readonly transitions: readonly { readonly at: number; readonly result: Reach }[];
};

/** Something to connect to again and again. */
export type ProberTarget = { readonly name: string; readonly host: string; readonly port: number };

/** A prober at work. */
export type Prober = { stop(): Promise<readonly ProberReport[]> };

/** How to listen: text sent to each TCP client at once, UDP instead of TCP, one address instead of all. */
export type ServeOptions = { readonly banner?: string; readonly udp?: boolean; readonly host?: string };

/** What can be asked of the process on the machine. Any number of requests may run at the same time. */
export type Agent = {
  readonly machine: Machine;
  /** Its process id; also of the process that `ss -p` shows as the owner of what it serves. */
  readonly pid: number;
  /** One TCP connection, closed at once. */
  dial(host: string, port: number, options?: DialOptions): Promise<DialResult>;
  /** One UDP datagram that should be echoed. */
  probe(host: string, port: number, options?: Omit<DialOptions, 'bytes'>): Promise<DialResult>;
  /** One TCP connection that stays; throws if it cannot be made. */
  connect(host: string, port: number, options?: Omit<DialOptions, 'bytes' | 'send'>): Promise<Connection>;
  /** Listens, over IPv4 and IPv6, and echoes what it gets; gives the way to close it. */
  serve(port: number, options?: ServeOptions): Promise<() => Promise<void>>;
  /** Dials every target each `everyMs` until stopped; attempts overlap, so a slow one delays nobody. */
  prober(
    targets: readonly ProberTarget[],
    options: { readonly everyMs: number; readonly timeoutMs?: number },
  ): Promise<Prober>;
  stop(): Promise<void>;
};

type Answer = { readonly id: number; readonly value?: unknown; readonly error?: string };
type Waiting = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void };

const PROGRAM = fileURLToPath(new URL('./agent-main.mjs', import.meta.url));

/**
 * Starts an agent on a machine. It ends with `stop()` or with this process.
 * @param options.title the name under which the process appears, such as `mysqld`
 */
export async function startAgent(
  machine: Machine,
  options: { readonly title?: string } = {},
): Promise<Agent> {
  const child = machine.spawn(process.execPath, [PROGRAM, options.title ?? '']);
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let said = '';
  child.stderr.on('data', (data: Buffer) => {
    said += data.toString();
  });
  child.stdin.on('error', () => {});
  const ended = new Promise<void>((resolve) => {
    child.on('error', (error) => {
      said += error.message;
    });
    child.on('close', () => {
      for (const { reject } of waiting.values())
        reject(new Error(`the agent on ${machine.name} ended: ${said}`));
      waiting.clear();
      resolve();
    });
  });
  const wait = (id: number): Promise<unknown> =>
    new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
    });
  const ask = <T>(operation: string, request: object): Promise<T> => {
    if (child.exitCode !== null)
      return Promise.reject(new Error(`the agent on ${machine.name} ended: ${said}`));
    const id = ++lastId;
    child.stdin.write(`${JSON.stringify({ ...request, id, operation })}\n`);
    return wait(id) as Promise<T>;
  };
  const ready = wait(0);
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line) as Answer;
    const asker = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (answer.error === undefined) asker?.resolve(answer.value);
    else asker?.reject(new Error(answer.error));
  });
  await ready;
  return {
    machine,
    pid: child.pid!,
    dial: (host, port, options = {}) => ask('dial', { ...options, host, port }),
    probe: (host, port, options = {}) => ask('probe', { ...options, host, port }),
    connect: async (host, port, options = {}) => {
      const made = await ask<{ key: number; localPort: number; localAddress: string }>('keep', {
        ...options,
        host,
        port,
      });
      return {
        localPort: made.localPort,
        localAddress: made.localAddress,
        alive: (timeoutMs) => ask('alive', { key: made.key, timeoutMs }),
        close: () => ask('drop', { key: made.key }),
      };
    },
    serve: async (port, options = {}) => {
      const { key } = await ask<{ key: number }>('serve', { ...options, port });
      return () => ask('unserve', { key });
    },
    prober: async (targets, options) => {
      const { key } = await ask<{ key: number }>('startProber', { ...options, targets });
      return {
        stop: async () => {
          const reports = await ask<Omit<ProberReport, 'name'>[]>('stopProber', { key });
          return reports.map((report, index) => ({ name: targets[index]!.name, ...report }));
        },
      };
    },
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
