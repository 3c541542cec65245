import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAddress } from '@moat/netfilter';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dockerSocket, readDocker } from './docker.ts';

let folder: string;
let socket: string;
let server: Server | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'docker-'));
  socket = join(folder, 'docker.sock');
});
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  rmSync(folder, { recursive: true });
});

const ID = '0123456789abcdef'.repeat(4);
const ANSWERS: Record<string, unknown> = {
  '/version': { Version: '20.10.24+dfsg1', ApiVersion: '1.41' },
  '/containers/json': [
    {
      Id: ID,
      Names: ['/some-app-container', '/other/alias'],
      Image: 'some-app',
      Ports: [
        { IP: '0.0.0.0', PrivatePort: 8080, PublicPort: 80, Type: 'tcp' },
        { IP: '::', PrivatePort: 8080, PublicPort: 80, Type: 'tcp' },
        { IP: '127.0.0.1', PrivatePort: 53, PublicPort: 5353, Type: 'udp' },
        { PrivatePort: 9000, Type: 'tcp' },
      ],
      NetworkSettings: {
        Networks: {
          bridge: { IPAddress: '172.17.0.2', GlobalIPv6Address: '' },
          back: { IPAddress: '172.18.0.3', GlobalIPv6Address: '2001:db8:1::3' },
        },
      },
    },
    { Id: 'f'.repeat(64), Names: null, Image: 'bare', Ports: null, NetworkSettings: { Networks: null } },
  ],
  '/networks': [
    {
      Id: 'a'.repeat(64),
      Name: 'bridge',
      Driver: 'bridge',
      Options: { 'com.docker.network.bridge.name': 'docker7' },
    },
    { Id: ID, Name: 'back', Driver: 'bridge', Options: {} },
    {
      Id: 'b'.repeat(64),
      Name: 'named',
      Driver: 'bridge',
      Options: { 'com.docker.network.bridge.name': 'br0' },
    },
    { Id: 'c'.repeat(64), Name: 'host', Driver: 'host', Options: null },
  ],
};

async function engine(answer: (path: string, response: ServerResponse) => void): Promise<void> {
  server = createServer((request, response) => answer(request.url ?? '', response));
  await new Promise<void>((listening) => server?.listen(socket, listening));
}
const canned = (answers: Record<string, unknown>) =>
  engine((path, response) => response.end(JSON.stringify(answers[path])));

test('containers, published ports and bridges', async () => {
  await canned(ANSWERS);
  expect(await readDocker({ socket })).toEqual({
    kind: 'engine',
    version: '20.10.24+dfsg1',
    containers: [
      {
        id: ID,
        names: ['some-app-container', 'other/alias'],
        image: 'some-app',
        networks: [
          { name: 'bridge', addresses: [parseAddress('172.17.0.2')] },
          { name: 'back', addresses: [parseAddress('172.18.0.3'), parseAddress('2001:db8:1::3')] },
        ],
        ports: [
          { protocol: 'tcp', hostAddress: parseAddress('0.0.0.0'), hostPort: 80, containerPort: 8080 },
          { protocol: 'tcp', hostAddress: parseAddress('::'), hostPort: 80, containerPort: 8080 },
          { protocol: 'udp', hostAddress: parseAddress('127.0.0.1'), hostPort: 5353, containerPort: 53 },
        ],
      },
      { id: 'f'.repeat(64), names: [], image: 'bare', networks: [], ports: [] },
    ],
    networks: [
      { id: 'a'.repeat(64), name: 'bridge', bridge: 'docker7' },
      { id: ID, name: 'back', bridge: 'br-0123456789ab' },
      { id: 'b'.repeat(64), name: 'named', bridge: 'br0' },
    ],
  });
});

test('the default network without an option is docker0', async () => {
  await canned({ ...ANSWERS, '/networks': [{ Id: ID, Name: 'bridge', Driver: 'bridge', Options: null }] });
  expect(await readDocker({ socket })).toMatchObject({ networks: [{ bridge: 'docker0' }] });
});

test('Podman: an empty address is any, and its bridges have names of their own', async () => {
  await canned({
    '/version': { Version: '4.3.1' },
    '/containers/json': [
      {
        ...(ANSWERS['/containers/json'] as object[])[0],
        Ports: [{ IP: '', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' }],
      },
    ],
    '/networks': [{ Id: ID, Name: 'podman', Driver: 'bridge', Options: {} }],
    '/v4.0.0/libpod/networks/json': [{ id: ID, name: 'podman', network_interface: 'podman0' }],
  });
  const podman = await readDocker({ socket, podman: true });
  expect(podman).toMatchObject({
    networks: [{ name: 'podman', bridge: 'podman0' }],
    containers: [
      {
        ports: [
          { hostAddress: parseAddress('0.0.0.0'), hostPort: 8080, containerPort: 80 },
          { hostAddress: parseAddress('::'), hostPort: 8080, containerPort: 80 },
        ],
      },
    ],
  });
});

test('a socket behind a link is the same socket', async () => {
  await canned(ANSWERS);
  const link = join(folder, 'link.sock');
  symlinkSync(socket, link);
  expect(await readDocker({ socket: link })).toMatchObject({ kind: 'engine' });
});

test('an engine of another network namespace', async () => {
  await canned(ANSWERS);
  const proc = join(folder, 'proc');
  symlinkSync(folder, proc);
  symlinkSync(folder, join(folder, 'net'));
  writeFileSync(
    join(folder, 'unix'),
    'Num RefCount Protocol Flags Type St Inode Path\n0: 2 0 0 0001 01 7 /other.sock\n',
  );
  expect(await readDocker({ socket, proc })).toEqual({ kind: 'elsewhere', socket });
});

test('no engine', async () => {
  expect(await readDocker({ socket })).toBeUndefined();
  await canned(ANSWERS);
  const left = join(folder, 'left.sock');
  // Connecting to it is refused, as with the socket that a killed engine leaves behind.
  writeFileSync(left, '');
  expect(await readDocker({ socket: left })).toBeUndefined();
});

test('an engine that does not answer', async () => {
  await engine(() => {});
  const begin = Date.now();
  const docker = await readDocker({ socket, timeoutMs: 100 });
  expect(docker).toMatchObject({ kind: 'unreadable', reason: expect.stringContaining('within 100 ms') });
  expect(Date.now() - begin).toBeLessThan(1500);
});

test('an engine that stops in the middle of its answer', async () => {
  await engine((_, response) => response.write('[{'));
  expect(await readDocker({ socket, timeoutMs: 100 })).toMatchObject({
    kind: 'unreadable',
    reason: expect.stringContaining('within 100 ms'),
  });
});

test('an engine that refuses or talks nonsense', async () => {
  await engine((_, response) => {
    response.statusCode = 500;
    response.end('{"message":"broken"}');
  });
  expect(await readDocker({ socket })).toMatchObject({ reason: expect.stringContaining('HTTP status 500') });
  server?.removeAllListeners('request');
  server?.on('request', (_, response: ServerResponse) => response.end('<html>'));
  expect(await readDocker({ socket })).toMatchObject({
    reason: expect.stringContaining('did not give JSON'),
  });
});

test('only a unix socket in DOCKER_HOST is an engine of this host', () => {
  expect(dockerSocket('unix:///run/other.sock')).toBe('/run/other.sock');
  expect(dockerSocket('tcp://192.0.2.1:2375')).toBe('/var/run/docker.sock');
  expect(dockerSocket(undefined)).toBe('/var/run/docker.sock');
});
