// ssh: logins to an OpenSSH server of the lab, single commands and sessions that stay.
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import type { CommandResult } from './command.ts';
import type { Machine } from './machine.ts';
import { type Terminal, terminalOf } from './terminal.ts';
import { eventually, pause } from './waiting.ts';

/** A login that lives: one shell on the server, over one TCP connection. */
export type SshSession = {
  /** Runs a line in the session's shell, one at a time; `undefined` if no end of it came within `limitMs`. */
  run(line: string, limitMs?: number): Promise<CommandResult | undefined>;
  /** Whether the session still answers within `limitMs`. */
  alive(limitMs?: number): Promise<boolean>;
  close(): Promise<void>;
};

/**
 * Over which family to connect (default v4), for how many seconds to try (default 5), as whom (default root), and
 * what else ssh is told.
 */
export type SshOptions = {
  readonly family?: 'v4' | 'v6';
  readonly connectSeconds?: number;
  readonly user?: string;
  readonly more?: readonly string[];
};

/** The ways to log in. */
export type Logins = {
  /** Logs in from another machine and keeps the session. */
  openSession(from: Machine, options?: SshOptions): Promise<SshSession>;
  /** Logs in as a person does: a login shell on a terminal. */
  openTerminal(from: Machine, options?: SshOptions): Promise<Terminal>;
  /** Logs in from another machine, runs one line, logs out. Code 255 is ssh's own failure, such as no connection. */
  command(from: Machine, line: string, options?: SshOptions): Promise<CommandResult>;
};

/**
 * Logins to a server that knows the key.
 * @param options.key the file of the private key
 * @param options.said what the server has to say when no session comes about
 */
export function loginsTo(
  server: Machine,
  options: { readonly key: string; readonly port?: number; readonly said?: () => string },
): Logins {
  const login = (
    { family = 'v4', connectSeconds = 5, user = 'root', more = [] }: SshOptions,
    terminal = '-T',
  ): string[] => [
    ...['-F', 'none', '-i', options.key, '-p', String(options.port ?? 22), '-l', user, terminal, ...more],
    ...['-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes', '-o', 'LogLevel=ERROR'],
    ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
    ...['-o', `ConnectTimeout=${connectSeconds}`],
    server.addresses[family],
  ];
  return {
    openSession: async (from, sshOptions = {}) => {
      const session = sessionOf(from.spawn('ssh', [...login(sshOptions), 'exec sh']));
      if (!(await session.alive(10_000))) {
        await session.close();
        throw new Error(`no ssh session from ${from.name} to ${server.name}:\n${options.said?.() ?? ''}`);
      }
      return session;
    },
    openTerminal: (from, sshOptions = {}) =>
      terminalOf(from.spawn('ssh', login(sshOptions, '-tt')), `ssh from ${from.name} to ${server.name}`),
    command: (from, line, sshOptions = {}) => from.run('ssh', [...login(sshOptions), line]),
  };
}

let lastMark = 0;

function sessionOf(child: ChildProcessWithoutNullStreams): SshSession {
  const closed = ending(child);
  let stdout = '';
  let stderr = '';
  child.stdin.on('error', () => {});
  child.stdout.on('data', (data: Buffer) => {
    stdout += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
  });
  const run = async (line: string, limitMs = 30_000): Promise<CommandResult | undefined> => {
    const mark = `<end ${++lastMark}>`;
    const begun = { stdout: stdout.length, stderr: stderr.length };
    child.stdin.write(`${line}\necho "${mark}$?" >&2; echo "${mark}"\n`);
    const end = new RegExp(`${mark}(\\d+)\n`);
    const done = await eventually(limitMs, async () => end.test(stderr) && stdout.includes(mark));
    if (!done) return undefined;
    return {
      code: Number(end.exec(stderr)?.[1]),
      stdout: stdout.slice(begun.stdout, stdout.indexOf(mark)),
      stderr: stderr.slice(begun.stderr, stderr.indexOf(mark)),
    };
  };
  return {
    run,
    alive: async (limitMs = 1500) => (await run(':', limitMs)) !== undefined,
    close: async () => {
      child.stdin.end();
      await Promise.race([closed, pause(1000)]);
      child.kill('SIGTERM');
      await closed;
    },
  };
}

/** Resolves when the process is gone, or never came. */
export const ending = (child: ChildProcessWithoutNullStreams): Promise<void> =>
  new Promise((resolve) => {
    child.on('close', () => resolve());
    child.on('error', () => resolve());
  });
