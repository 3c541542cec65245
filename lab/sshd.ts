// sshd: a real OpenSSH server on a machine, with keys and a configuration of its own, and sessions to it.
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandResult, commandOutput } from './command.ts';
import { assertPrivateNetwork } from './guard.ts';
import type { Machine } from './machine.ts';
import { eventually, pause } from './waiting.ts';

/** A login that lives: one shell on the server, over one TCP connection. */
export type SshSession = {
  /** Runs a line in the session's shell, one at a time; `undefined` if no end of it came within `limitMs`. */
  run(line: string, limitMs?: number): Promise<CommandResult | undefined>;
  /** Whether the session still answers within `limitMs`. */
  alive(limitMs?: number): Promise<boolean>;
  close(): Promise<void>;
};

/** An OpenSSH server that runs, over IPv4 and IPv6. */
export type Sshd = {
  /** Logs in as root from another machine and keeps the session. */
  openSession(from: Machine, options?: SshOptions): Promise<SshSession>;
  /** Logs in from another machine, runs one line, logs out. Code 255 is ssh's own failure, such as no connection. */
  command(from: Machine, line: string, options?: SshOptions): Promise<CommandResult>;
  stop(): Promise<void>;
};

/** Over which family to connect (default v4), and for how many seconds to try (default 5). */
export type SshOptions = { readonly family?: 'v4' | 'v6'; readonly connectSeconds?: number };

/**
 * Starts the machine's OpenSSH server on a port (22 by default). Needs real root: sshd changes its user for the first
 * part of a login. The environment in `env` is what logins get, on top of a plain PATH.
 */
export async function startSshd(
  server: Machine,
  options: { readonly port?: number; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Sshd> {
  assertPrivateNetwork();
  const port = options.port ?? 22;
  const folder = await mkdtemp(join(tmpdir(), 'moat-sshd-'));
  await Promise.all(
    ['host', 'login'].map((name) =>
      commandOutput('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', `${folder}/${name}`]),
    ),
  );
  const env = Object.entries({ PATH: process.env['PATH'] ?? '', ...options.env });
  await writeFile(
    `${folder}/config`,
    [
      `Port ${port}`,
      'ListenAddress 0.0.0.0',
      'ListenAddress ::',
      `HostKey ${folder}/host`,
      `PidFile ${folder}/pid`,
      `AuthorizedKeysFile ${folder}/login.pub`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'PermitRootLogin yes',
      'UseDNS no',
      'MaxStartups 100',
      `SetEnv ${env.map(([name, value]) => `"${name}=${value}"`).join(' ')}`,
      '',
    ].join('\n'),
  );
  // A root account that is locked (`!`) may not log in, not even by key; this sshd sees one that is not.
  await writeFile(`${folder}/shadow`, 'root:*:19000:0:99999:7:::\nsshd:*:19000::::::\n', { mode: 0o600 });
  await mkdir('/run/sshd', { recursive: true });
  const start = `mount --bind ${folder}/shadow /etc/shadow; exec "$(command -v sshd)" -D -e -f ${folder}/config`;
  const child = server.spawn('setpriv', [
    ...['--pdeathsig', 'TERM', 'unshare', '--mount', '--propagation', 'private'],
    ...['sh', '-ec', start],
  ]);
  let said = '';
  child.stderr.on('data', (data: Buffer) => {
    said = (said + data.toString()).slice(-4000);
  });
  const closed = ending(child);
  const listens = await eventually(5000, async () => said.includes(`listening on :: port ${port}`));
  const stop = async () => {
    child.kill('SIGTERM');
    await closed;
    await rm(folder, { recursive: true, force: true });
  };
  if (!listens) {
    await stop();
    throw new Error(`sshd does not start:\n${said}`);
  }
  const login = ({ family = 'v4', connectSeconds = 5 }: SshOptions): string[] => [
    ...['-F', 'none', '-i', `${folder}/login`, '-p', String(port), '-l', 'root', '-T'],
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
        throw new Error(`no ssh session from ${from.name} to ${server.name}:\n${said}`);
      }
      return session;
    },
    command: (from, line, sshOptions = {}) => from.run('ssh', [...login(sshOptions), line]),
    stop,
  };
}

const ending = (child: ChildProcessWithoutNullStreams): Promise<void> =>
  new Promise((resolve) => {
    child.on('close', () => resolve());
    child.on('error', () => resolve());
  });

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
