import { describe, expect, test } from 'vitest';
import type { Statement } from '../model/statement.ts';
import { renderRule } from '../render/nft-text.ts';
import { readNftJson } from './nft-json.ts';

/** One rule of a table inet t, read. The JSON is what nft 1.0.6 printed for the text beside it. */
function statements(...expr: unknown[]): readonly Statement[] {
  const rule = { family: 'inet', table: 't', chain: 'c', handle: 4, expr };
  const ruleset = readNftJson({
    nftables: [
      { metainfo: { version: '1.0.6', json_schema_version: 1 } },
      { table: { family: 'inet', name: 't', handle: 1 } },
      { chain: { family: 'inet', table: 't', name: 'c', handle: 2 } },
      { rule },
    ],
  });
  return ruleset.tables[0]!.chains[0]!.rules[0]!.statements;
}

const payload = (protocol: string, field: string) => ({ payload: { protocol, field } });
const match = (left: unknown, right: unknown, op = '==') => ({ match: { op, left, right } });

describe('rules come back as the text they were made from', () => {
  test.each<[string, unknown[]]>([
    ['tcp dport 22 accept', [match(payload('tcp', 'dport'), 22), { accept: null }]],
    [
      'tcp dport { 22, 80-90 } drop',
      [match(payload('tcp', 'dport'), { set: [22, { range: [80, 90] }] }), { drop: null }],
    ],
    [
      'ip saddr 192.0.2.0/24 goto refuse',
      [
        match(payload('ip', 'saddr'), { prefix: { addr: '192.0.2.0', len: 24 } }),
        { goto: { target: 'refuse' } },
      ],
    ],
    ['ip6 saddr != 2001:db8::1 drop', [match(payload('ip6', 'saddr'), '2001:db8::1', '!='), { drop: null }]],
    ['ip saddr @group_blog_v4 accept', [match(payload('ip', 'saddr'), '@group_blog_v4'), { accept: null }]],
    // Where there is no /etc/protocols, nft lists protocols by number.
    ['meta l4proto tcp accept', [match({ meta: { key: 'l4proto' } }, 6), { accept: null }]],
    ['meta l4proto icmpv6 accept', [match({ meta: { key: 'l4proto' } }, 'ipv6-icmp'), { accept: null }]],
    [
      'meta l4proto { icmp, icmpv6, 47, 201 } accept',
      [match({ meta: { key: 'l4proto' } }, { set: ['icmp', 58, 'gre', 201] }), { accept: null }],
    ],
    [
      'meta l4proto vmap { icmp : jump c, icmpv6 : accept }',
      [
        {
          vmap: {
            key: { meta: { key: 'l4proto' } },
            data: {
              set: [
                [1, { jump: { target: 'c' } }],
                [58, { accept: null }],
              ],
            },
          },
        },
      ],
    ],
    [
      'iifname { "br-*", "docker0" } accept',
      [match({ meta: { key: 'iifname' } }, { set: ['br-*', 'docker0'] }), { accept: null }],
    ],
    [
      'ip saddr . tcp dport vmap { 192.0.2.0/24 . 80-90 : accept, 192.0.2.9 . 22 : drop }',
      [
        {
          vmap: {
            key: { concat: [payload('ip', 'saddr'), payload('tcp', 'dport')] },
            data: {
              set: [
                [
                  { concat: [{ prefix: { addr: '192.0.2.0', len: 24 } }, { range: [80, 90] }] },
                  { accept: null },
                ],
                [{ concat: ['192.0.2.9', 22] }, { drop: null }],
              ],
            },
          },
        },
      ],
    ],
    [
      'fib daddr type { local, broadcast } ct label set 127 goto incoming',
      [
        match({ fib: { result: 'type', flags: ['daddr'] } }, { set: ['local', 'broadcast'] }),
        { mangle: { key: { ct: { key: 'label' } }, value: 127 } },
        { goto: { target: 'incoming' } },
      ],
    ],
    [
      'limit rate 3/minute burst 10 packets log prefix "moat:x "',
      [{ limit: { rate: 3, burst: 10, per: 'minute' } }, { log: { prefix: 'moat:x ' } }],
    ],
    [
      'update @seen { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate over 10/minute burst 5 packets } drop',
      [
        {
          set: {
            op: 'update',
            elem: { '&': [payload('ip6', 'saddr'), 'ffff:ffff:ffff:ffff::'] },
            set: '@seen',
            stmt: [{ limit: { rate: 10, burst: 5, per: 'minute', inv: true } }],
          },
        },
        { drop: null },
      ],
    ],
    ['reject with tcp reset', [{ reject: { type: 'tcp reset' } }]],
    [
      'tcp flags & (fin|syn|rst|ack) == syn accept',
      [match({ '&': [payload('tcp', 'flags'), ['fin', 'syn', 'rst', 'ack']] }, 'syn'), { accept: null }],
    ],
    ['tcp flags ! syn,rst drop', [match(payload('tcp', 'flags'), ['syn', 'rst'], '!'), { drop: null }]],
    ['tcp flags == fin|syn drop', [match(payload('tcp', 'flags'), { '|': ['fin', 'syn'] }), { drop: null }]],
    [
      'ct state established,related accept',
      [match({ ct: { key: 'state' } }, ['established', 'related'], 'in'), { accept: null }],
    ],
    [
      'meta mark & 4294901760 != 67108864 drop',
      [match({ meta: { key: 'mark' } }, { prefix: { addr: 67108864, len: 16 } }, '!='), { drop: null }],
    ],
    ['ct status ! dnat drop', [match({ ct: { key: 'status' } }, 'dnat', '!'), { drop: null }]],
    [
      'ct original ip saddr 10.0.0.1 drop',
      [match({ ct: { key: 'ip saddr', dir: 'original' } }, '10.0.0.1'), { drop: null }],
    ],
    [
      'fib saddr . iif oif missing drop',
      [match({ fib: { result: 'oif', flags: ['saddr', 'iif'] } }, false), { drop: null }],
    ],
    ['exthdr frag exists drop', [match({ exthdr: { name: 'frag' } }, true), { drop: null }]],
    ['rt type 0 drop', [match({ exthdr: { name: 'rt', field: 'type' } }, 0), { drop: null }]],
    [
      'tcp option maxseg size set rt mtu',
      [
        {
          mangle: { key: { 'tcp option': { name: 'maxseg', field: 'size' } }, value: { rt: { key: 'mtu' } } },
        },
      ],
    ],
    [
      'meta mark set (meta mark & 4294902015) | 16',
      [
        {
          mangle: {
            key: { meta: { key: 'mark' } },
            value: { '|': [{ '&': [{ meta: { key: 'mark' } }, 4294902015] }, 16] },
          },
        },
      ],
    ],
    [
      'ct mark set meta mark',
      [{ mangle: { key: { ct: { key: 'mark' } }, value: { meta: { key: 'mark' } } } }],
    ],
    [
      'meta mark set ip daddr map @marks',
      [
        {
          mangle: {
            key: { meta: { key: 'mark' } },
            value: { map: { key: payload('ip', 'daddr'), data: '@marks' } },
          },
        },
      ],
    ],
    ['dnat ip to 10.0.0.2:80', [{ dnat: { family: 'ip', addr: '10.0.0.2', port: 80 } }]],
    ['dnat ip6 to [2001:db8::2]:80', [{ dnat: { family: 'ip6', addr: '2001:db8::2', port: 80 } }]],
    [
      'dnat ip to tcp dport map { 80 : 10.0.0.2 . 8080 }',
      [
        {
          dnat: {
            family: 'ip',
            addr: {
              map: { key: payload('tcp', 'dport'), data: { set: [[80, { concat: ['10.0.0.2', 8080] }]] } },
            },
          },
        },
      ],
    ],
    [
      'snat to 10.0.0.1-10.0.0.9 persistent',
      [{ snat: { addr: { range: ['10.0.0.1', '10.0.0.9'] }, flags: 'persistent' } }],
    ],
    [
      'snat ip6 prefix to 2001:db8:5::/64',
      [
        {
          snat: {
            family: 'ip6',
            addr: { prefix: { addr: '2001:db8:5::', len: 64 } },
            flags: 'netmap',
            type_flags: 'prefix',
          },
        },
      ],
    ],
    ['masquerade to :1024-65535', [{ masquerade: { port: { range: [1024, 65535] } } }]],
    ['masquerade random', [{ masquerade: { flags: ['random'] } }]],
    ['redirect to :3128', [{ redirect: { port: 3128 } }]],
    ['tproxy ip to 127.0.0.1:5000', [{ tproxy: { family: 'ip', addr: '127.0.0.1', port: 5000 } }]],
    ['notrack', [{ notrack: null }]],
    ['queue flags bypass to 1-42', [{ queue: { num: { range: [1, 42] }, flags: 'bypass' } }]],
    ['quota over 2048 bytes drop', [{ quota: { val: 2, val_unit: 'kbytes', inv: true } }, { drop: null }]],
    ['ct count over 5 drop', [{ 'ct count': { val: 5, inv: true } }, { drop: null }]],
    ['ct helper set "ftp-standard"', [{ 'ct helper': 'ftp-standard' }]],
    ['counter name "web"', [{ counter: 'web' }]],
    [
      'limit rate over 10 mbytes/second burst 1 mbytes drop',
      [
        {
          limit: { rate: 10, burst: 1, per: 'second', inv: true, rate_unit: 'mbytes', burst_unit: 'mbytes' },
        },
        { drop: null },
      ],
    ],
    [
      'meter seen { ip saddr timeout 30s limit rate over 120/second burst 240 packets } drop',
      [
        {
          meter: {
            name: 'seen',
            size: 65535,
            key: { elem: { val: payload('ip', 'saddr'), timeout: 30 } },
            stmt: { limit: { rate: 120, burst: 240, per: 'second', inv: true } },
          },
        },
        { drop: null },
      ],
    ],
    [
      'add @knocks { ip saddr . 10002 timeout 1s }',
      [
        {
          set: {
            op: 'add',
            elem: { elem: { val: { concat: [payload('ip', 'saddr'), 10002] }, timeout: 1 } },
            set: '@knocks',
          },
        },
      ],
    ],
    [
      'update @mapping { ip saddr : tcp sport }',
      [
        {
          map: { op: 'update', elem: payload('ip', 'saddr'), data: payload('tcp', 'sport'), map: '@mapping' },
        },
      ],
    ],
    [
      '@nh,64,128 0x11112222333344445555666677778888 drop',
      [
        match({ payload: { base: 'nh', offset: 64, len: 128 } }, '0x11112222333344445555666677778888'),
        { drop: null },
      ],
    ],
    [
      'numgen random mod 10 offset 0 < 3 drop',
      [match({ numgen: { mode: 'random', mod: 10, offset: 0 } }, 3, '<'), { drop: null }],
    ],
    [
      'log prefix "x" group 2 snaplen 100 queue-threshold 3 flags skuid',
      [{ log: { prefix: 'x', group: 2, snaplen: 100, 'queue-threshold': 3, flags: 'skuid' } }],
    ],
    ['flow add @f', [{ flow: { op: 'add', flowtable: '@f' } }]],
    ['fwd to eth1', [{ fwd: { dev: 'eth1' } }]],
    ['dup to 10.0.0.9 device eth1', [{ dup: { addr: '10.0.0.9', dev: 'eth1' } }]],
    ['synproxy mss 1460 wscale 7 timestamp', [{ synproxy: { mss: 1460, wscale: 7, flags: 'timestamp' } }]],
    [
      'ct original proto-dst 80 accept',
      [match({ ct: { key: 'proto-dst', dir: 'original' } }, 80), { accept: null }],
    ],
  ])('%s', (text, expr) => {
    expect(renderRule({ statements: statements(...expr) })).toBe(text);
  });
});

describe('what is not understood stays there and is never a guess', () => {
  test.each<[string, unknown]>([
    ['an iptables extension, of which nft tells the name only', { xt: { type: 'match', name: 'conntrack' } }],
    ['a statement that nft prints as bare text', 'jump {\n\t\ttcp dport 22 accept\n}'],
    ['a statement of tomorrow', { teleport: { to: 'elsewhere' } }],
    ['a limit with an option of tomorrow', { limit: { rate: 3, per: 'second', shape: 'round' } }],
    ['a log with an option of tomorrow', { log: { prefix: 'x', colour: 'red' } }],
    [
      'a map with one verdict that is not known',
      {
        vmap: {
          key: payload('tcp', 'dport'),
          data: {
            set: [
              [22, { accept: null }],
              [23, { queue: 1 }],
            ],
          },
        },
      },
    ],
  ])('%s', (_, expr) => {
    expect(statements(expr)).toEqual([{ kind: 'unknown', raw: expr }]);
  });

  test('an expression inside a match', () => {
    const [read] = statements(match({ crystal: { key: 'ball' } }, 1));
    expect(read).toMatchObject({ kind: 'match', left: { kind: 'unknown' } });
  });
});

test('chains keep hook, priority and policy; sets their elements, comments taken off', () => {
  const { tables } = readNftJson({
    nftables: [
      { table: { family: 'inet', name: 't', handle: 1 } },
      {
        set: {
          family: 'inet',
          table: 't',
          name: 's',
          type: 'ipv4_addr',
          flags: ['interval'],
          elem: [{ elem: { val: { prefix: { addr: '10.0.0.0', len: 8 } }, comment: 'ten' } }, '192.0.2.1'],
        },
      },
      {
        set: {
          family: 'inet',
          table: 't',
          name: 'd',
          type: ['ipv4_addr', 'inet_service'],
          size: 9,
          timeout: 60,
          flags: ['timeout'],
        },
      },
      {
        chain: {
          family: 'inet',
          table: 't',
          name: 'c',
          type: 'filter',
          hook: 'input',
          prio: -5,
          policy: 'drop',
        },
      },
    ],
  });
  expect(tables[0]).toMatchObject({
    family: 'inet',
    name: 't',
    chains: [{ name: 'c', base: { type: 'filter', hook: 'input', priority: -5, policy: 'drop' }, rules: [] }],
    sets: [
      {
        name: 's',
        type: ['ipv4_addr'],
        interval: true,
        dynamic: false,
        elements: [{ kind: 'prefix' }, { kind: 'address' }],
      },
      { name: 'd', type: ['ipv4_addr', 'inet_service'], size: 9, timeout: 60, dynamic: true, elements: [] },
    ],
  });
});

test('anything but a listing is an empty ruleset', () => {
  for (const json of [undefined, null, 3, 'x', [], {}, { nftables: [null, 1, 'x', {}] }]) {
    expect(readNftJson(json)).toEqual({ tables: [] });
  }
});

test('a table sleeps also where nft prints freed memory in the place of its flag', () => {
  const dormant = (flags: unknown): unknown =>
    readNftJson({ nftables: [{ table: { family: 'inet', name: 't', flags } }] }).tables[0]?.dormant;
  for (const flags of ['dormant', ['owner', 'dormant'], 't', 'Lester Gooch #5']) {
    expect(dormant(flags)).toBe(true);
  }
  for (const flags of [undefined, 'owner', ['owner', 'persist']]) expect(dormant(flags)).toBeUndefined();
});

test('maps, objects, flowtables and a sleeping table', () => {
  const { tables } = readNftJson({
    nftables: [
      { table: { family: 'inet', name: 't', flags: 'dormant' } },
      {
        map: {
          family: 'inet',
          table: 't',
          name: 'zones',
          type: 'ifname',
          map: 'verdict',
          elem: [['lo', { accept: null }]],
        },
      },
      {
        map: {
          family: 'inet',
          table: 't',
          name: 'ports',
          type: 'ipv4_addr',
          map: 'inet_service',
          elem: [['192.0.2.1', 80]],
        },
      },
      { counter: { family: 'inet', table: 't', name: 'web', packets: 1, bytes: 60 } },
      { flowtable: { family: 'inet', table: 't', name: 'f', hook: 'ingress', prio: 0, dev: 'eth0' } },
      { gadget: { family: 'inet', table: 't', name: 'g' } },
    ],
  });
  expect(tables).toMatchObject([
    {
      dormant: true,
      source: 'nft',
      maps: [
        {
          kind: 'verdicts',
          name: 'zones',
          entries: [{ key: { kind: 'symbol', name: 'lo' }, verdict: { kind: 'accept' } }],
        },
        { kind: 'data', name: 'ports', data: ['inet_service'], entries: [{ data: { value: 80 } }] },
      ],
      objects: [{ type: 'counter', name: 'web' }],
      flowtables: [{ name: 'f', devices: ['eth0'] }],
      unknown: [{ gadget: { name: 'g' } }],
    },
  ]);
});

test('a map with a verdict of tomorrow is not read as one without it', () => {
  const map = {
    family: 'ip',
    table: 't',
    name: 'm',
    type: 'mark',
    map: 'verdict',
    elem: [[1, { teleport: 1 }]],
  };
  const [table] = readNftJson({ nftables: [{ map }] }).tables;
  expect(table).toMatchObject({ unknown: [{ map }] });
  expect(table?.maps).toBeUndefined();
});

test('elements with a limit of their own, and with an end', () => {
  const elem = [
    { elem: { val: '192.0.2.1', limit: { rate: 1, burst: 5, per: 'second' } } },
    { elem: { val: '192.0.2.2', timeout: 60, expires: 17 } },
  ];
  const [table] = readNftJson({
    nftables: [{ set: { family: 'ip', table: 't', name: 's', type: 'ipv4_addr', elem } }],
  }).tables;
  expect(table?.sets[0]).toMatchObject({
    statements: [{ kind: 'limit', rate: 1 }],
    expires: [undefined, 17],
    elements: [{ kind: 'address' }, { kind: 'address' }],
  });
});

test('each rule knows where it was found', () => {
  const expr = [{ drop: null }];
  const rule = { family: 'ip', table: 't', chain: 'c', handle: 7, expr };
  const chain = { family: 'ip', table: 't', name: 'c' };
  const [table] = readNftJson({ nftables: [{ chain }, { rule }] }).tables;
  expect(table?.chains[0]?.rules[0]?.origin).toEqual({
    source: 'nft',
    family: 'ip',
    table: 't',
    chain: 'c',
    handle: 7,
    raw: expr,
  });
});

test('a number that JSON could not hold is not a guess', () => {
  const json = JSON.parse('{"match":{"op":"==","left":{"meta":{"key":"mark"}},"right":9007199254740993}}');
  expect(statements(json)).toMatchObject([{ right: { kind: 'unknown' } }]);
});
