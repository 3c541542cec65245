import { describe, expect, test } from 'vitest';
import type { Statement } from '../model/ruleset.ts';
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
    ['a limit in bytes', { limit: { rate: 3, rate_unit: 'kbytes', per: 'second' } }],
    ['a log with options that are not modelled', { log: { prefix: 'x', 'queue-threshold': 3 } }],
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
    const [read] = statements(match({ socket: { key: 'transparent' } }, 1));
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
