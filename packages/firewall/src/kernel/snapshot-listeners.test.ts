import { formatAddress, type Snapshot } from '@moat/netfilter';
import { expect, test } from 'vitest';
import { snapshotListeners } from './snapshot-listeners.ts';

const SNAPSHOT: Snapshot = {
  format: 'moat-snapshot',
  version: 1,
  taken: '2026-01-02T03:04:05.000Z',
  hostname: 'db',
  kernel: '6.1.0',
  consistent: true,
  rulesets: {
    iptables:
      '*nat\n-A PREROUTING -d 192.0.2.1/32 -p tcp -m tcp --dport 81 -j DNAT --to-destination 10.0.0.2:80\nCOMMIT\n',
  },
  sockets: [
    {
      protocol: 'tcp',
      families: ['ipv4', 'ipv6'],
      address: '::',
      port: 22,
      uid: 0,
      processes: [{ pid: 7, name: 'sshd', args: ['sshd'], unit: 'ssh.service' }],
    },
    { protocol: 'udp', families: ['ipv4'], address: '127.0.0.1', port: 53, uid: 101, processes: [] },
    {
      protocol: 'tcp',
      families: ['ipv4'],
      address: '0.0.0.0',
      port: 80,
      uid: 0,
      processes: [{ pid: 9, name: 'docker-proxy', args: ['docker-proxy'] }],
    },
  ],
  containers: [
    {
      engine: 'docker',
      id: 'ab',
      names: ['web'],
      image: 'nginx',
      networks: [{ name: 'bridge', addresses: ['172.17.0.2'] }],
      ports: [{ protocol: 'tcp', address: '0.0.0.0', port: 80, containerPort: 8080 }],
    },
  ],
  missing: [],
};

test('sockets, containers and forwards of a snapshot are what answers on its machine', () => {
  const { listeners, complete } = snapshotListeners(SNAPSHOT);
  expect(complete).toBe(true);
  expect(
    listeners.map(({ protocol, address, port, what }) => [
      `${protocol} ${formatAddress(address)} ${port}`,
      what,
    ]),
  ).toEqual([
    ['tcp 0.0.0.0 22', { kind: 'process', name: 'sshd', pid: 7, unit: 'ssh.service' }],
    ['tcp :: 22', { kind: 'process', name: 'sshd', pid: 7, unit: 'ssh.service' }],
    ['udp 127.0.0.1 53', { kind: 'unknown', uid: 101 }],
    ['tcp 0.0.0.0 80', { kind: 'container', name: 'web', containerPort: 8080 }],
    ['tcp 192.0.2.1 81', { kind: 'forward', to: '10.0.0.2:80' }],
  ]);
});

test('processes that could not be looked at make it incomplete', () => {
  const missing = [{ what: 'processes of some sockets', why: 'takes root' }];
  expect(snapshotListeners({ ...SNAPSHOT, missing }).complete).toBe(false);
});
