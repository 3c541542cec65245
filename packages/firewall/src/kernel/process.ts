// Running another program to its end and keeping what it said.
import { spawn } from 'node:child_process';

/** The program ran. `code` is undefined when a signal ended it. */
export interface Finished {
  readonly kind: 'finished';
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  /** Ended by us because `timeoutMs` had passed. */
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** There is no such program. */
export interface Missing {
  readonly kind: 'missing';
  readonly command: string;
}

export interface RunOptions {
  readonly input?: string;
  /** SIGKILL after this many milliseconds, a minute unless told otherwise; Infinity: it may take as long as it likes. */
  readonly timeoutMs?: number;
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Open files that it gets as its descriptors 3, 4, … */
  readonly inherits?: readonly number[];
}

/** Nobody shall wait for the lock of a command that waits for ever. The largest sets take a few seconds. */
const TIMEOUT_MS = 60_000;

/** For the way back, which tries again for as long as it takes. */
export const PATIENT: RunOptions = { timeoutMs: Number.POSITIVE_INFINITY };

const ADMIN_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** A PATH that also has the folders of the admin's tools, which an ordinary user's PATH lacks on Debian. */
export function toolPath(path = process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin'): string {
  const folders = path.split(':');
  return [...folders, ...ADMIN_FOLDERS.filter((folder) => !folders.includes(folder))].join(':');
}

/**
 * Runs a program, without a shell, until it ends. Its messages are in English (`LC_ALL=C`), so that they can
 * be told apart. Rejects only when the program exists and cannot be started.
 */
export function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished | Missing> {
  return new Promise((fulfil, reject) => {
    const child = spawn(command, args, {
      env: { ...process.env, LC_ALL: 'C', PATH: toolPath(), ...options.env },
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...(options.inherits ?? [])],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let timedOut = false;
    const { timeoutMs = TIMEOUT_MS } = options;
    const expire = (): void => {
      timedOut = true;
      child.kill('SIGKILL');
      // A grandchild may hold the pipes open long after its parent is dead.
      child.stdout?.destroy();
      child.stderr?.destroy();
    };
    const timer = timeoutMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(expire, timeoutMs);
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    // A program may end without reading its input; what it says counts, not the broken pipe.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input);
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (error.code === 'ENOENT') fulfil({ kind: 'missing', command });
      else reject(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      fulfil({
        kind: 'finished',
        code: code ?? undefined,
        signal: signal ?? undefined,
        timedOut,
        stdout: Buffer.concat(out).toString('utf8'),
        stderr: Buffer.concat(err).toString('utf8'),
      });
    });
  });
}
