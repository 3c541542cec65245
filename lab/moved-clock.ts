// Moved clock: a machine whose programs are told another time of day; the real clock stays what it is.
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandOutput } from './command.ts';
import { assertPrivateNetwork } from './guard.ts';
import type { Machine } from './machine.ts';
import { ending } from './ssh.ts';
import { eventually } from './waiting.ts';

/** The machine as programs see it that are told the wrong time, and the hand on its clock. */
export type ClockedMachine = {
  readonly machine: Machine;
  /** Sets the clock so many seconds ahead of (or, below 0, behind) the real one, at once and for all that runs. */
  move(seconds: number): Promise<void>;
  stop(): Promise<void>;
};

const SOURCE = fileURLToPath(new URL('./moved-clock.c', import.meta.url));

/**
 * Every dynamically linked program that is started through `machine` gets its time of day from a library put before
 * libc, shell scripts and what they start too. What the kernel does by its own clock (sleeping, timeouts of set
 * elements) is not moved. Needs real root and a C compiler.
 */
export async function withMovedClock(machine: Machine): Promise<ClockedMachine> {
  assertPrivateNetwork();
  const folder = await mkdtemp('/run/moved-clock-');
  const library = join(folder, 'moved-clock.so');
  await commandOutput('cc', ['-O2', '-shared', '-fPIC', '-o', library, SOURCE]);
  // A view of /etc of its own, in which ld.so(8) is told to put the library before all others.
  const prepare = [
    `mkdir ${folder}/upper ${folder}/work`,
    `mount -t overlay -o lowerdir=/etc,upperdir=${folder}/upper,workdir=${folder}/work overlay /etc`,
    'echo 0 >/etc/moved-clock',
    `echo ${library} >/etc/ld.so.preload`,
    'echo ready',
    'exec cat',
  ].join('\n');
  const holder = machine.spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', prepare]);
  const closed = ending(holder);
  let said = '';
  holder.stdout.on('data', (data: Buffer) => {
    said += data.toString();
  });
  holder.stderr.on('data', (data: Buffer) => {
    said += data.toString();
  });
  const stop = async () => {
    holder.stdin.end();
    await closed;
    await rm(folder, { recursive: true, force: true });
  };
  if (!(await eventually(5000, async () => said === 'ready\n'))) {
    await stop();
    throw new Error(`no clock to move on ${machine.name}: ${said}`);
  }
  const view = `--mount=/proc/${holder.pid}/ns/mnt`;
  const { run, output, spawn } = machine;
  return {
    machine: {
      ...machine,
      run: (command, args = [], options = {}) => run('nsenter', [view, command, ...args], options),
      output: (command, args = [], options = {}) => output('nsenter', [view, command, ...args], options),
      spawn: (command, args = [], options = {}) => spawn('nsenter', [view, command, ...args], options),
    },
    move: (seconds) =>
      output('nsenter', [view, 'sh', '-c', `echo ${seconds} >/etc/moved-clock`]).then(() => {}),
    stop,
  };
}
