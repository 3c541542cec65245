import { type Address, parseAddress } from '@moat/netfilter';
import { expect, test } from 'vitest';
import { NO_LINKS } from '../compile/container-links.ts';
import { compileTable } from '../compile/table.ts';
import type { AdminConnection } from '../kernel/admin-connections.ts';
import type { Link } from '../kernel/links.ts';
import { runningFlows } from '../kernel/running-flows.ts';
import { parsePolicyFile } from '../policy/file.ts';
import { parseServices } from '../policy/services.ts';
import { refusedFlows } from './refused-flows.ts';

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

function link(name: string, kind: string | undefined, own: string, length: number): Link {
  const addresses = [{ address: address(own), length, scope: 'global' }];
  return { index: 1, name, kind, loopback: false, up: true, master: undefined, addresses };
}

const LINKS = [link('eth0', 'veth', '203.0.113.130', 25), link('docker0', 'bridge', '172.17.0.1', 16)];

/** One line each, as ct_seq_show writes them. */
const FLOWS = {
  host: 'ipv4     2 tcp      6 431999 ESTABLISHED src=192.0.2.9 dst=203.0.113.130 sport=40000 dport=80 src=203.0.113.130 dst=192.0.2.9 sport=80 dport=40000 [ASSURED] mark=0 use=2',
  container:
    'ipv4     2 tcp      6 431999 ESTABLISHED src=192.0.2.9 dst=203.0.113.130 sport=40001 dport=81 src=172.17.0.2 dst=192.0.2.9 sport=8081 dport=40001 [ASSURED] mark=0 use=2',
  outgoing:
    'ipv4     2 udp      17 20 src=203.0.113.130 dst=192.0.2.9 sport=41000 dport=53 [UNREPLIED] src=192.0.2.9 dst=203.0.113.130 sport=53 dport=41000 mark=0 use=2',
  fromContainer:
    'ipv4     2 tcp      6 9 ESTABLISHED src=172.17.0.2 dst=192.0.2.9 sport=42000 dport=443 src=192.0.2.9 dst=203.0.113.130 sport=443 dport=42000 mark=0 use=2',
  wrongWayRound:
    'ipv4     2 tcp      6 9 ESTABLISHED src=192.0.2.9 dst=203.0.113.130 sport=443 dport=42001 src=203.0.113.130 dst=192.0.2.9 sport=42001 dport=443 mark=0 use=2',
  routed:
    'ipv4     2 tcp      6 9 ESTABLISHED src=198.51.100.7 dst=192.0.2.9 sport=40000 dport=80 src=192.0.2.9 dst=198.51.100.7 sport=80 dport=40000 mark=0 use=2',
  ping: 'ipv4     2 icmp     1 29 src=192.0.2.9 dst=203.0.113.130 type=8 code=0 id=7 src=203.0.113.130 dst=192.0.2.9 type=0 code=0 id=7 mark=0 use=2',
  here: 'ipv4     2 tcp      6 9 ESTABLISHED src=127.0.0.1 dst=127.0.0.1 sport=1 dport=80 src=127.0.0.1 dst=127.0.0.1 sport=80 dport=1 mark=0 use=2',
} as const;

const ALL = runningFlows(Object.values(FLOWS).join('\n'));

function refused(policy: string, admins: readonly AdminConnection[] = []): string[] {
  const parsed = parsePolicyFile(policy, parseServices(''));
  if (!parsed.ok) throw new Error(policy);
  const table = compileTable(parsed.file.policy, NO_LINKS);
  const names = Object.keys(FLOWS);
  return refusedFlows(table, ALL, LINKS, admins).map((flow) => names[ALL.indexOf(flow)]!);
}

test('every line is read', () => {
  expect(ALL).toHaveLength(Object.keys(FLOWS).length);
  expect(ALL[1]).toEqual({
    family: 'ipv4',
    protocol: 'tcp',
    original: {
      source: { address: address('192.0.2.9'), port: 40001 },
      destination: { address: address('203.0.113.130'), port: 81 },
    },
    reply: {
      source: { address: address('172.17.0.2'), port: 8081 },
      destination: { address: address('192.0.2.9'), port: 40001 },
    },
  });
  expect(runningFlows('nonsense\nipv4 2 tcp 6 src=x dst=y\n')).toEqual([]);
});

test('a flow is refused by the port that was dialled, wherever it was sent on to', () => {
  expect(refused('allow 80/tcp\nallow 81/tcp\ndefault allow routed\n')).toEqual([]);
  expect(refused('allow 80/tcp\ndefault allow routed\n')).toEqual(['container']);
  expect(refused('allow 8081/tcp\ndefault allow routed\n')).toEqual(['host', 'container']);
  expect(refused('deny from 192.0.2.0/24\nallow 80,81/tcp\n')).toEqual(['host', 'container', 'routed']);
});

test('flows from here and from containers are outgoing', () => {
  const rest = 'allow 80/tcp\nallow 81/tcp\ndefault allow routed\n';
  expect(refused(`deny out to 192.0.2.9\n${rest}`)).toEqual(['outgoing', 'fromContainer']);
  expect(refused(`deny out 53/udp\n${rest}`)).toEqual(['outgoing']);
});

test('what may come by an interface that lets it in is not refused for certain; an admin’s is never', () => {
  expect(refused('allow in on eth0\ndefault allow routed\n')).toEqual([]);
  expect(refused('allow in on wg0\ndefault allow routed\n')).toEqual(['host', 'container']);
  const end = (text: string, port: number) => ({ address: address(text), port });
  const admin = {
    remote: end('192.0.2.9', 40000),
    dialled: end('203.0.113.130', 80),
  } as AdminConnection;
  expect(refused('default allow routed\n', [admin])).toEqual(['container']);
});
