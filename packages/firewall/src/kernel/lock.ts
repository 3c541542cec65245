// The one lock that commands, the daemon and the shell scripts of the way back share.
import { spawn } from 'node:child_process';
import { closeSync, constants, existsSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { makeFolder, type Paths } from './paths.ts';
import { toolPath } from './process.ts';

export interface LockHolder {
  readonly pid: number;
  readonly command: string;
}

export type Locked<T> =
  | { readonly kind: 'done'; readonly value: T }
  /** Somebody else held it all the time; `holder` is undefined when he did not write down who he is. */
  | { readonly kind: 'busy'; readonly holder: LockHolder | undefined; readonly message: string };

/** The open file that the lock belongs to. A program that inherits it holds the lock for as long as it runs. */
export interface HeldLock {
  readonly fd: number;
}

export interface LockOptions {
  /** How long to wait for whoever holds it; 0 does not wait. */
  readonly waitMs: number;
  /** What is told to those who wait for us, e.g. `moat allow 22`. */
  readonly command: string;
}

/**
 * Runs `work` while holding the lock. The lock is flock(2)'s and belongs to the open file description, so
 * `flock -x FILE` in a script excludes us, and the kernel frees it however this process ends. Taking it twice
 * in one process waits for itself. Rejects with what `work` rejected with, after freeing the lock.
 */
export async function withLock<T>(
  paths: Paths,
  options: LockOptions,
  work: (lock: HeldLock) => Promise<T> | T,
): Promise<Locked<T>> {
  makeFolder(paths.run);
  const fd = openSync(paths.lock, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    const taken = (await flock(fd, 0)) || (options.waitMs > 0 && (await waited(fd, options.waitMs)));
    if (!taken) return busy(paths, options);
    ftruncateSync(fd);
    writeSync(fd, `${process.pid} ${options.command.replace(/\s+/g, ' ')}\n`, 0);
    try {
      return { kind: 'done', value: await work({ fd }) };
    } finally {
      ftruncateSync(fd);
    }
  } finally {
    closeSync(fd);
  }
}

async function waited(fd: number, waitMs: number): Promise<boolean> {
  const end = performance.now() + waitMs;
  if (await flock(fd, waitMs)) return true;
  // The flock of busybox knows no -w, and ends as if it had waited.
  while (performance.now() < end) {
    await pause(Math.min(AGAIN_MS, waitMs));
    if (await flock(fd, 0)) return true;
  }
  return false;
}

const AGAIN_MS = 200;

/** Node has no flock(2). The program flock locks the description that it inherits, and we keep it open. */
function flock(fd: number, waitMs: number): Promise<boolean> {
  const how = waitMs === 0 ? ['-n'] : ['-w', (waitMs / 1000).toFixed(3)];
  return new Promise((fulfil, reject) => {
    const child = spawn('flock', ['-x', ...how, '3'], {
      env: { ...process.env, PATH: toolPath() },
      stdio: ['ignore', 'ignore', 'ignore', fd],
    });
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT'
          ? new Error('the program flock is not installed; it is in the package util-linux')
          : error,
      ),
    );
    child.on('exit', (code, signal) => {
      // flock(1): 1 when the lock was not to be had, sysexits(3) codes for everything else.
      if (code === 0) fulfil(true);
      else if (code === 1) fulfil(false);
      else reject(new Error(`flock ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}

function busy(paths: Paths, options: LockOptions): Locked<never> {
  const [, pid, command] = /^(\d+) (.*)$/m.exec(readFileSync(paths.lock, 'utf8')) ?? [];
  // A killed holder leaves its name behind, and then a script that does not write its own may hold the lock.
  const holder =
    pid !== undefined && existsSync(`/proc/${pid}`)
      ? { pid: Number(pid), command: command ?? '' }
      : undefined;
  const who =
    holder === undefined ? 'another program' : `another command (${holder.command}, pid ${holder.pid})`;
  const waited = options.waitMs === 0 ? '' : ` after ${options.waitMs / 1000} s of waiting`;
  return { kind: 'busy', holder, message: `${who} still holds ${paths.lock}${waited}; nothing was changed` };
}
