import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { formatPeer, parsePeer, reachPeer } from './peer.ts';

test.each([
  ['fleet.example.org:2379', 'fleet.example.org:2379'],
  ['fleet.example.org', 'fleet.example.org:22'],
  ['192.0.2.1', '192.0.2.1:22'],
  ['192.0.2.1:443', '192.0.2.1:443'],
  ['2001:db8::1', '[2001:db8::1]:22'],
  ['[2001:db8::1]:2379', '[2001:db8::1]:2379'],
])('%s is %s', (text, peer) => {
  expect(formatPeer(parsePeer(text)!)).toBe(peer);
});

test.each([
  '',
  ':22',
  'host:',
  'host:0',
  'host:65536',
  'host:ssh',
  '[192.0.2.1]:22',
  'a b',
  '2001:db8::1:22:x',
])('%j is no peer', (text) => {
  expect(parsePeer(text)).toBeUndefined();
});

test('what listens on this host is this host, and what does not listen is not reached', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  expect(await reachPeer({ host: '127.0.0.1', port }, 2000)).toEqual({ kind: 'own' });
  await new Promise((resolve) => server.close(resolve));
  expect(await reachPeer({ host: '127.0.0.1', port }, 2000)).toMatchObject({
    kind: 'not reached',
    reason: expect.stringContaining('ECONNREFUSED'),
  });
});
