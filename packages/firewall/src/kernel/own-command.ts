// This program once more, for work that must not keep this process from anything.

import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';

export type OwnAnswer =
  | { readonly ok: true; readonly json: unknown }
  | { readonly ok: false; readonly why: string };

/** SIGKILL after that. */
const LONGEST_MS = 120_000;
/** nice(1): whoever has something to do goes first. */
const NICENESS = 10;

/** Runs a verb with `--json` in a process of its own, at low priority, and gives its answer. */
export function askOwnCommand(words: readonly string[]): Promise<OwnAnswer> {
  return new Promise((fulfil) => {
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...words, '--json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: LONGEST_MS,
      killSignal: 'SIGKILL',
    });
    const chunks: Buffer[] = [];
    try {
      if (child.pid !== undefined) setPriority(child.pid, NICENESS);
    } catch {
      // Where that may not be set it runs as it is.
    }
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
