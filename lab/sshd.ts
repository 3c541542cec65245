// sshd: a real OpenSSH server on a machine, with keys and a configuration of its own.
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandOutput } from './command.ts';
import { assertPrivateNetwork } from './guard.ts';
import type { Machine } from './machine.ts';
import { ending, type Logins, loginsTo } from './ssh.ts';
import { eventually } from './waiting.ts';

/** An OpenSSH server that runs, over IPv4 and IPv6. `key`: the file of the private key that opens it. */
export type Sshd = Logins & { readonly key: string; stop(): Promise<void> };

/**
 * Starts the machine's OpenSSH server on a port (22 by default). Needs real root: sshd changes its user for the first
 * part of a login. The environment in `env` is what logins get, on top of a plain PATH. `user`: an ordinary user that
 * exists for this server alone, and may do everything with sudo. `name`: what the program is called (default sshd).
 */
export async function startSshd(
  server: Machine,
  options: {
    readonly port?: number;
    readonly env?: Readonly<Record<string, string>>;
    readonly user?: string;
    readonly name?: string;
  } = {},
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
  const { user, name = 'sshd' } = options;
  const shadow = ['root', 'sshd', ...(user === undefined ? [] : [user])].map(
    (each) => `${each}:*:19000::::::\n`,
  );
  await writeFile(`${folder}/shadow`, shadow.join(''), { mode: 0o600 });
  const own = ['shadow'];
  if (user !== undefined) {
    const others = await readFile('/etc/passwd', 'utf8');
    await writeFile(`${folder}/passwd`, `${others}${user}:x:${UID}:${UID}::/:/bin/bash\n`);
    const rights = ['root', user].map((each) => `${each} ALL=(ALL:ALL) NOPASSWD: ALL\n`).join('');
    await writeFile(`${folder}/sudoers`, `Defaults env_reset, use_pty\n${rights}`, { mode: 0o440 });
    own.push('passwd', 'sudoers');
    // He reads the key that he is known by.
    await chmod(folder, 0o755);
  }
  const program = (await commandOutput('sh', ['-c', 'command -v sshd'])).trim();
  if (name !== 'sshd') await copyFile(program, `${folder}/${name}`);
  await mkdir('/run/sshd', { recursive: true });
  const mounts = own.map((file) => `[ ! -e /etc/${file} ] || mount --bind ${folder}/${file} /etc/${file};`);
  const start = `${mounts.join(' ')} exec ${name === 'sshd' ? program : `${folder}/${name}`} -D -e -f ${folder}/config`;
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
  const key = `${folder}/login`;
  return { ...loginsTo(server, { key, port, said: () => said }), key, stop };
}

/** One that no user of a machine has. */
const UID = 54_321;
