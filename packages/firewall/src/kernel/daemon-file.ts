// Which process watches here: `/run/moat/daemon` while `moat daemon` runs.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from './atomic-write.ts';
import { makeFolder, type Paths } from './paths.ts';

export interface RunningDaemon {
  readonly pid: number;
  /** ISO 8601, UTC. */
  readonly since: string;
}

function daemonFile(paths: Paths): string {
  return join(paths.run, 'daemon');
}

/** The daemon that runs; undefined: none. A pid that was given to another process since counts as none. */
export function runningDaemon(paths: Paths): RunningDaemon | undefined {
  let text: string;
  try {
    text = readFileSync(daemonFile(paths), 'utf8');
  } catch {
    return undefined;
  }
  const [, pid, started, since] = /^(\d+) (\d+) (\S+)$/m.exec(text) ?? [];
  if (pid === undefined || since === undefined || startOf(Number(pid)) !== started) return undefined;
  return { pid: Number(pid), since };
}

/** Says that it is this process. */
export function writeDaemon(paths: Paths): void {
  makeFolder(paths.run);
  const text = `${process.pid} ${startOf(process.pid)} ${new Date().toISOString()}\n`;
  writeFileAtomic(daemonFile(paths), text);
}

export function forgetDaemon(paths: Paths): void {
  rmSync(daemonFile(paths), { force: true });
}

/** When a process was started, in ticks since boot (proc(5), field 22 of `stat`); undefined: there is none. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
