import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { formatAddress } from '@moat/netfilter';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { assertPrivateNetwork } from '../../lab/guard.ts';
import { adminConnections } from '../../packages/firewall/src/kernel/admin-connections.ts';
import { readLinks } from '../../packages/firewall/src/kernel/links.ts';
import { run } from '../../packages/firewall/src/kernel/process.ts';

assertPrivateNetwork();

let folder: string;
let sshd: ChildProcess;
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'admin-connections-'));
  // The empty folder that sshd locks its unprivileged half into; Debian has compiled its place in.
  mkdirSync('/run/sshd', { recursive: true });
  for (const key of ['host', 'user'])
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, key)]);
  copyFileSync(join(folder, 'user.pub'), join(folder, 'authorized'));
  writeFileSync(
    join(folder, 'config'),
    `Port 2022
HostKey ${folder}/host
AuthorizedKeysFile ${folder}/authorized
PermitRootLogin yes
StrictModes no
UsePAM no
PidFile none
`,
  );
  await run('ip', ['link', 'add', 'outer', 'type', 'bridge']);
  await run('ip', ['addr', 'add', '192.0.2.1/24', 'dev', 'outer']);
  await run('ip', ['link', 'set', 'outer', 'up']);
  sshd = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(folder, 'config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  sshd.stderr?.on('data', (chunk: Buffer) => appendFileSync(join(folder, 'log'), chunk));
  await until(async () => readFileSync(join(folder, 'log'), 'utf8').includes('Server listening on 0.0.0.0'));
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
    child.kill();
    await ended;
  }
  await until(async () => (await connections()).length === 0);
});

afterAll(async () => {
  const ended = once(sshd, 'close');
  sshd.kill();
  await ended;
  rmSync(folder, { recursive: true });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    try {
      if (await holds()) return;
    } catch {
      // Not there yet.
    }
    await pause(50);
  }
  throw new Error(`it did not come about; sshd says:\n${readFileSync(join(folder, 'log'), 'utf8')}`);
}

const connections = async () => adminConnections(await readLinks()).connections;

function ssh(args: readonly string[], host = '127.0.0.1'): ChildProcess {
  const options = [
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'BatchMode=yes',
    'LogLevel=ERROR',
  ];
  const child = spawn(
    'ssh',
    [
      '-p',
      '2022',
      '-i',
      join(folder, 'user'),
      ...options.flatMap((option) => ['-o', option]),
      ...args.slice(0, -1),
      `root@${host}`,
      ...args.slice(-1).filter((arg) => arg !== ''),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  children.push(child);
  return child;
}

test('a session, seen from elsewhere on the machine', async () => {
  ssh(['cat'], '192.0.2.1');
  await until(async () => (await connections()).some((one) => one.session));
  const [one, ...more] = await connections();
  expect(more).toEqual([]);
  expect(one).toMatchObject({
    command: 'sshd',
    session: true,
    ours: false,
    loopback: true,
    interfaces: ['outer'],
  });
  expect(formatAddress(one!.local.address)).toBe('192.0.2.1');
  expect(one!.local.port).toBe(2022);
});

test('a tunnel without a command is a session, too', async () => {
  ssh(['-N', '']);
  await until(async () => (await connections()).some((one) => one.session));
});

test('a connection that has not authenticated is not', async () => {
  const socket = connect(2022, '127.0.0.1');
  try {
    await once(socket, 'data');
    await until(async () => (await connections()).length === 1);
    expect(await connections()).toMatchObject([{ session: false, ours: false }]);
  } finally {
    socket.destroy();
  }
});

test('a command inside a session knows its own connection, without any SSH_CONNECTION', async () => {
  const stranger = connect(2022, '127.0.0.1');
  await once(stranger, 'data');
  try {
    const sources = join(import.meta.dirname, '../../packages/firewall/src/kernel');
    const script = join(import.meta.dirname, `admin-connections-${process.pid}.tmp.mts`);
    writeFileSync(
      script,
      `import { adminConnections } from ${JSON.stringify(join(sources, 'admin-connections.ts'))};
       if (process.env.SSH_CONNECTION !== undefined) throw new Error('the environment should be empty');
       console.log(JSON.stringify(adminConnections([]).connections.map(({ ours, session, remote }) => ({ ours, session, port: remote.port }))));`,
    );
    try {
      const root = join(import.meta.dirname, '../..');
      const child = ssh([
        `cd ${root} && env -i PATH=/usr/bin:/bin ${process.execPath} --import tsx ${script}; :`,
      ]);
      let said = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
      await once(child, 'close');
      const all = JSON.parse(said) as { ours: boolean; session: boolean; port: number }[];
      expect(all).toHaveLength(2);
      expect(all.filter((one) => one.ours)).toMatchObject([{ session: true }]);
      expect(all.filter((one) => !one.ours)).toEqual([
        { ours: false, session: false, port: stranger.localPort },
      ]);
    } finally {
      rmSync(script);
    }
  } finally {
    stranger.destroy();
  }
});
