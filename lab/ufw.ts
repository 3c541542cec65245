// ufw: Debian's own, on a machine, with private copies of its rules and settings; for comparisons.
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandOptions, CommandResult } from './command.ts';
import { assertPrivateNetwork } from './guard.ts';
import type { Machine } from './machine.ts';
import { eventually } from './waiting.ts';

/** ufw with its files for one machine. */
export type Ufw = {
  /** The private copy of `/etc/ufw`, to be read and written (`user.rules`, `ufw.conf`). */
  readonly etc: string;
  /** Runs `ufw ARGS…`; a non-zero exit code is a result. `enable` and `reset` want `--force`. */
  ufw(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Runs any program that should see ufw's private files, such as `ufw-init`. */
  run(command: string, args?: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Switches it off, and removes its files. */
  destroy(): Promise<void>;
};

/** The files that ufw writes; `/lib/ufw` holds only its programs (Debian's path for them). */
const FILES = ['/etc/ufw', '/etc/default/ufw', '/var/lib/ufw'];

/** Gives a machine a ufw as it is after installation: disabled, no rules of the user's. Needs real root. */
export async function startUfw(machine: Machine): Promise<Ufw> {
  assertPrivateNetwork();
  const folder = await mkdtemp(join(tmpdir(), 'moat-ufw-'));
  const copies: string[] = [];
  for (const file of FILES) {
    const copy = join(folder, file);
    await mkdir(join(copy, '..'), { recursive: true });
    const found = await cp(file, copy, { recursive: true, preserveTimestamps: true }).then(
      () => true,
      () => false,
    );
    if (found) copies.push(file);
  }
  if (!copies.includes('/etc/ufw')) throw new Error('ufw is not installed: there is no /etc/ufw');
  // One process keeps the mounts; every command joins them.
  const binds = copies.map((file) => `mount --bind ${folder}${file} ${file}`);
  const script = [...binds, 'echo ready', 'exec cat'].join('\n');
  const holder = machine.spawn('setpriv', [
    ...['--pdeathsig', 'KILL', 'unshare', '--mount', '--propagation', 'private'],
    ...['sh', '-ec', script],
  ]);
  let said = '';
  holder.stdout.on('data', (data: Buffer) => {
    said += data.toString();
  });
  holder.stderr.on('data', (data: Buffer) => {
    said += data.toString();
  });
  const closed = new Promise<void>((resolve) => {
    holder.on('close', () => resolve());
    holder.on('error', () => resolve());
  });
  const ready = await eventually(5000, async () => said.includes('ready') || holder.exitCode !== null);
  if (!ready || !said.includes('ready')) throw new Error(`ufw's private files cannot be mounted: ${said}`);
  const run: Ufw['run'] = (command, args = [], options = {}) =>
    machine.run('nsenter', [`--mount=/proc/${holder.pid}/ns/mnt`, command, ...args], options);
  const ufw: Ufw['ufw'] = (args, options = {}) => run('ufw', args, { env: { LANG: 'C.UTF-8' }, ...options });
  return {
    etc: join(folder, 'etc/ufw'),
    ufw,
    run,
    destroy: async () => {
      await ufw(['disable']);
      holder.stdin.end();
      await closed;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
