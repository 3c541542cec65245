import { hostOf, type Snapshot, type SnapshotSocket, snapshotRuleset } from '@moat/netfilter';
import { expect, test } from 'vitest';
import { documentedSchema, schemaProblems } from '../../../../test/json-schema.ts';
import { type Audit, auditOf } from './audit.ts';
import { auditJson } from './audit-json.ts';
import { auditText } from './audit-text.ts';

const link = (name: string, index: number, addresses: [string, number][], kind?: string) => ({
  name,
  index,
  ...(kind === undefined ? {} : { kind }),
  loopback: name === 'lo',
  up: true,
  group: 0,
  addresses: addresses.map(([address, prefixLength]) => ({
    family: address.includes(':') ? ('ipv6' as const) : ('ipv4' as const),
    address,
    prefixLength,
  })),
});

const route = (destination: string, device: string, table = 254) => ({
  family: destination.includes(':') ? ('ipv6' as const) : ('ipv4' as const),
  table,
  type: table === 255 ? ('local' as const) : ('unicast' as const),
  destination,
  nextHops: [{ device }],
});

const socket = (
  name: string,
  port: number,
  address = '::',
  protocol: 'tcp' | 'udp' = 'tcp',
): SnapshotSocket => ({
  protocol,
  families: address.includes(':') ? (address === '::' ? ['ipv4', 'ipv6'] : ['ipv6']) : ['ipv4'],
  address,
  port,
  uid: 0,
  processes: [{ pid: port, name, args: [name] }],
});

/** A machine at 203.0.113.130 and 2001:db8:5::10 with a container behind docker0. */
function snapshotOf(more: Partial<Snapshot>): Snapshot {
  return {
    format: 'moat-snapshot',
    version: 1,
    taken: '2026-01-01T00:00:00Z',
    hostname: 'server',
    kernel: '6.1.0',
    consistent: true,
    rulesets: {},
    links: [
      link('lo', 1, [
        ['127.0.0.1', 8],
        ['::1', 128],
      ]),
      link('eth0', 2, [
        ['203.0.113.130', 25],
        ['2001:db8:5::10', 64],
      ]),
      link('docker0', 3, [['172.17.0.1', 16]], 'bridge'),
    ],
    routes: [
      route('127.0.0.0/8', 'lo', 255),
      route('203.0.113.130', 'eth0', 255),
      route('172.17.0.1', 'docker0', 255),
      route('::1', 'lo', 255),
      route('2001:db8:5::10', 'eth0', 255),
      route('0.0.0.0/0', 'eth0'),
      route('172.17.0.0/16', 'docker0'),
      route('::/0', 'eth0'),
    ],
    rules: [
      { family: 'ipv4', priority: 0, action: 'lookup', table: 255 },
      { family: 'ipv4', priority: 32766, action: 'lookup', table: 254 },
      { family: 'ipv6', priority: 0, action: 'lookup', table: 255 },
      { family: 'ipv6', priority: 32766, action: 'lookup', table: 254 },
    ],
    sysctls: { 'net/ipv4/ip_forward': '1' },
    sockets: [],
    containers: [],
    networks: [],
    bypasses: [],
    missing: [],
    ...more,
  };
}

function audited(more: Partial<Snapshot>): Audit {
  const snapshot = snapshotOf(more);
  return auditOf({ ...snapshotRuleset(snapshot), host: hostOf(snapshot), snapshot });
}

const text = (more: Partial<Snapshot>): string => auditText(audited(more));

const DOCKER = {
  containers: [
    {
      engine: 'docker' as const,
      id: 'a'.repeat(64),
      names: ['some-app-container'],
      image: 'lab',
      networks: [{ name: 'bridge', addresses: ['172.17.0.2'] }],
      ports: [{ protocol: 'tcp' as const, address: '0.0.0.0', port: 80, containerPort: 8080 }],
    },
  ],
  networks: [{ engine: 'docker' as const, id: 'b'.repeat(64), name: 'bridge', bridge: 'docker0' }],
};

const UFW_AND_DOCKER = `*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:8080
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:ufw-user-input - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -j ufw-user-input
-A FORWARD -o docker0 -j DOCKER
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 8080 -j ACCEPT
-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
-A ufw-user-input -s 203.0.113.7/32 -p tcp -m tcp --dport 3306 -j ACCEPT
COMMIT
`;

const BUSY = {
  sockets: [
    socket('sshd', 22),
    socket('docker-proxy', 80),
    socket('mysqld', 3306),
    socket('redis-server', 6379, '127.0.0.1'),
  ],
  ...DOCKER,
};

test('without any rules everything that listens is open, and named', () => {
  const told = text({ sockets: [socket('sshd', 22), socket('mysqld', 3306, '0.0.0.0')] });
  expect(told).toMatch(/^anywhere +22\/tcp +sshd +no firewall$/m);
  expect(told).toMatch(/^anywhere +3306\/tcp +mysqld +no firewall +IPv4 only$/m);
  expect(told).toMatch(/^HIGH +MySQL on 3306\/tcp, open to anywhere/m);
  expect(told).toMatch(/1-21.*\/tcp +no firewall/);
});

test('a published port is the container’s, opened by Docker, past ufw', () => {
  const told = text({
    ...BUSY,
    rulesets: {
      iptables: UFW_AND_DOCKER,
      ip6tables: UFW_AND_DOCKER.replace(/\*nat[\s\S]*?COMMIT\n/, '').replace(/^.*(172|203).*\n/gm, ''),
    },
  });
  expect(told).toMatch(
    /^anywhere +80\/tcp +container some-app-container:8080 +docker \(iptables nat\/DOCKER rule 2\) +IPv4 only$/m,
  );
  expect(told).toMatch(/^anywhere +22\/tcp +sshd +ufw \(iptables filter\/ufw-user-input rule 1\)$/m);
  expect(told).toMatch(
    /^203\.0\.113\.7 +3306\/tcp +mysqld +ufw \(iptables filter\/ufw-user-input rule 2\) +IPv4 only$/m,
  );
  expect(told).toMatch(/8080\/tcp +container some-app-container:8080 at its own 172\.17\.0\.2 +docker/);
  expect(told).toMatch(/On this machine alone: 6379\/tcp redis-server/);
  expect(told).not.toMatch(/MySQL on 3306/);
});

test('where no translation takes it, the proxy’s socket is the container’s', () => {
  const [row] = audited(BUSY).exposures.filter(
    ({ family, ports }) => family === 'ipv6' && ports.first === 80,
  );
  expect(row?.reaches).toMatchObject({
    kind: 'container',
    name: 'some-app-container',
    by: 'proxy',
    port: 8080,
  });
});

test('places that different rules open are different rows', () => {
  const iptables = `*filter
:INPUT DROP [0:0]
-A INPUT -s 192.0.2.0/24 -p tcp --dport 22 -j ACCEPT
-A INPUT -s 198.51.100.0/24 -p tcp --dport 22 -j ACCEPT
COMMIT
`;
  const rows = audited({ sockets: [socket('sshd', 22)], rulesets: { iptables } }).exposures;
  const told = rows
    .filter(({ family }) => family === 'ipv4')
    .map(({ openedBy, from }) => [from.addresses[0]?.first, openedBy.map(({ rule }) => rule?.number)]);
  expect(told).toEqual([
    [0xc000_0200n, [1]],
    [0xc633_6400n, [2]],
  ]);
});

test('a rate makes it perhaps, and is told; the rule that lets it in is named', () => {
  const iptables = `*filter
:INPUT DROP [0:0]
-A INPUT -p tcp --dport 22 -m limit --limit 3/min -j ACCEPT
COMMIT
`;
  const [row] = audited({ sockets: [socket('sshd', 22)], rulesets: { iptables } }).exposures.filter(
    ({ family }) => family === 'ipv4',
  );
  expect(row).toMatchObject({ certainty: 'may', openedBy: [{ rule: { number: 1 } }] });
  expect(row?.doubts.map(({ reason }) => reason)).toEqual(['rate']);
});

test('bans are not among the sources, and a ban opens nothing', () => {
  const iptables = `*filter
:INPUT ACCEPT [0:0]
:f2b-sshd - [0:0]
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A f2b-sshd -s 198.51.100.4/32 -j REJECT --reject-with icmp-port-unreachable
-A f2b-sshd -j RETURN
COMMIT
`;
  const [row] = audited({ sockets: [socket('sshd', 22)], rulesets: { iptables } }).exposures.filter(
    ({ family, ports }) => family === 'ipv4' && ports.first === 22,
  );
  expect(row?.from.addresses.some(({ first, last }) => first <= 0xc633_6404n && 0xc633_6404n <= last)).toBe(
    false,
  );
  expect(row?.from.addresses.some(({ first, last }) => first <= 0xc633_6405n && 0xc633_6405n <= last)).toBe(
    true,
  );
  expect(row?.openedBy[0]?.owner).toBe('no firewall');
});

test('a rule that was not understood leaves it open perhaps, and is listed', () => {
  const iptables = `*filter
:INPUT DROP [0:0]
-A INPUT -p tcp --dport 22 -m somemodule --depth 3 -j ACCEPT
COMMIT
`;
  const audit = audited({ sockets: [socket('sshd', 22)], rulesets: { iptables } });
  const [row] = audit.exposures.filter(({ family }) => family === 'ipv4');
  expect(row?.certainty).toBe('may');
  expect(audit.unknown).toContainEqual(
    expect.objectContaining({ kind: 'rule', place: expect.objectContaining({ chain: 'INPUT', rule: 1 }) }),
  );
});

test('an XDP program and what was not read are told', () => {
  const told = text({
    bypasses: [{ kind: 'xdp', device: 'eth0', detail: 'id 7' }],
    missing: [{ what: 'rules of nft', why: 'takes root' }],
  });
  expect(told).toMatch(/XDP program on eth0: id 7/);
  expect(told).toMatch(/rules of nft \(takes root\)/);
});

test('the JSON is as documented, and a value that is not is found', () => {
  const schema = documentedSchema('audit');
  const rulesets = { iptables: UFW_AND_DOCKER };
  for (const more of [{}, BUSY, { ...BUSY, rulesets }]) {
    const value = JSON.parse(JSON.stringify({ ok: true, source: 'test', ...auditJson(audited(more)) }));
    expect(schemaProblems(schema, value)).toEqual([]);
    value.exposures[0].port = 'eighty';
    expect(schemaProblems(schema, value)).toEqual([expect.stringMatching(/^\/exposures\/0\/port: /)]);
  }
});

test('what lets in frames to more than this host opens no TCP port: TCP takes none of them', () => {
  const dump = `*filter
:INPUT DROP [0:0]
-A INPUT -m pkttype --pkt-type broadcast -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
`;
  const sockets = [socket('sshd', 22), socket('mysqld', 3306), socket('dhcpd', 67, '0.0.0.0', 'udp')];
  const { exposures } = audited({ rulesets: { iptables: dump, ip6tables: dump }, sockets });
  const open = exposures
    .filter(({ reaches }) => reaches.kind === 'process')
    .map(({ family, proto, ports }) => `${family} ${proto} ${ports.first}`);
  expect(open.sort()).toEqual(['ipv4 tcp 22', 'ipv4 udp 67', 'ipv6 tcp 22']);
});
