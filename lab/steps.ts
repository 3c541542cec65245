// Steps: a command under watch, one step after the other, and one of them made to fail (steps.c says what a step is).
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CommandResult, commandOutput } from './command.ts';
import type { Machine } from './machine.ts';
import { eventually } from './waiting.ts';

const SOURCE = fileURLToPath(new URL('./steps.c', import.meta.url));

/** What may become of a step; steps.c says what each does. */
export type FaultKind = FileFault | ProgramFault;
export type FileFault = 'kill' | 'run' | 'ENOSPC' | 'EROFS' | 'EIO';
export type ProgramFault = 'kill' | 'run' | 'orphan' | 'fails' | 'dies' | 'missing' | 'hangs' | 'after';

/** A step and what becomes of it. */
export type Fault = {
  /** As it was noted: `2 start nft -f /run/moat/sent.nft`. */
  readonly step: string;
  readonly kind: FaultKind;
  /** What `run` runs. */
  readonly line?: string;
};

/** How to run a command under watch. */
export type WatchOptions = {
  readonly env: Readonly<Record<string, string>>;
  /** What is left out of paths. */
  readonly root: string;
  readonly fault?: Fault;
  /** Seconds by which the time of day is wrong for it. */
  readonly clock?: number;
  /** How many times as fast its own time runs: so that limits need not be waited for. */
  readonly haste?: number;
  /** When to give up on it. */
  readonly limitMs: number;
};

/** How the command ended, with the steps that it took. `stuck`: it did not end by itself. */
export type Watched = CommandResult & { readonly steps: readonly string[]; readonly stuck: boolean };

/** The compiled library. */
export type StepWatch = {
  run(machine: Machine, words: readonly string[], options: WatchOptions): Promise<Watched>;
  remove(): Promise<void>;
};

/** Whether a step starts a program. */
export function startsProgram(step: string): boolean {
  return / start /.test(step);
}

/** Compiles the library. */
export async function stepWatch(): Promise<StepWatch> {
  const folder = await mkdtemp(join(tmpdir(), 'moat-steps-'));
  const library = join(folder, 'steps.so');
  await commandOutput('cc', ['-O2', '-shared', '-fPIC', '-o', library, SOURCE, '-ldl']);
  let runs = 0;
  return {
    run: async (machine, words, options) => {
      const log = join(folder, `log-${++runs}`);
      const { fault } = options;
      const settings: Readonly<Record<string, string>> = {
        ...options.env,
        LD_PRELOAD: library,
        STEPS_LOG: log,
        STEPS_ROOT: options.root,
        ...(fault === undefined ? {} : { STEPS_AT: fault.step, STEPS_FAULT: fault.kind }),
        ...(fault?.line === undefined ? {} : { STEPS_RUN: fault.line }),
        ...(options.clock === undefined ? {} : { STEPS_CLOCK: String(options.clock) }),
        ...(options.haste === undefined ? {} : { STEPS_HASTE: String(options.haste) }),
      };
      const assignments = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
      // A process group of its own, so that all of it can be killed at once.
      const ran = await inGroup(machine, ['setsid', 'env', ...assignments, ...words], options.limitMs);
      const text = await readFile(log, 'utf8').catch(() => '');
      await rm(log, { force: true });
      return { ...ran, steps: numbered(text) };
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Resolves when every process of the group has ended, which are killed when the first one has not within the limit. */
async function inGroup(
  machine: Machine,
  [command, ...args]: readonly string[],
  limitMs: number,
): Promise<CommandResult & { stuck: boolean }> {
  const child = machine.spawn(command!, args);
  const said = { stdout: '', stderr: '' };
  child.stdin.on('error', () => {});
  child.stdin.end();
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (data: Buffer) => {
      said[name] += data.toString();
    });
  const ended = new Promise<number>((resolve) => {
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 143)));
  });
  let stuck = false;
  const limit = setTimeout(() => {
    stuck = true;
    signalGroup(child.pid!, 'SIGKILL');
  }, limitMs);
  const code = await ended;
  clearTimeout(limit);
  // What a killed command has started comes to its end by itself, or never.
  const gone = async (): Promise<boolean> => !signalGroup(child.pid!, 0);
  if (!(await eventually(1500, gone))) {
    signalGroup(child.pid!, 'SIGKILL');
    await eventually(1500, gone);
  }
  return { code, ...said, stuck };
}

/** Whether there is such a group. */
function signalGroup(leader: number, signal: 'SIGKILL' | 0): boolean {
  try {
    process.kill(-leader, signal);
    return true;
  } catch {
    return false;
  }
}

/** `2 rename /etc/moat/policy`: each line behind the number of those like it so far. */
function numbered(text: string): string[] {
  const counts = new Map<string, number>();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const count = (counts.get(line) ?? 0) + 1;
      counts.set(line, count);
      return `${count} ${line}`;
    });
}
