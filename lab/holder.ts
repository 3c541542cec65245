// Holder: a process that keeps namespaces alive until its standard input ends, or this process does.
import type { Machine } from './machine.ts';
import { eventually } from './waiting.ts';

export type Holder = {
  /** Whose namespaces they are, or the process that made them. */
  readonly pid: number;
  /** Resolves when it is gone, and what it held with it. */
  end(): Promise<void>;
};

/** The last lines of what a holder runs: it says that it is ready, and waits. */
export const HOLD = 'echo ready\nexec cat';

/** Starts `unshare` with these words, which run a script with `HOLD` at its end. Throws `failure` with what was said. */
export async function startHolder(
  machine: Machine,
  words: readonly string[],
  failure: string,
): Promise<Holder> {
  const child = machine.spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...words]);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => {
      said += data.toString();
    });
  const closed = new Promise<void>((resolve) => {
    child.on('close', () => resolve());
    child.on('error', () => resolve());
  });
  const ready = await eventually(10_000, async () => said.includes('ready') || child.exitCode !== null);
  if (!ready || !said.includes('ready')) throw new Error(`${failure}: ${said}`);
  return {
    pid: child.pid!,
    end: async () => {
      child.stdin.end();
      await closed;
    },
  };
}
