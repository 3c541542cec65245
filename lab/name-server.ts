// Name server: a DNS server of our own on a machine of the lab, and machines that ask it.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Machine } from './machine.ts';

/** What a name is. `silent`: no answer comes at all. */
export interface NameRecord {
  readonly a?: readonly string[];
  readonly aaaa?: readonly string[];
  readonly ttl?: number;
  readonly says?: 'ok' | 'nxdomain' | 'servfail' | 'refused' | 'silent';
}

export interface NameServer {
  /** From now on the name is that; names of which nothing was said do not exist. */
  set(name: string, record: NameRecord): Promise<void>;
  stop(): void;
}

const PROGRAM = fileURLToPath(new URL('./name-server-main.mjs', import.meta.url));

export async function startNameServer(machine: Machine): Promise<NameServer> {
  const child = machine.spawn(process.execPath, [PROGRAM]);
  let said = '';
  child.stderr.on('data', (data: Buffer) => {
    said += data.toString();
  });
  const waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  createInterface({ input: child.stdout }).on('line', () => waiting.shift()?.resolve());
  child.once('close', () => {
    for (const { reject } of waiting) reject(new Error(`the name server ended: ${said}`));
  });
  const line = (): Promise<void> => new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  await line();
  return {
    set: async (name, record) => {
      const taken = line();
      child.stdin.write(`${JSON.stringify({ says: 'ok', ...record, name })}\n`);
      await taken;
    },
    stop: () => void child.stdin.end(),
  };
}

/** The machine, on which programs ask that server: each sees a /etc/resolv.conf of its own, in a mount namespace of its own. */
export async function asking(machine: Machine, server: Machine, folder: string): Promise<Machine> {
  const file = join(folder, 'resolv.conf');
  await writeFile(file, `nameserver ${server.addresses.v4}\n`);
  const inside = (command: string, args: readonly string[] = []): string[] => [
    ...['--mount', '--propagation', 'private', 'sh', '-ec'],
    ...['mount --bind "$0" /etc/resolv.conf; exec "$@"', file, command, ...args],
  ];
  return {
    ...machine,
    run: (command, args, options) => machine.run('unshare', inside(command, args), options),
    output: (command, args, options) => machine.output('unshare', inside(command, args), options),
    spawn: (command, args, options) => machine.spawn('unshare', inside(command, args), options),
  };
}
