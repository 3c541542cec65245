// What the kernel does, as tables of rules, a packet and what becomes of it.
import { describe, expect, test } from 'vitest';
import { ct, type Expression, meta, operand, payload } from '../model/expression.ts';
import type { Host } from '../model/host.ts';
import type { BaseChain, Chain, Hook, Rule, Ruleset, Table } from '../model/ruleset.ts';
import type { NamedSet } from '../model/set.ts';
import { match, type Statement, verdict } from '../model/statement.ts';
import { flags, number, range, symbol, type Value } from '../model/value.ts';
import type { Verdict } from '../model/verdict.ts';
import { parseAddress } from '../net/address.ts';
import { parsePrefix } from '../net/prefix.ts';
import { readIpsetSave } from '../read/ipset.ts';
import { readIptablesSave } from '../read/iptables-save.ts';
import type { PacketFields } from '../space/packet-set.ts';
import { type PrepareOptions, prepareWalk, type WalkPacket, type WalkResult } from './walk.ts';

const address = (text: string) => parseAddress(text)!;
const ip = (text: string): Value => ({ kind: 'address', address: address(text) });
const net = (text: string): Value => {
  const parsed = parsePrefix(text);
  if ('problem' in parsed) throw new Error(text);
  return { kind: 'prefix', prefix: parsed.prefix };
};

const FIELDS: PacketFields = {
  state: 'new',
  iif: 'eth0',
  oif: '-',
  proto: 6,
  src: address('198.51.100.4'),
  dst: address('203.0.113.1'),
  sport: 50_000,
  dport: 22,
};
const UDP: PacketFields = { ...FIELDS, proto: 17 };

const ACCEPT = verdict({ kind: 'accept' });
const DROP = verdict({ kind: 'drop' });
const to = (kind: 'jump' | 'goto', chain: string): Statement => verdict({ kind, chain });
const rule = (...statements: Statement[]): Rule => ({ statements });
const port = (value: number, operator: '==' | '!=' = '=='): Statement =>
  match(payload('tcp', 'dport'), number(value), operator);
const setMark = (value: number): Statement => ({ kind: 'mangle', key: meta('mark'), value: number(value) });
const markIs = (value: number): Statement => match(meta('mark'), number(value));
const stateIn = (...states: string[]): Statement => match(ct('state'), flags(states), 'in');
const limit: Statement = { kind: 'limit', rate: 3, per: 'minute', burst: 5, over: false };

let count = 0;
const base = (
  hook: Hook,
  priority: number,
  rules: Rule[],
  policy: 'accept' | 'drop' = 'accept',
  type: BaseChain['type'] = 'filter',
): Chain => ({ name: `${type} ${hook} ${count++}`, base: { type, hook, priority, policy }, rules });
const chain = (name: string, ...rules: Rule[]): Chain => ({ name, rules });
const table = (name: string, ...chains: Chain[]): Table => ({ family: 'inet', name, sets: [], chains });

function walk(
  ruleset: Ruleset | Table,
  fields: PacketFields = FIELDS,
  hook: WalkPacket['hook'] = 'input',
  options?: PrepareOptions,
): WalkResult {
  const whole = 'tables' in ruleset ? ruleset : { tables: [ruleset] };
  const family = (fields['src'] as { family?: 'ipv4' | 'ipv6' } | undefined)?.family ?? 'ipv4';
  return prepareWalk(whole, undefined, options)({ family, hook, fields });
}
const of = (...[ruleset, fields, hook, options]: Parameters<typeof walk>) =>
  walk(ruleset, fields, hook, options).verdict;

/** An input chain of these rules that drops the rest. */
const input = (...rules: Rule[]): Table => table('t', base('input', 0, rules, 'drop'));

describe('several base chains at a hook', () => {
  test('an accept ends its own chain only, in one table, in two, at the same priority, in legacy', () => {
    const accepts = base('input', 0, [rule(ACCEPT)]);
    expect(of(table('t', accepts, base('input', 10, [rule(DROP)])))).toBe('drop');
    expect(of({ tables: [table('a', accepts), table('b', base('input', 0, [rule(DROP)]))] })).toBe('drop');
    const { tables } = readIptablesSave(
      '*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 22 -j DROP\nCOMMIT\n',
    ).ruleset;
    expect(of({ tables: [table('a', accepts), ...tables] })).toBe('drop');
    expect(of({ tables: [table('a', accepts), ...tables] }, { ...FIELDS, dport: 23 })).toBe('accept');
  });
  test('they are called by priority, and a drop ends all', () => {
    const result = walk(
      table(
        't',
        base('input', 10, [rule(ACCEPT)]),
        base('input', -5, [rule({ kind: 'reject', type: 'icmpx' })]),
      ),
    );
    expect(result.verdict).toBe('reject');
    expect(result.path.map(({ priority }) => priority)).toEqual([-5]);
  });
  test('dormant tables and those of the other family are not asked', () => {
    const drops = base('input', 0, [], 'drop');
    expect(of({ ...table('t', drops), dormant: true })).toBe('accept');
    expect(of({ ...table('t', drops), family: 'ip6' })).toBe('accept');
    expect(of({ ...table('t', drops), family: 'ip' })).toBe('drop');
  });
  test('what a chain writes is there for those of later hooks and other tables', () => {
    const tables = [
      table('a', base('prerouting', -150, [rule(port(22), setMark(7))])),
      table('b', base('input', 0, [rule(markIs(7), ACCEPT)], 'drop')),
    ];
    expect(of({ tables })).toBe('accept');
    expect(of({ tables }, { ...FIELDS, dport: 23 })).toBe('drop');
  });
});

describe('control flow', () => {
  const jumps = (kind: 'jump' | 'goto', ...target: Rule[]): Table =>
    table('t', base('input', 0, [rule(to(kind, 'x')), rule(ACCEPT)], 'drop'), chain('x', ...target));
  test.each<[string, Table, string]>([
    ['a jump comes back', jumps('jump', rule(port(1), DROP)), 'accept'],
    ['a goto does not', jumps('goto', rule(port(1), DROP)), 'drop'],
    ['a return leaves the chain', jumps('jump', rule(verdict({ kind: 'return' })), rule(DROP)), 'accept'],
    [
      'a return in a base chain is its policy',
      input(rule(verdict({ kind: 'return' })), rule(ACCEPT)),
      'drop',
    ],
  ])('%s', (_, ruleset, expected) => {
    expect(of(ruleset)).toBe(expected);
  });
  test('the end of a goto returns to where the chain with it was called', () => {
    const ruleset = table(
      't',
      base('input', 0, [rule(to('jump', 'x')), rule(ACCEPT)], 'drop'),
      chain('x', rule(to('goto', 'y')), rule(DROP)),
      chain('y', rule(port(1), DROP)),
    );
    expect(of(ruleset)).toBe('accept');
    expect(walk(ruleset).path.map(({ verdict: { kind } }) => kind)).toEqual(['jump', 'goto', 'accept']);
  });

  const vmap = (entries: [Value, Verdict][]): Statement => ({
    kind: 'vmap',
    key: payload('tcp', 'dport'),
    map: { kind: 'entries', entries: entries.map(([key, target]) => ({ key, verdict: target })) },
  });
  const go: Verdict = { kind: 'continue' };
  test.each<[string, Rule[], string]>([
    ['a hit is a verdict', [rule(vmap([[number(22), { kind: 'accept' }]]))], 'accept'],
    ['an interval', [rule(vmap([[range(20, 25), { kind: 'accept' }]]))], 'accept'],
    ['a miss ends the rule', [rule(vmap([[number(1), { kind: 'drop' }]]), ACCEPT)], 'drop'],
    ['continue goes on in the rule', [rule(vmap([[number(22), go]]), ACCEPT)], 'accept'],
    [
      'so does one for all others',
      [
        rule(
          vmap([
            [number(1), { kind: 'drop' }],
            [{ kind: 'any' }, go],
          ]),
          ACCEPT,
        ),
      ],
      'accept',
    ],
    [
      'after a jump comes the next rule',
      [rule(vmap([[number(22), { kind: 'jump', chain: 'x' }]]), ACCEPT)],
      'drop',
    ],
  ])('maps of verdicts: %s', (_, rules, expected) => {
    const { chains } = input(...rules);
    expect(of(table('t', ...chains, chain('x', rule(port(1), ACCEPT))))).toBe(expected);
  });
  test('a miss in a map of data ends the rule as well', () => {
    const mark = (key: number): Statement => ({
      kind: 'mangle',
      key: meta('mark'),
      value: operand({
        kind: 'map',
        key: payload('tcp', 'dport'),
        map: { kind: 'entries', entries: [{ key: number(key), data: number(5) }] },
      }),
    });
    expect(of(input(rule(mark(22), ACCEPT)))).toBe('accept');
    expect(of(input(rule(mark(23), ACCEPT)))).toBe('drop');
    expect(walk(input(rule(mark(22)), rule(markIs(5), ACCEPT))).fields['mark']).toBe(5);
  });
  test('the order within a rule counts, and what stands before a failing match has been done', () => {
    expect(of(input(rule(setMark(1), markIs(1), ACCEPT)))).toBe('accept');
    expect(of(input(rule(markIs(1), setMark(1), ACCEPT)))).toBe('drop');
    expect(of(input(rule(setMark(1), port(1), ACCEPT), rule(markIs(1), ACCEPT)))).toBe('accept');
  });
});

describe('matching', () => {
  const V6 = { ...FIELDS, src: address('2001:db8::1'), dst: address('2001:db8::2') };
  const ctMark = (value: number, operator: '==' | '!='): Statement =>
    match(ct('mark'), number(value), operator);
  test.each<[string, Statement, PacketFields, boolean]>([
    ['a negation needs the field too: no TCP', port(80, '!='), UDP, false],
    ['with TCP', port(80, '!='), FIELDS, true],
    ['no IPv6', match(payload('ip6', 'saddr'), ip('::1'), '!='), FIELDS, false],
    ['with IPv6', match(payload('ip6', 'saddr'), ip('::1'), '!='), V6, true],
    ['no conntrack entry: 0', ctMark(0, '=='), { ...FIELDS, state: 'untracked' }, false],
    ['no conntrack entry: not 5', ctMark(5, '!='), { ...FIELDS, state: 'untracked' }, false],
    ['a new entry has mark 0', ctMark(0, '=='), FIELDS, true],
    ['lists of states are any of them', stateIn('established', 'new'), FIELDS, true],
    [
      'untracked is none of those',
      stateIn('established', 'related'),
      { ...FIELDS, state: 'untracked' },
      false,
    ],
    ['networks', match(payload('ip', 'saddr'), net('198.51.100.0/24')), FIELDS, true],
    ['the last address of one', match(payload('ip', 'saddr'), net('198.51.100.4/31')), FIELDS, true],
    ['beyond it', match(payload('ip', 'saddr'), net('198.51.100.2/31')), FIELDS, false],
    ['below', match(payload('tcp', 'dport'), number(23), '<'), FIELDS, true],
    ['not below itself', match(payload('tcp', 'dport'), number(22), '<'), FIELDS, false],
    [
      'a mask',
      match({ kind: 'mask', of: payload('ip', 'saddr'), mask: ip('255.0.255.0') }, ip('198.0.100.0')),
      FIELDS,
      true,
    ],
    [
      'flags under a mask',
      match({ kind: 'mask', of: payload('tcp', 'flags'), mask: flags(['syn', 'ack']) }, symbol('syn')),
      { ...FIELDS, tcpflags: 0x42 },
      true,
    ],
    [
      'and with ACK',
      match({ kind: 'mask', of: payload('tcp', 'flags'), mask: flags(['syn', 'ack']) }, symbol('syn')),
      { ...FIELDS, tcpflags: 0x12 },
      false,
    ],
    ['other name', match(meta('iifname'), symbol('eth1')), FIELDS, false],
    ['names by their beginning', match(meta('iifname'), symbol('eth*')), FIELDS, true],
    [
      'types of loopback addresses',
      match({ kind: 'fib', result: 'type', flags: ['daddr'] }, symbol('local')),
      { ...FIELDS, dst: address('127.0.0.1') },
      true,
    ],
    [
      'of multicast',
      match({ kind: 'fib', result: 'type', flags: ['daddr'] }, symbol('multicast')),
      { ...FIELDS, dst: address('224.0.0.1') },
      true,
    ],
  ])('%s', (_, statement, fields, expected) => {
    expect(of(input(rule(statement, ACCEPT)), fields)).toBe(expected ? 'accept' : 'drop');
  });
  test('packets of this host came in by no interface, which is another one than eth0', () => {
    const out = (statement: Statement) => table('t', base('output', 0, [rule(statement, ACCEPT)], 'drop'));
    const fields = { ...FIELDS, iif: '-', oif: 'eth0' };
    expect(of(out(match(meta('iifname'), symbol('eth0'), '!=')), fields, 'output')).toBe('accept');
    expect(of(out(match(meta('iif'), number(0))), fields, 'output')).toBe('accept');
    expect(of(out(match(meta('oifname'), symbol('eth0'))), fields, 'output')).toBe('accept');
  });

  const named = (elements: Value[]): NamedSet => ({
    name: 's',
    type: [],
    interval: true,
    dynamic: false,
    elements,
  });
  const asks = (elements: Value[], left = payload('ip', 'saddr'), operator: '==' | '!=' = '=='): string =>
    of({
      ...input(rule(match(left, { kind: 'named', name: 's' }, operator), ACCEPT)),
      sets: [named(elements)],
    });
  test('sets: exact values, intervals, none at all, several fields in one key', () => {
    expect(asks([ip('198.51.100.4'), ip('192.0.2.1')])).toBe('accept');
    expect(asks([net('192.0.2.0/24'), net('198.51.100.0/30')])).toBe('drop');
    expect(asks([net('192.0.2.0/24'), net('198.51.100.0/29')])).toBe('accept');
    expect(asks([])).toBe('drop');
    expect(asks([], payload('ip', 'saddr'), '!=')).toBe('accept');
    const key = { kind: 'concat', parts: [payload('ip', 'saddr'), payload('tcp', 'dport')] } as const;
    const pair = (source: Value, destination: Value): Value => ({
      kind: 'concat',
      parts: [source, destination],
    });
    expect(asks([pair(ip('198.51.100.4'), number(22))], key)).toBe('accept');
    expect(asks([pair(ip('198.51.100.4'), number(23))], key)).toBe('drop');
    expect(asks([pair(net('198.51.100.0/24'), range(20, 30))], key)).toBe('accept');
  });
  test("iptables' sets: exceptions, lists, directions, ports of ICMP, other families", () => {
    const ipsets = readIpsetSave(
      [
        'create nets hash:net family inet',
        'add nets 198.51.100.0/24',
        'add nets 198.51.100.4/31 nomatch',
        'create services hash:ip,port family inet',
        'add services 203.0.113.1,tcp:22',
        'add services 203.0.113.1,icmp:8/0',
        'create all list:set',
        'add all nets',
        'create six hash:net family inet6',
        'add six ::/0',
      ].join('\n'),
    );
    const set = (text: string, fields: PacketFields): string => {
      const save = `*filter\n:INPUT DROP [0:0]\n-A INPUT -m set ${text} -j ACCEPT\nCOMMIT\n`;
      return of({ ...readIptablesSave(save).ruleset, ipsets }, fields);
    };
    expect(set('--match-set nets src', FIELDS)).toBe('drop');
    expect(set('! --match-set nets src', FIELDS)).toBe('accept');
    expect(set('--match-set nets src', { ...FIELDS, src: address('198.51.100.6') })).toBe('accept');
    expect(set('--match-set nets dst', { ...FIELDS, src: address('198.51.100.6') })).toBe('drop');
    expect(set('--match-set all src', { ...FIELDS, src: address('198.51.100.6') })).toBe('accept');
    expect(set('--match-set services dst,dst', FIELDS)).toBe('accept');
    expect(set('--match-set services dst,dst', UDP)).toBe('drop');
    const ping = { ...FIELDS, proto: 1, icmptype: 8, icmpcode: 0 };
    expect(set('--match-set services dst,dst', ping)).toBe('accept');
    expect(set('--match-set six src', FIELDS)).toBe('drop');
    expect(set('! --match-set six src', FIELDS)).toBe('accept');
    expect(set('--match-set nowhere src', FIELDS)).toBe('unknown');
  });
});

describe('translation', () => {
  const dnat = (target: string, value?: Value): Statement => ({
    kind: 'nat',
    type: 'dnat',
    address: ip(target),
    ...(value === undefined ? {} : { port: value }),
    flags: [],
  });
  const nat = (hook: Hook, priority: number, ...rules: Rule[]): Chain =>
    base(hook, priority, rules, 'accept', 'nat');
  const inside = address('10.0.0.2');
  const forwards = { ...FIELDS, oif: 'br0' };

  test('later hooks see the new destination; status and original tuple tell of the old one', () => {
    const dnatted = match(ct('status'), symbol('dnat'), 'in');
    const original = match(ct('proto-dst', 'original'), number(22));
    const ruleset = table(
      't',
      nat('prerouting', -100, rule(port(22), dnat('10.0.0.2', number(2222)))),
      base('forward', 0, [rule(port(2222), dnatted, original, ACCEPT)], 'drop'),
    );
    const result = walk(ruleset, forwards, 'forward');
    expect(result).toMatchObject({ verdict: 'accept', fields: { dst: inside, dport: 2222, odport: 22 } });
    expect(of(ruleset, { ...forwards, dport: 2222 }, 'forward')).toBe('drop');
    // Errors about a flow are translated with it; other related flows are flows of their own.
    const asked = table('t', nat('prerouting', -100, rule(dnat('10.0.0.2'))));
    const related = { ...FIELDS, state: 'related', icmptype: 3, icmpcode: 1 };
    const chains = (fields: PacketFields) => walk(asked, fields).path.map(({ hook }) => hook);
    expect(chains({ ...related, proto: 1 })).toEqual([]);
    expect(chains(related)).toEqual(['prerouting', 'prerouting']);
    // Flows that are there have had their translation.
    expect(of(ruleset, { ...forwards, state: 'established', status: 0 }, 'forward')).toBe('drop');
    expect(walk(ruleset, { ...forwards, state: 'untracked' }, 'forward').fields['dport']).toBe(22);
    const all = table('t', nat('prerouting', -100, rule(dnat('10.0.0.2'))));
    const error = { ...forwards, proto: 1, state: 'related', icmptype: 3, icmpcode: 1 };
    expect(walk(all, error, 'forward').fields['dst']).toEqual(FIELDS['dst']);
    expect(walk(all, { ...forwards, state: 'related' }, 'forward').fields['dst']).toEqual(inside);
  });
  test('a chain that sets none leaves it to the next; after one that does the others are not asked', () => {
    const second = nat('prerouting', 5, rule(dnat('10.0.0.2')));
    expect(
      walk(table('t', nat('prerouting', -200, rule(ACCEPT)), second), forwards, 'forward').fields,
    ).toMatchObject({
      dst: inside,
    });
    const third = nat('prerouting', 7, rule(DROP));
    expect(of(table('t', second, third), forwards, 'forward')).toBe('accept');
    expect(of(table('t', third), forwards, 'forward')).toBe('accept');
    expect(of(table('t', nat('prerouting', 7, rule(DROP)), second), forwards, 'forward')).toBe('accept');
    expect(of(table('t', nat('prerouting', 4, rule(DROP)), second), forwards, 'forward')).toBe('drop');
  });
  test('nat chains stand at the priority of all NAT, whatever they say themselves', () => {
    const sees = (priority: number) =>
      table(
        't',
        nat('prerouting', 300, rule(dnat('10.0.0.2'))),
        base('prerouting', priority, [rule(match(payload('ip', 'daddr'), ip('10.0.0.2')), DROP)]),
      );
    expect(of(sees(-99))).toBe('drop');
    expect(of(sees(-101))).toBe('accept');
  });
  test('without anything that switches conntrack on, chains of type nat are never called', () => {
    const drops = nat('prerouting', -100, rule(DROP));
    expect(of(table('t', drops))).toBe('accept');
    expect(of(table('t', drops, base('input', 0, [rule(stateIn('invalid'), ACCEPT)])))).toBe('drop');
  });
  test('redirect needs an address on the interface', () => {
    const ruleset = {
      tables: [
        table(
          't',
          nat('prerouting', -100, rule({ kind: 'nat', type: 'redirect', port: number(80), flags: [] })),
        ),
      ],
    };
    const link = { index: 2, loopback: false, up: true, group: 0 };
    const own = {
      address: address('203.0.113.7'),
      prefix: { family: 'ipv4', value: 0xcb007100n, length: 24 },
    } as const;
    const host = (addresses: (typeof own)[]) => ({
      links: [{ ...link, name: 'eth0', addresses }],
      routes: [],
      rules: [],
      sysctls: {},
      missing: [],
    });
    const packet: WalkPacket = { family: 'ipv4', hook: 'input', fields: FIELDS };
    expect(prepareWalk(ruleset, host([]))(packet).verdict).toBe('drop');
    expect(prepareWalk(ruleset, host([own]))(packet)).toMatchObject({
      verdict: 'accept',
      fields: { dst: own.address, dport: 80 },
    });
    const out = prepareWalk({
      tables: [table('t', nat('output', -100, ...ruleset.tables[0]!.chains[0]!.rules))],
    });
    const sent = { ...packet, hook: 'output', fields: { ...FIELDS, iif: '-', oif: 'eth0' } } as const;
    expect(out(sent).fields['dst']).toEqual(address('127.0.0.1'));
  });
  test('one of several targets: unknown only where it makes a difference', () => {
    const ruleset = (last: number) =>
      table(
        't',
        nat('prerouting', -100, rule(dnat('10.0.0.2', range(8000, 8010)))),
        base('forward', 0, [rule(match(payload('tcp', 'dport'), range(8000, last)), ACCEPT)], 'drop'),
      );
    expect(of(ruleset(8010), forwards, 'forward')).toBe('accept');
    expect(of(ruleset(8005), forwards, 'forward')).toBe('unknown');
  });
  test('networks are mapped onto networks, and masquerade changes the source after all filters', () => {
    const save = [
      '*nat',
      ':PREROUTING ACCEPT [0:0]',
      ':POSTROUTING ACCEPT [0:0]',
      '-A PREROUTING -d 203.0.113.0/24 -j NETMAP --to 10.0.0.0/24',
      '-A POSTROUTING -o br0 -j SNAT --to-source 192.0.2.9',
      'COMMIT',
    ].join('\n');
    const { fields } = walk(readIptablesSave(save).ruleset, forwards, 'forward');
    expect(fields).toMatchObject({ dst: address('10.0.0.1'), src: address('192.0.2.9'), status: 0x30 });
  });
});

describe('what keeps conntrack away', () => {
  const early = (...rules: Rule[]): Chain => base('prerouting', -300, rules);
  test('notrack makes packets untracked from priority -200 on, and NAT leaves them alone', () => {
    const untracked = rule(stateIn('untracked'), ACCEPT);
    const chains = [
      base('input', 0, [untracked], 'drop'),
      base('prerouting', -100, [rule(DROP)], 'accept', 'nat'),
    ];
    expect(of(table('t', early(rule({ kind: 'notrack' })), ...chains))).toBe('accept');
    expect(of(table('t', early(rule(port(1), { kind: 'notrack' })), ...chains))).toBe('drop');
  });
  test('before that no packet has a state', () => {
    const drops = (state: string) => table('t', early(rule(stateIn(state), DROP)));
    expect(of(drops('new'))).toBe('accept');
    expect(of(drops('invalid'))).toBe('drop');
    expect(of(table('t', early(rule({ kind: 'notrack' }), rule(stateIn('untracked'), DROP))))).toBe('drop');
    expect(of(table('t', early(rule(match(ct('mark'), number(0)), DROP))))).toBe('accept');
  });
});

describe('what nobody knows', () => {
  test('a verdict is unknown only where it makes a difference', () => {
    expect(of(input(rule(limit, ACCEPT)))).toBe('unknown');
    expect(of(input(rule(limit, DROP)))).toBe('drop');
    expect(of(input(rule(limit, ACCEPT), rule(port(22), ACCEPT)))).toBe('accept');
    expect(of(input(rule(limit, { kind: 'log' }), rule(ACCEPT)))).toBe('accept');
    expect(of(input(rule({ kind: 'queue', queue: number(0), flags: [] })))).toBe('unknown');
    expect(walk(input(rule(limit, { kind: 'log' }))).unknowns).toEqual([]);
  });
  test('it says which rule, and why', () => {
    const unsure = rule(port(22), limit, ACCEPT);
    const { unknowns, path } = walk(input(rule(setMark(3)), unsure));
    expect(unknowns).toMatchObject([{ rule: unsure, why: { kind: 'free', reason: 'rate' } }]);
    expect(path.map(({ verdict: { kind } }) => kind)).toEqual(['set']);
  });
  test('limits can be taken as not reached', () => {
    const assume = { assume: 'limits not exceeded' } as const;
    expect(of(input(rule(limit, ACCEPT)), FIELDS, 'input', assume)).toBe('accept');
    expect(of(input(rule({ ...limit, over: true }, DROP), rule(ACCEPT)), FIELDS, 'input', assume)).toBe(
      'accept',
    );
  });
  test('a rule that was not understood', () => {
    expect(of(input(rule({ kind: 'unknown', raw: '-m foo' }, ACCEPT)))).toBe('unknown');
    expect(of(input(rule({ kind: 'unknown', raw: '-m foo' }, DROP)))).toBe('drop');
    expect(of(input(rule({ kind: 'unknown', raw: '-j FOO' })))).toBe('unknown');
  });
  test('fields that are left out may have any value, but the same in all rules', () => {
    const { src: _, dport: __, ...some } = FIELDS;
    const from = (text: string) => match(payload('ip', 'saddr'), net(text));
    expect(of(input(rule(from('0.0.0.0/1'), ACCEPT), rule(from('128.0.0.0/1'), ACCEPT)), some)).toBe(
      'accept',
    );
    expect(of(input(rule(from('0.0.0.0/1'), ACCEPT), rule(from('128.0.0.0/2'), ACCEPT)), some)).toBe(
      'unknown',
    );
    expect(of(input(rule(port(80), ACCEPT), rule(port(80, '!='), ACCEPT)), some)).toBe('accept');
    expect(of(input(rule(port(80), DROP)), some)).toBe('drop');
    const { state: ___, ...stateless } = FIELDS;
    const all = stateIn('new', 'established', 'related', 'untracked', 'invalid');
    expect(of(input(rule(all, ACCEPT)), stateless)).toBe('accept');
    expect(of(input(rule(stateIn('new'), ACCEPT)), stateless)).toBe('unknown');
  });
  test('thousands of rules that may match are still an answer, or unknown in time', () => {
    const { src: _, ...some } = FIELDS;
    const drops = Array.from({ length: 5000 }, (__, i) =>
      rule(
        match(payload('ip', 'saddr'), { kind: 'address', address: { family: 'ipv4', value: BigInt(i * 7) } }),
        DROP,
      ),
    );
    expect(of(input(...drops.slice(0, 200)), some)).toBe('drop');
    expect(of(input(...drops, rule(ACCEPT)), some)).toBe('unknown');
  });
  test('rules that lead back to themselves end', () => {
    const loop = table('t', base('input', 0, [rule(to('jump', 'x'))]), chain('x', rule(to('jump', 'x'))));
    expect(of(loop)).toBe('unknown');
  });
});

describe('the host', () => {
  const route = (prefix: string, device: string, table: number, type: 'unicast' | 'local' | 'broadcast') => {
    const parsed = parsePrefix(prefix);
    if ('problem' in parsed) throw new Error(prefix);
    const nextHops = [{ device, dead: false }];
    return { family: 'ipv4', table, type, prefix: parsed.prefix, nextHops, metric: 0 } as const;
  };
  const host: Host = {
    links: [],
    routes: [
      route('203.0.113.1/32', 'eth0', 255, 'local'),
      route('203.0.113.255/32', 'eth0', 255, 'broadcast'),
      route('203.0.113.0/24', 'eth0', 254, 'unicast'),
      route('0.0.0.0/0', 'eth0', 254, 'unicast'),
      route('10.0.0.0/8', 'eth1', 254, 'unicast'),
    ],
    rules: [],
    sysctls: {},
    missing: [],
  };
  const fib = (result: string, ...asked: string[]): Expression => ({ kind: 'fib', result, flags: asked });
  const asked = (left: Expression, right: Value, fields: PacketFields): string =>
    prepareWalk(
      { tables: [input(rule(match(left, right), ACCEPT))] },
      host,
    )({
      family: 'ipv4',
      hook: 'input',
      fields: { ...FIELDS, ...fields },
    }).verdict;

  test.each([
    ['203.0.113.1', 'local'],
    ['203.0.113.255', 'broadcast'],
    ['255.255.255.255', 'broadcast'],
    ['224.0.0.1', 'multicast'],
    ['203.0.113.2', 'unicast'],
    ['0.0.0.0', 'broadcast'],
  ])('%s is %s', (text, type) => {
    expect(asked(fib('type', 'daddr'), symbol(type), { dst: address(text) })).toBe('accept');
    expect(asked(fib('type', 'daddr'), symbol('anycast'), { dst: address(text) })).toBe('drop');
  });
  test('an address of another interface is not local to this one', () => {
    const left = fib('type', 'daddr', 'iif');
    expect(asked(left, symbol('local'), {})).toBe('accept');
    expect(asked(left, symbol('local'), { iif: 'eth1' })).toBe('drop');
  });
  test('the way back leads out where the packet came in, or is missing', () => {
    const back = fib('oif', 'saddr', 'iif');
    const missing: Value = { kind: 'boolean', value: false };
    expect(asked(back, missing, {})).toBe('drop');
    expect(asked(back, missing, { src: address('10.0.0.1') })).toBe('accept');
    expect(asked(back, missing, { src: address('10.0.0.1'), iif: 'eth1' })).toBe('drop');
    expect(asked(back, missing, { src: address('203.0.113.1') })).toBe('accept');
  });
});

test('without a path there is just the verdict', () => {
  const ruleset = { tables: [input(rule(port(22), ACCEPT))] };
  const result = prepareWalk(ruleset)({ family: 'ipv4', hook: 'input', fields: FIELDS }, { path: false });
  expect(result).toEqual({ verdict: 'accept', path: [], fields: {}, unknowns: [] });
});
