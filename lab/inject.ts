// Inject: a kernel of its own that packets are put into, and what it did with each.
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdtemp, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Address, parseAddress } from '@moat/netfilter';
import { type CommandOptions, type CommandResult, commandOutput, runCommand } from './command.ts';
import { assertPrivateNetwork } from './guard.ts';
import {
  completePacket,
  type KernelPacket,
  LOOPBACK,
  PROBE_BYTES,
  type ProbeDevice,
  writeProbe,
} from './probe.ts';
import {
  deviceLines,
  FLUSH_PROBES,
  type IpLines,
  LAST_ID,
  PROBE_ROUTING,
  PROBE_SYSCTLS,
  UNTRACKED_FROM,
} from './probe-rules.ts';
import { readTrace, type TraceStep } from './trace.ts';

const SOURCE = fileURLToPath(new URL('./inject.c', import.meta.url));

/**
 * What became of a packet. `reject`: dropped with an answer (an ICMP error or a TCP reset). `lost`: it did not even begin
 * its way, so it says nothing; the packet was impossible.
 */
export type KernelVerdict = 'accept' | 'drop' | 'reject' | 'lost';

/** A network namespace with interfaces, and a program in it that injects packets. */
export type Injector = {
  /** The interfaces that exist, `lo` first. */
  readonly devices: readonly ProbeDevice[];
  /** Makes those of the interfaces that do not exist yet. */
  addDevices(names: readonly string[]): Promise<void>;
  /** Runs a program inside; a non-zero exit code is a result. */
  run(command: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /**
   * Forgets all flows and numbers; to be called when a ruleset and `probeTable` were loaded, without which nothing is noted.
   */
  forget(): Promise<void>;
  /** Puts packets (complete or not) in, one after the other, and gives a verdict for each. */
  inject(packets: readonly KernelPacket[]): Promise<KernelVerdict[]>;
  /** The same with the way of each packet through rules; after a `probeTable` that traces. Rules of iptables-legacy don't show. */
  trace(packets: readonly KernelPacket[]): Promise<readonly (readonly TraceStep[])[]>;
  /** Ends the program, and with it the namespace. */
  close(): Promise<void>;
};

/** The compiled program. */
export type InjectorProgram = {
  start(): Promise<Injector>;
  remove(): Promise<void>;
};

/** Compiles the program. Throws where there is no C compiler. */
export async function buildInjector(): Promise<InjectorProgram> {
  const folder = await mkdtemp(join(tmpdir(), 'moat-inject-'));
  const program = join(folder, 'inject');
  await commandOutput('cc', ['-O2', '-o', program, SOURCE]);
  let count = 0;
  return {
    start: () => {
      count += 1;
      return startInjector(program, join(folder, `packets-${count}`));
    },
    remove: () => rm(folder, { recursive: true }),
  };
}

/** Throws in the machine's own network namespace, though the program makes one for itself anyway. */
async function startInjector(program: string, file: string): Promise<Injector> {
  assertPrivateNetwork();
  const child = spawn(program, [file], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ask = questions(child);
  await ask.ready;
  const path = `/proc/${child.pid}/ns/net`;
  if ((await readlink(path)) === (await readlink('/proc/self/ns/net')))
    throw new Error('expected a network namespace of its own, got that of this process');
  const run: Injector['run'] = (command, args, options = {}) =>
    runCommand('nsenter', [`--net=${path}`, command, ...args], options);
  const succeed = async (command: string, args: readonly string[], input: string): Promise<void> => {
    const { code, stderr } = await run(command, args, { input });
    if (code !== 0) throw new Error(`${command}: exit code ${code}\n${stderr}`);
  };
  const ip = ({ v4, v6 }: IpLines): Promise<void> =>
    succeed(
      'sh',
      ['-ec', `ip -batch - <<'.'\n${v4.join('\n')}\n.\nip -6 -batch - <<'.'\n${v6.join('\n')}\n.`],
      '',
    );
  const sysctls = Object.entries(PROBE_SYSCTLS).map(
    ([name, value]) => `echo ${value} > /proc/sys/net/${name}`,
  );
  await succeed('sh', ['-ec', sysctls.join('\n')], '');
  await ip(PROBE_ROUTING);

  const devices: ProbeDevice[] = [];
  let nextTracked = 1;
  let nextUntracked = UNTRACKED_FROM;
  /** undefined: not known any more. */
  let way: { oif: string | undefined } | undefined;

  const addDevices = async (names: readonly string[]): Promise<void> => {
    const lines: { v4: string[]; v6: string[] } = { v4: [], v6: [] };
    for (const name of new Set(names)) {
      if (devices.some((device) => device.name === name)) continue;
      await ask('d', Buffer.from(name));
      const device = name === 'lo' ? LOOPBACK : newDevice(name, devices.length);
      if (name !== 'lo') {
        const { v4, v6 } = deviceLines(device, devices.length);
        lines.v4.push(...v4);
        lines.v6.push(...v6);
      }
      devices.push(device);
    }
    if (lines.v4.length > 0) await ip(lines);
  };
  await addDevices(['lo']);

  const forgetNumbers = async (): Promise<void> => {
    await succeed('nft', ['-f', '-'], FLUSH_PROBES);
    nextTracked = 1;
    nextUntracked = UNTRACKED_FROM;
  };

  /** How many of the packets, from `begin` on, get numbers before those run out. */
  const numbered = (packets: readonly KernelPacket[], begin: number): number[] => {
    const ids: number[] = [];
    for (let i = begin; i < packets.length; i++) {
      const untracked = packets[i]!.fields['state'] === 'untracked';
      if (untracked ? nextUntracked > LAST_ID : nextTracked >= UNTRACKED_FROM) break;
      ids.push(untracked ? nextUntracked++ : nextTracked++);
    }
    return ids;
  };

  const send = async (
    letter: 'p' | 't',
    packets: readonly KernelPacket[],
    ids: readonly number[],
  ): Promise<Buffer> => {
    const places = new Map(devices.map(({ name }, i) => [name, i]));
    const bytes = Buffer.allocUnsafe(packets.length * PROBE_BYTES);
    for (const [i, packet] of packets.entries()) {
      const name = String(packet.fields[packet.hook === 'output' ? 'oif' : 'iif']);
      const place = places.get(name);
      if (place === undefined) throw new Error(`the kernel has no interface ${name}`);
      writeProbe(bytes, i * PROBE_BYTES, packet, ids[i]!, place);
    }
    writeFileSync(file, bytes);
    return ask(letter, Buffer.alloc(0));
  };

  const go = async ({ hook, fields }: KernelPacket): Promise<void> => {
    if (hook === 'output') return;
    const oif = hook === 'forward' ? String(fields['oif']) : undefined;
    if (way !== undefined && way.oif === oif) return;
    const place = Buffer.alloc(4, 0xff);
    if (oif !== undefined) place.writeUInt32LE(devices.findIndex(({ name }) => name === oif));
    await ask('w', place);
    way = { oif };
  };

  const injectGroup = async (packets: readonly KernelPacket[]): Promise<KernelVerdict[]> => {
    const verdicts: KernelVerdict[] = [];
    await go(packets[0]!);
    while (verdicts.length < packets.length) {
      const begin = verdicts.length;
      const ids = numbered(packets, begin);
      if (ids.length === 0) {
        await forgetNumbers();
        continue;
      }
      const part = packets.slice(begin, begin + ids.length);
      const errors = await send('p', part, ids);
      const flags = await ask('v', Buffer.alloc(0));
      for (const [i, { family }] of part.entries()) {
        const how = flags[(family === 'ipv4' ? 0 : 0x10000) + ids[i]!]!;
        verdicts.push(errors[i] !== 0 ? 'lost' : verdictOf(how));
      }
    }
    return verdicts;
  };

  const complete = (packets: readonly KernelPacket[]): KernelPacket[] =>
    packets.map((packet) =>
      packet.fields['length'] !== undefined && packet.fields['daddrtype'] !== undefined
        ? packet
        : completePacket(packet, devices),
    );

  return {
    devices,
    addDevices,
    run,
    forget: async () => {
      await ask('f', Buffer.alloc(0));
      nextTracked = 1;
      nextUntracked = UNTRACKED_FROM;
    },
    inject: async (packets) => {
      const verdicts = new Array<KernelVerdict>(packets.length);
      for (const places of groups(packets)) {
        const group = await injectGroup(complete(places.map((place) => packets[place]!)));
        for (const [i, place] of places.entries()) verdicts[place] = group[i]!;
      }
      return verdicts;
    },
    trace: async (packets) => {
      const steps = new Array<readonly TraceStep[]>(packets.length);
      for (const places of groups(packets)) {
        const group = complete(places.map((place) => packets[place]!));
        await go(group[0]!);
        let ids = numbered(group, 0);
        if (ids.length < group.length) {
          await forgetNumbers();
          ids = numbered(group, 0);
        }
        const traced = readTrace(await send('t', group, ids), group.length);
        for (const [i, place] of places.entries()) steps[place] = traced[i]!;
      }
      return steps;
    },
    close: async () => {
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.stdin.end();
      await ended;
    },
  };
}

/** The places of packets that take the same way, ways in the order in which they come first. */
function groups(packets: readonly KernelPacket[]): number[][] {
  const found = new Map<string, number[]>();
  for (const [i, { hook, fields }] of packets.entries()) {
    const key = hook === 'forward' ? `forward ${String(fields['oif'])}` : hook;
    const places = found.get(key);
    if (places === undefined) found.set(key, [i]);
    else places.push(i);
  }
  return [...found.values()];
}

/** By the bits of inject.c's read_sets. */
function verdictOf(how: number): KernelVerdict {
  if ((how & 1) === 0) return 'lost';
  if ((how & 2) !== 0) return 'accept';
  return (how & 4) !== 0 ? 'reject' : 'drop';
}

function newDevice(name: string, number: number): ProbeDevice {
  const address = (text: string): Address => parseAddress(text)!;
  return {
    name,
    mac: 0x02_00_00_00_00_00 + number,
    v4: address(`10.255.${number >> 8}.${number & 255}`),
    v6: address(`2001:db8:ffff::${number.toString(16)}`),
  };
}

type Ask = ((letter: string, data: Buffer) => Promise<Buffer>) & { readonly ready: Promise<Buffer> };

/** Questions to inject.c, answered in order; an errno as the answer's status throws. */
function questions(child: ChildProcess & { stdin: NonNullable<unknown>; stdout: NonNullable<unknown> }): Ask {
  const waiting: { resolve(data: Buffer): void; reject(error: Error): void }[] = [];
  const chunks: Buffer[] = [];
  let held = 0;
  child.stdout!.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    held += chunk.length;
    for (;;) {
      if (held < 8) return;
      if (chunks[0]!.length < 8) chunks.unshift(Buffer.concat(chunks.splice(0)));
      const length = chunks[0]!.readUInt32LE(4);
      if (held < 8 + length) return;
      const all = Buffer.concat(chunks.splice(0));
      const status = all.readUInt32LE(0);
      const rest = all.subarray(8 + length);
      if (rest.length > 0) chunks.push(rest);
      held = rest.length;
      const question = waiting.shift();
      if (status === 0) question?.resolve(all.subarray(8, 8 + length));
      else question?.reject(new Error(`inject: errno ${status}`));
    }
  });
  const end = (): void => {
    for (const { reject } of waiting.splice(0)) reject(new Error('inject ended before it answered'));
  };
  child.once('close', end);
  child.once('error', end);
  const answer = (): Promise<Buffer> => new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  const ask = (letter: string, data: Buffer): Promise<Buffer> => {
    const head = Buffer.alloc(5);
    head.write(letter, 0, 'latin1');
    head.writeUInt32LE(data.length, 1);
    child.stdin!.write(head);
    child.stdin!.write(data);
    return answer();
  };
  return Object.assign(ask, { ready: answer() });
}
