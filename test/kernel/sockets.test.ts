import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { formatAddress } from '@moat/netfilter';
import { afterEach, expect, test } from 'vitest';
import { assertPrivateNetwork } from '../../lab/guard.ts';
import { joinListeners } from '../../packages/firewall/src/kernel/listeners.ts';
import { readProcess, socketOwners } from '../../packages/firewall/src/kernel/processes.ts';
import { readSockets, type Socket } from '../../packages/firewall/src/kernel/sockets.ts';

assertPrivateNetwork();

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function listen(host: string, port: number, ipv6Only = false): Promise<Server> {
  const server = createServer();
  closing.push(() => server.close());
  server.listen({ host, port, ipv6Only });
  await once(server, 'listening');
  return server;
}

const told = (socket: Socket) => {
  const local = `${socket.protocol} ${formatAddress(socket.local.address)} ${socket.local.port}`;
  return socket.kind === 'open'
    ? `${local} ${socket.families.join('+')}`
    : `${local} to ${formatAddress(socket.remote.address)}`;
};

test('what the kernel has open is what is read', async () => {
  await listen('127.0.0.1', 7001);
  await listen('::1', 7002);
  await listen('::', 7003);
  await listen('0.0.0.0', 7004);
  await listen('::', 7004, true);
  const udp = createSocket({ type: 'udp6' });
  closing.push(() => udp.close());
  udp.bind(7005, '::');
  await once(udp, 'listening');
  const open = readSockets().filter((socket) => socket.kind === 'open');
  expect(open.map(told).sort()).toEqual([
    'tcp 0.0.0.0 7004 ipv4',
    'tcp 127.0.0.1 7001 ipv4',
    'tcp :: 7003 ipv4+ipv6',
    'tcp :: 7004 ipv6',
    'tcp ::1 7002 ipv6',
    'udp :: 7005 ipv4+ipv6',
  ]);
});

test('an IPv4 client of an IPv6 listener, seen from both ends', async () => {
  const server = await listen('::', 7003);
  const client = connect(7003, '127.0.0.1');
  closing.push(() => client.destroy());
  const [accepted] = await once(server, 'connection');
  closing.push(() => accepted.destroy());
  const connected = readSockets().filter((socket) => socket.kind === 'connected');
  expect(connected.map(told).sort()).toEqual(
    [`tcp 127.0.0.1 7003 to 127.0.0.1`, `tcp 127.0.0.1 ${client.localPort} to 127.0.0.1`].sort(),
  );
});

test('sockets lead to their processes', async () => {
  await listen('127.0.0.1', 7001);
  const child: ChildProcess = spawn(
    process.execPath,
    ['-e', 'require("net").createServer().listen(7006, "0.0.0.0", () => console.log("up"))'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  closing.push(() => child.kill());
  await once(child.stdout!, 'data');
  const sockets = readSockets();
  const owned = socketOwners(new Set(sockets.map((socket) => socket.inode)));
  const listeners = joinListeners(sockets, owned, undefined);
  expect(listeners.map(({ port, what }) => [port, what.kind === 'process' ? what.pid : what])).toEqual([
    [7001, process.pid],
    [7006, child.pid],
  ]);
});

test('a name that tries to look like the end of a name', async () => {
  const name = `${import.meta.dirname}/a) R 1 (b.tmp`;
  const child = spawn('sh', ['-c', 'cp /bin/sleep "$0" && exec "$0" 30', name]);
  closing.push(() => child.kill());
  try {
    for (let tries = 0; tries < 100 && readProcess(child.pid!)?.args[1] !== '30'; tries++) {
      await new Promise((wait) => setTimeout(wait, 20));
    }
    expect(readFileSync(`/proc/${child.pid}/comm`, 'utf8')).toBe('a) R 1 (b.tmp\n');
    expect(readProcess(child.pid!)).toMatchObject({ name: 'a) R 1 (b.tmp', parent: process.pid });
  } finally {
    rmSync(name);
  }
});
