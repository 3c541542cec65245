import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type FakeProcess, type FakeSocket, fakeProc } from './fake-proc.ts';
import { sshPorts } from './ssh-ports.ts';

let remove = () => {};
afterEach(() => remove());

function found(
  processes: readonly FakeProcess[],
  sockets: readonly FakeSocket[],
  config: Readonly<Record<string, string>> = {},
): number[] {
  const fake = fakeProc(processes, sockets);
  remove = fake.remove;
  const etc = join(fake.proc, 'ssh');
  mkdirSync(join(etc, 'sshd_config.d'), { recursive: true });
  for (const [name, text] of Object.entries(config))
    writeFileSync(join(etc, name), text.replaceAll('ETC', etc));
  return sshPorts({ proc: fake.proc, config: join(etc, 'sshd_config') });
}

const listen = (local: string, inode: number): FakeSocket => ({ file: 'tcp', local, state: '0A', inode });
const SSHD: FakeProcess = { pid: 50, name: 'sshd', sockets: [500, 501, 502] };

test('where ssh servers listen, and not the ends of tunnels or what others listen for', () => {
  const sockets = [listen('0.0.0.0:2222', 500), listen('192.0.2.1:22', 501), listen('127.0.0.1:6010', 502)];
  const mysqld = { pid: 51, name: 'mysqld', sockets: [510] };
  expect(found([SSHD, mysqld], [...sockets, listen('0.0.0.0:3306', 510)])).toEqual([22, 2222]);
});

test('a port that systemd listens on for sshd, by a connection that sshd serves; not where sshd connects to', () => {
  const session = { pid: 60, name: 'sshd-session', sockets: [600, 601] };
  const served: FakeSocket = {
    ...{ file: 'tcp', local: '192.0.2.1:2022', remote: '198.51.100.4:50000', state: '01', inode: 600 },
  };
  const tunnel: FakeSocket = { ...served, local: '192.0.2.1:40000', remote: '192.0.2.7:80', inode: 601 };
  const init = { pid: 1, name: 'systemd', sockets: [100, 101] };
  const sockets = [listen('0.0.0.0:2022', 100), listen('0.0.0.0:631', 101), served, tunnel];
  expect(found([init, session], sockets)).toEqual([2022]);
});

test('what the configuration of an sshd says that does not run, and 22 where it says nothing', () => {
  const config = {
    sshd_config:
      'Include ETC/sshd_config.d/*.conf\n# Port 21\nport 2200\nListenAddress 192.0.2.1:2201\nListenAddress 192.0.2.2\nPort=99999\n',
    'sshd_config.d/more.conf': 'Port 2202\n',
    'sshd_config.d/more.conf.old': 'Port 2203\n',
  };
  expect(found([], [], config)).toEqual([2200, 2201, 2202]);
  remove();
  expect(found([], [], { sshd_config: 'PermitRootLogin no\n' })).toEqual([22]);
  remove();
  expect(found([], [])).toEqual([]);
});
