// moat audit against packets: rules of many programs in a machine, and for each port whether dials find what was told.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { documentedSchema, schemaProblems } from '../json-schema.ts';

let network: Network;
let moat: Moat;
let outside: Agent;
let blog: Agent;
let server: Agent;
let folder: string;

const PORTS = [22, 80, 3306];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moat-audit-'));
  network = await createNetwork();
  moat = await moatOn(network.server);
  [outside, blog, server] = await Promise.all([
    startAgent(network.outside),
    startAgent(network.blog),
    startAgent(network.server, { title: 'mysqld' }),
  ]);
  for (const port of PORTS) await server.serve(port);
});

afterAll(async () => {
  await Promise.all([outside, blog, server].map((agent) => agent?.stop()));
  await network?.destroy();
  await moat?.destroy();
  await rm(folder, { recursive: true, force: true });
});

afterEach(async () => {
  await network.server.run('nft', ['flush', 'ruleset']);
  for (const program of ['iptables-legacy', 'ip6tables-legacy'])
    for (const args of [['-P', 'INPUT', 'ACCEPT'], ['-F'], ['-X'], ['-t', 'nat', '-F'], ['-t', 'nat', '-X']])
      await network.server.run(program, args);
});

interface Row {
  readonly family: 'ipv4' | 'ipv6';
  readonly proto: string;
  readonly port: number | string;
  readonly sources: readonly string[];
  readonly to?: readonly string[];
  readonly reaches: { readonly kind: string; readonly name: string | null };
  readonly openedBy: readonly {
    readonly owner: string;
    readonly table: string | null;
    readonly program: string | null;
  }[];
}

/** Runs the lines in the machine; nft's text if it is one. */
async function load(rules: { readonly sh?: string; readonly nft?: string }): Promise<void> {
  if (rules.sh !== undefined) await network.server.output('sh', ['-ec', rules.sh]);
  if (rules.nft !== undefined) {
    const file = join(folder, 'rules.nft');
    await writeFile(file, rules.nft.replaceAll('; }', '\n}\n'));
    await network.server.output('nft', ['-f', file]);
  }
}

async function audited(): Promise<readonly Row[]> {
  const told = JSON.parse(await moat.ok('audit', '--json'));
  expect(schemaProblems(documentedSchema('audit'), told)).toEqual([]);
  return told.exposures;
}

/** `outside ipv4 22 open` for each of two machines, both families and every port. */
async function dialled(): Promise<string[]> {
  const lines: string[] = [];
  for (const [name, agent] of [
    ['outside', outside],
    ['blog', blog],
  ] as const)
    for (const family of ['ipv4', 'ipv6'] as const)
      for (const port of PORTS) {
        const host = network.server.addresses[family === 'ipv4' ? 'v4' : 'v6'];
        const { result } = await agent.dial(host, port, { timeoutMs: 400 });
        lines.push(`${name} ${family} ${port} ${result === 'open' ? 'open' : 'closed'}`);
      }
  return lines;
}

function told(rows: readonly Row[]): string[] {
  const lines: string[] = [];
  for (const name of ['outside', 'blog'] as const)
    for (const family of ['ipv4', 'ipv6'] as const)
      for (const port of PORTS) {
        const address = network[name].addresses[family === 'ipv4' ? 'v4' : 'v6'];
        const open = rows.some(
          (row) =>
            row.family === family &&
            row.proto === 'tcp' &&
            row.port === port &&
            row.reaches.kind === 'process' &&
            row.to === undefined &&
            row.sources.some((prefix) => holds(prefix, address)),
        );
        lines.push(`${name} ${family} ${port} ${open ? 'open' : 'closed'}`);
      }
  return lines;
}

function holds(prefix: string, address: string): boolean {
  const [network = '', length = '0'] = prefix.split('/');
  return bits(network).slice(0, Number(length)) === bits(address).slice(0, Number(length));
}

function bits(address: string): string {
  if (!address.includes(':'))
    return address
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('');
  const [head = '', tail] = address.split('::');
  const parts = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [first, last] = [parts(head), parts(tail ?? '')];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => '0');
  return [...first, ...zeros, ...last]
    .map((part) =>
      Number.parseInt(part || '0', 16)
        .toString(2)
        .padStart(16, '0'),
    )
    .join('');
}

const CASES: readonly {
  readonly name: string;
  readonly rules: { readonly sh?: string; readonly nft?: string };
  /** Who opened 22 for the machines for which it is open. */
  readonly owner: string | RegExp;
}[] = [
  { name: 'no rules at all', rules: {}, owner: 'no firewall' },
  {
    name: 'a native nft table that drops',
    rules: {
      nft: `table inet mine { chain in { type filter hook input priority 0; policy drop;
        ct state established,related accept; iif lo accept; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        tcp dport 22 accept; ip saddr 203.0.113.7 tcp dport 3306 accept; } }`,
    },
    owner: /nftables/,
  },
  {
    name: 'a native table that drops what iptables accepts',
    rules: {
      sh: 'iptables -P INPUT DROP; iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; iptables -A INPUT -p tcp -m multiport --dports 22,80 -j ACCEPT',
      nft: 'table inet ddos { set bad { type ipv4_addr; elements = { 198.51.100.4 }; }\nchain in { type filter hook prerouting priority -300; ip saddr @bad drop; tcp dport 80 drop; } }',
    },
    owner: /iptables/,
  },
  {
    name: 'iptables-legacy',
    rules: {
      sh: 'for p in iptables-legacy ip6tables-legacy; do $p -P INPUT DROP; $p -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; $p -A INPUT -p icmpv6 -j ACCEPT || true; $p -A INPUT -p tcp --dport 22 -j ACCEPT; done; iptables-legacy -A INPUT -s 203.0.113.7 -p tcp --dport 3306 -j ACCEPT',
    },
    owner: /iptables/,
  },
  {
    name: 'bans of fail2ban by iptables',
    rules: {
      sh: 'iptables -N f2b-sshd; iptables -A f2b-sshd -s 198.51.100.4 -j REJECT --reject-with icmp-port-unreachable; iptables -A f2b-sshd -j RETURN; iptables -I INPUT -p tcp -m multiport --dports 22 -j f2b-sshd',
    },
    owner: 'no firewall',
  },
  {
    name: 'bans of fail2ban by nft',
    rules: {
      nft: `table inet f2b-table { set addr-set-sshd { type ipv4_addr; elements = { 198.51.100.4 }; }
        set addr6-set-sshd { type ipv6_addr; elements = { 2001:db8:4::4 }; }
        chain f2b-chain { type filter hook input priority filter - 1; policy accept;
        tcp dport { 22 } ip saddr @addr-set-sshd reject; tcp dport { 22 } ip6 saddr @addr6-set-sshd reject; } }`,
    },
    owner: /fail2ban|no firewall/,
  },
  {
    name: 'firewalld’s shape: zones by interface',
    rules: {
      nft: `table inet firewalld {
        chain filter_INPUT { type filter hook input priority filter + 10; policy accept;
          ct state { established, related } accept; ct status dnat accept; iifname "lo" accept
          ct state invalid drop; jump filter_INPUT_ZONES; reject with icmpx admin-prohibited; }
        chain filter_INPUT_ZONES { iifname "eth0" goto filter_IN_public; goto filter_IN_public; }
        chain filter_IN_public { jump filter_IN_public_deny; jump filter_IN_public_allow; meta l4proto { icmp, ipv6-icmp } accept; reject with icmpx admin-prohibited; }
        chain filter_IN_public_deny { ip saddr 198.51.100.4 tcp dport 80 drop; }
        chain filter_IN_public_allow { tcp dport 22 accept; tcp dport 80 accept; } }`,
    },
    owner: 'firewalld',
  },
  {
    name: 'libvirt’s shape: its bridges only',
    rules: {
      sh: 'iptables -N LIBVIRT_INP; iptables -A INPUT -j LIBVIRT_INP; iptables -A LIBVIRT_INP -i virbr0 -p tcp -m tcp --dport 3306 -j ACCEPT; iptables -A INPUT -p tcp --dport 3306 -j REJECT',
    },
    owner: 'no firewall',
  },
  {
    name: 'a redirect: another port leads to the same socket',
    rules: {
      nft: `table ip nat { chain pre { type nat hook prerouting priority dstnat; tcp dport 2222 redirect to :22; }
        }
        table ip f { chain in { type filter hook input priority 0; policy drop; ct state established accept; tcp dport 22 accept; } }`,
    },
    owner: /nftables/,
  },
];

describe('what is told is what dials find', () => {
  test.each(CASES)('$name', async ({ rules, owner }) => {
    await load(rules);
    const rows = await audited();
    expect(told(rows)).toEqual(await dialled());
    const [ssh] = rows.filter(({ port, family }) => port === 22 && family === 'ipv4');
    expect(ssh?.openedBy.map((rule) => rule.owner).join()).toMatch(owner);
  });
});

test('a redirected port is the process behind it, and the dial finds it', async () => {
  await load(CASES.at(-1)!.rules);
  const [row] = (await audited()).filter(({ port }) => port === 2222);
  expect(row?.reaches).toMatchObject({ kind: 'process', name: 'mysqld' });
  expect((await outside.dial(network.server.addresses.v4, 2222, { timeoutMs: 400 })).result).toBe('open');
});

test('a translation of Podman’s is a container, past a firewall that opens nothing', async () => {
  const third = await startAgent(network.third);
  await third.serve(8080);
  await load({
    sh: [
      'iptables -P INPUT DROP',
      'iptables -t nat -N NETAVARK-HOSTPORT-DNAT',
      'iptables -t nat -N NETAVARK-DN-1D8721804F16F',
      'iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT',
      'iptables -t nat -A NETAVARK-HOSTPORT-DNAT -p tcp --dport 8080 -j NETAVARK-DN-1D8721804F16F',
      `iptables -t nat -A NETAVARK-DN-1D8721804F16F -p tcp --dport 8080 -j DNAT --to-destination ${network.third.addresses.v4}:8080`,
      'iptables -t nat -A POSTROUTING -p tcp --dport 8080 -j MASQUERADE',
    ].join('\n'),
  });
  const [row, ...more] = (await audited()).filter(
    ({ family, proto }) => family === 'ipv4' && proto === 'tcp',
  );
  expect(more).toEqual([]);
  expect(row).toMatchObject({
    port: 8080,
    sources: ['0.0.0.0/0'],
    reaches: { kind: 'container', name: `${network.third.addresses.v4}:8080` },
    openedBy: [{ owner: 'podman', table: 'nat', chain: 'NETAVARK-DN-1D8721804F16F', rule: 1 }],
  });
  expect((await outside.dial(network.server.addresses.v4, 8080, { timeoutMs: 800 })).result).toBe('open');
  expect((await outside.dial(network.server.addresses.v4, 22, { timeoutMs: 400 })).result).toBe('timeout');
  await third.stop();
});

test('status tells what is open past moat, and nothing when nothing is', async () => {
  await moat.ok('allow', '22');
  await moat.ok('enable', '--confirm', '0');
  expect(await moat.ok('status')).not.toMatch(/Open past moat/);
  expect((await outside.dial(network.server.addresses.v4, 3306, { timeoutMs: 400 })).result).toBe('timeout');
  await network.server.output('nft', ['flush', 'chain', 'inet', 'moat', 'prerouting']);
  expect((await outside.dial(network.server.addresses.v4, 3306, { timeoutMs: 400 })).result).toBe('open');
  const status = await moat.ok('status');
  expect(status.slice(status.indexOf('Open past moat'))).toMatch(/^anywhere\s+3306\/tcp\s+mysqld/m);
  await moat.ok('disable');
});
