import { formatAddress } from '@moat/netfilter';
import { afterEach, expect, test } from 'vitest';
import type { Container, Docker } from './docker.ts';
import { end, type FakeProcess, type FakeSocket, fakeProc } from './fake-proc.ts';
import { joinListeners } from './listeners.ts';
import { socketOwners } from './processes.ts';
import { readSockets } from './sockets.ts';

let remove = () => {};
afterEach(() => remove());

const ID = '0123456789abcdef'.repeat(4);
function engine(...containers: Partial<Container>[]): Docker {
  const defaults = { id: ID, names: ['web'], image: 'some-app', networks: [], ports: [] };
  return {
    kind: 'engine',
    version: '20.10',
    networks: [],
    containers: containers.map((one) => ({ ...defaults, ...one })),
  };
}
const published = (host: string, containerPort: number, protocol: 'tcp' | 'udp' = 'tcp') => ({
  protocol,
  hostAddress: end(host).address,
  hostPort: end(host).port,
  containerPort,
});

/** `tcp 0.0.0.0:22 sshd`, one for each listener. */
function join(processes: readonly FakeProcess[], sockets: readonly FakeSocket[], docker?: Docker): string[] {
  const fake = fakeProc(processes, sockets);
  remove = fake.remove;
  const read = readSockets(fake.proc);
  const owned = socketOwners(new Set(read.map((socket) => socket.inode)), fake.proc);
  return joinListeners(read, owned, docker).map(({ protocol, family, address, port, what }) => {
    expect(address.family).toBe(family);
    const who =
      what.kind === 'process'
        ? `${what.name} ${what.pid} ${what.unit ?? '-'}`
        : what.kind === 'container'
          ? `container ${what.name}:${what.containerPort}`
          : what.kind === 'forward'
            ? `forward ${what.to}`
            : `unknown ${what.uid}`;
    return `${protocol} ${formatAddress(address)} ${port} ${who}`;
  });
}

test('processes with their units, once for each family', () => {
  expect(
    join(
      [
        { pid: 50, name: 'sshd', cgroup: '0::/system.slice/ssh.service\n', sockets: [1, 2] },
        { pid: 51, name: 'apache2', sockets: [3] },
        { pid: 52, name: 'apache2', sockets: [3] },
      ],
      [
        { file: 'tcp', local: '0.0.0.0:22', state: '0A', inode: 1 },
        { file: 'tcp6', local: '[::]:22', state: '0A', inode: 2 },
        { file: 'tcp6', local: '[::]:80', state: '0A', inode: 3 },
        { file: 'tcp', local: '192.0.2.1:22', remote: '198.51.100.4:50000', state: '01', inode: 4 },
        { file: 'udp', local: '127.0.0.1:323', state: '07', inode: 5, uid: 107 },
        { file: 'udp', local: '192.0.2.1:40000', remote: '198.51.100.4:53', state: '01', inode: 6 },
      ],
    ),
  ).toEqual([
    'tcp 0.0.0.0 22 sshd 50 ssh.service',
    'tcp :: 22 sshd 50 ssh.service',
    'tcp 0.0.0.0 80 apache2 51 -',
    'tcp :: 80 apache2 51 -',
    'udp 127.0.0.1 323 unknown 107',
  ]);
});

test('a socket that systemd handed over is the service’s, and systemd’s until then', () => {
  const sockets: FakeSocket[] = [
    { file: 'tcp', local: '0.0.0.0:22', state: '0A', inode: 1 },
    { file: 'tcp', local: '0.0.0.0:631', state: '0A', inode: 2 },
  ];
  expect(
    join(
      [
        { pid: 1, parent: 0, name: 'systemd', sockets: [1, 2] },
        { pid: 50, name: 'sshd', sockets: [1] },
      ],
      sockets,
    ),
  ).toEqual(['tcp 0.0.0.0 22 sshd 50 -', 'tcp 0.0.0.0 631 systemd 1 -']);
});

test.each(['docker-proxy', 'dockerd'])('a published port is the container’s although %s listens', (name) => {
  expect(
    join(
      [{ pid: 70, name, sockets: [1, 2, 3] }],
      [
        { file: 'tcp', local: '0.0.0.0:80', state: '0A', inode: 1 },
        { file: 'tcp6', local: '[::]:80', state: '0A', inode: 2 },
        { file: 'tcp', local: '0.0.0.0:2377', state: '0A', inode: 3 },
      ],
      engine({ ports: [published('0.0.0.0:80', 8080), published('[::]:80', 8080)] }),
    ),
  ).toEqual([
    'tcp 0.0.0.0 80 container web:8080',
    'tcp :: 80 container web:8080',
    `tcp 0.0.0.0 2377 ${name} 70 -`,
  ]);
});

test('a proxy that takes both families leads to the container in both', () => {
  expect(
    join(
      [{ pid: 70, name: 'docker-proxy', sockets: [1] }],
      [{ file: 'tcp6', local: '[::]:80', state: '0A', inode: 1 }],
      engine({ ports: [published('0.0.0.0:80', 8080)] }),
    ),
  ).toEqual(['tcp 0.0.0.0 80 container web:8080', 'tcp :: 80 container web:8080']);
});

test('a published port is the container’s without any socket', () => {
  expect(join([], [], engine({ ports: [published('192.0.2.1:53', 53, 'udp')] }))).toEqual([
    'udp 192.0.2.1 53 container web:53',
  ]);
});

test('it hides no process on another address or protocol of that port', () => {
  expect(
    join(
      [
        { pid: 70, name: 'docker-proxy', sockets: [1] },
        { pid: 71, name: 'nginx', sockets: [2, 3] },
      ],
      [
        { file: 'tcp', local: '192.0.2.1:80', state: '0A', inode: 1 },
        { file: 'tcp', local: '127.0.0.1:80', state: '0A', inode: 2 },
        { file: 'udp', local: '192.0.2.1:80', state: '07', inode: 3 },
      ],
      engine({ ports: [published('192.0.2.1:80', 80)] }),
    ),
  ).toEqual([
    'tcp 127.0.0.1 80 nginx 71 -',
    'tcp 192.0.2.1 80 container web:80',
    'udp 192.0.2.1 80 nginx 71 -',
  ]);
});

test('docker-proxy without an engine to ask is a process', () => {
  expect(
    join(
      [{ pid: 70, name: 'docker-proxy', sockets: [1] }],
      [{ file: 'tcp', local: '0.0.0.0:80', state: '0A', inode: 1 }],
      { kind: 'unreadable', reason: 'no permission' },
    ),
  ).toEqual(['tcp 0.0.0.0 80 docker-proxy 70 -']);
});

test('a container on the host’s network is named by the engine', () => {
  const cgroup = `0::/system.slice/docker-${ID}.scope\n`;
  expect(
    join(
      [{ pid: 80, name: 'mysqld', cgroup, sockets: [1] }],
      [{ file: 'tcp', local: '0.0.0.0:3306', state: '0A', inode: 1 }],
      engine({ names: ['app/db', 'database'] }),
    ),
  ).toEqual(['tcp 0.0.0.0 3306 container database:3306']);
});
