import {
  formatAddress,
  hostOf,
  parseAddress,
  readSnapshot,
  type Snapshot,
  snapshotRuleset,
} from '@moat/netfilter';
import { expect, test } from 'vitest';
import { redactSnapshot } from './redact.ts';

const KEY = new Uint8Array(32).fill(7);
const MAC = '52:54:00:12:34:56';

const SNAPSHOT: Snapshot = {
  format: 'moat-snapshot',
  version: 1,
  taken: '2026-01-02T03:04:05.000Z',
  hostname: 'db7.example.org',
  kernel: '6.1.0',
  consistent: true,
  rulesets: {
    nft: {
      nftables: [
        { table: { family: 'inet', name: 'x', handle: 1 } },
        {
          set: {
            family: 'inet',
            table: 'x',
            name: 'office',
            type: 'ipv4_addr',
            flags: ['interval'],
            comment: 'the secret office',
            elem: [
              { prefix: { addr: '93.184.216.0', len: 24 } },
              { range: ['81.2.3.4', '81.2.3.99'] },
              '81.9.9.9',
            ],
          },
        },
        { chain: { family: 'inet', table: 'x', name: 'in', handle: 2 } },
        {
          rule: {
            family: 'inet',
            table: 'x',
            chain: 'in',
            handle: 3,
            comment: 'moat:0123abcd+2',
            expr: [
              {
                match: {
                  op: '==',
                  left: { payload: { protocol: 'ip6', field: 'saddr' } },
                  right: { prefix: { addr: '2606:2800:220::', len: 48 } },
                },
              },
              { accept: null },
            ],
          },
        },
      ],
    },
    nftText: 'table inet x {\n ip saddr 93.184.216.7 comment "the secret office"\n}\n',
    iptables:
      '*filter\n:INPUT DROP [12:34]\n' +
      `-A INPUT -s 93.184.216.7/32 -p tcp -m mac --mac-source ${MAC} -m comment --comment "the secret \\"office\\"" -j ACCEPT\n` +
      '-A INPUT -m iprange --src-range 81.2.3.4-81.2.3.99 -p tcp -m multiport --dports 80:90,443 -j ACCEPT\n' +
      '-A INPUT -m comment --comment secret -j DROP\nCOMMIT\n',
    ipset: 'create bad hash:net family inet\nadd bad 93.184.0.0/16 comment "secret"\nadd bad 10.9.0.0/16\n',
  },
  links: [
    {
      name: 'eth0',
      index: 2,
      loopback: false,
      up: true,
      mac: MAC,
      group: 0,
      addresses: [
        { family: 'ipv4', address: '93.184.216.34', prefixLength: 24, broadcast: '93.184.216.255' },
        { family: 'ipv6', address: 'fe80::5054:ff:fe12:3456', prefixLength: 64 },
        { family: 'ipv6', address: '2606:2800:220:1::7', prefixLength: 64 },
      ],
    },
  ],
  routes: [
    {
      family: 'ipv4',
      table: 254,
      type: 'unicast',
      destination: '93.184.216.0/24',
      nextHops: [{ device: 'eth0' }],
      preferredSource: '93.184.216.34',
    },
  ],
  sockets: [
    {
      protocol: 'tcp',
      families: ['ipv4'],
      address: '93.184.216.34',
      port: 3306,
      uid: 0,
      processes: [
        {
          pid: 9,
          name: 'mysqld',
          args: ['/srv/secret/mysqld', '--password=secret', '-x'],
          unit: 'mysql.service',
        },
      ],
    },
  ],
  containers: [
    {
      engine: 'docker',
      id: 'ab',
      names: ['web'],
      image: 'registry.secret.org:5000/team/web:1',
      networks: [{ name: 'bridge', addresses: ['172.17.0.2'] }],
      ports: [{ protocol: 'tcp', address: '93.184.216.34', port: 80, containerPort: 8080 }],
    },
  ],
  missing: [{ what: 'containers of podman', why: 'no answer from 93.184.216.34: sorry' }],
};

const redacted = redactSnapshot(SNAPSHOT, KEY);
const text = JSON.stringify(redacted);

test('nothing private is left of it', () => {
  for (const secret of [
    'secret',
    'db7',
    '93.184.216',
    '81.2.3',
    '81.9.9',
    '2606:2800',
    MAC,
    '5054:ff:fe12',
  ]) {
    expect(text).not.toContain(secret);
  }
  expect(redacted).toMatchObject({ hostname: 'host', redacted: true });
});

test('the same thing is the same thing everywhere', () => {
  const own = redacted.links![0]!.addresses[0]!.address;
  expect(redacted.sockets![0]!.address).toBe(own);
  expect(redacted.containers![0]!.ports[0]!.address).toBe(own);
  expect(redacted.missing[0]!.why).toBe(`no answer from ${own}: sorry`);
  const mac = redacted.links![0]!.mac!;
  expect(mac).toMatch(/^02(:[0-9a-f]{2}){5}$/);
  expect(redacted.rulesets.iptables).toContain(`--mac-source ${mac} `);
  // The link-local address has the new hardware address in it, with bit 2 of its first octet turned (02 → 00).
  const [, b, c, d, e, f] = mac.split(':');
  const local = formatAddress(parseAddress(`fe80::${b}:${c}ff:fe${d}:${e}${f}`)!);
  expect(redacted.links![0]!.addresses[1]!.address).toBe(local);
});

test('names, ports, ids, private addresses and the form of everything stay', () => {
  expect(readSnapshot(JSON.parse(text))).toEqual({ snapshot: redacted, problems: [] });
  expect(redacted.rulesets.iptables).toContain('-m multiport --dports 80:90,443 -j ACCEPT');
  expect(redacted.rulesets.iptables).toContain(':INPUT DROP [12:34]');
  expect(redacted.rulesets.ipset).toContain('add bad 10.9.0.0/16');
  expect(redacted.containers![0]).toMatchObject({
    names: ['web'],
    networks: [{ addresses: ['172.17.0.2'] }],
  });
  expect(redacted.containers![0]!.image).toMatch(/^registry-[0-9a-f]{8}\/team\/web:1$/);
  const [process] = redacted.sockets![0]!.processes;
  expect(process).toMatchObject({ name: 'mysqld', unit: 'mysql.service' });
  expect(process!.args).toEqual([
    'mysqld',
    expect.stringMatching(/^arg-[0-9a-f]{8}$/),
    expect.stringMatching(/^arg-[0-9a-f]{8}$/),
  ]);
  expect(text).toContain('moat:0123abcd+2');
});

test('the rules are read as before and hold the same addresses', () => {
  const [before, after] = [SNAPSHOT, redacted].map((snapshot) => snapshotRuleset(snapshot));
  expect(after!.problems).toEqual(before!.problems);
  const shape = (json: unknown) =>
    JSON.stringify(json, (key, value) =>
      key === 'raw' || key === 'comment' ? '' : typeof value === 'bigint' ? 'address' : value,
    ).replace(/02(:[0-9a-f]{2}){5}|52:54:00:12:34:56/g, 'mac');
  expect(shape(after!.ruleset)).toBe(shape(before!.ruleset));
  const [own] = hostOf(redacted).links[0]!.addresses;
  const [route] = hostOf(redacted).routes;
  expect(route!.prefix).toEqual(own!.prefix);
  expect(own!.broadcast!.value).toBe(own!.prefix.value | 255n);
});

test('under another key everything is another', () => {
  const other = JSON.stringify(redactSnapshot(SNAPSHOT));
  const own = redacted.links![0]!.addresses[0]!.address;
  expect(other).not.toContain(own);
});
