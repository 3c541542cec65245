// This process goes first, and this program once more, for work that must not keep it from anything, goes last.

import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';

export type OwnAnswer =
  | { readonly ok: true; readonly json: unknown }
  | { readonly ok: false; readonly why: string };

/** SIGKILL after that. */
const LONGEST_MS = 120_000;
/** nice(1). */
const FIRST = -10;
const LAST = 10;

/** What this process starts from now on is first on the processor, where it may say so. */
export function hurry(): void {
  setNiceness(0, FIRST);
}

function setNiceness(pid: number, niceness: number): void {
  try {
    setPriority(pid, niceness);
  } catch {
    // It takes CAP_SYS_NICE to go first; a unit says it for us.
  }
}

/** Runs a verb with `--json` in a process of its own, at low priority, and gives its answer. `signal` ends it. */
export function askOwnCommand(words: readonly string[], signal: AbortSignal): Promise<OwnAnswer> {
  return new Promise((fulfil) => {
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...words, '--json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: LONGEST_MS,
      killSignal: 'SIGKILL',
      signal,
    });
    const chunks: Buffer[] = [];
    if (child.pid !== undefined) setNiceness(child.pid, LAST);
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', (error) => fulfil({ ok: false, why: error.message }));
    child.on('close', (code, signal) => {
      const command = `moat ${words.join(' ')} --json`;
      try {
        const json: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
        fulfil(code === 0 ? { ok: true, json } : { ok: false, why: `${command}: exit code ${code}` });
      } catch {
        fulfil({ ok: false, why: `${command} ended with ${signal ?? `exit code ${code}`} and no answer` });
      }
    });
  });
}
