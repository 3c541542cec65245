// sshd: a real OpenSSH server on a machine, with keys and a configuration of its own.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandOutput } from './command.ts';
import { assertPrivateNetwork } from './guard.ts';
import type { Machine } from './machine.ts';
import { ending, type Logins, loginsTo } from './ssh.ts';
import { eventually } from './waiting.ts';

/** An OpenSSH server that runs, over IPv4 and IPv6. */
export type Sshd = Logins & { stop(): Promise<void> };

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
  return { ...loginsTo(server, { key: `${folder}/login`, port, said: () => said }), stop };
}
