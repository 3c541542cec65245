import { describe, expect, test } from 'vitest';
import { payload } from '../model/expression.ts';
import type { SetSource } from '../model/inline-set.ts';
import type { Rule, Table } from '../model/ruleset.ts';
import type { Statement } from '../model/statement.ts';
import { number, type Value } from '../model/value.ts';
import { parseAddress } from '../net/address.ts';
import { parsePrefix } from '../net/prefix.ts';
import { tableDifferences } from './difference.ts';
import { renderChange } from './nft-change.ts';

const ACCEPT: Statement = { kind: 'verdict', verdict: { kind: 'accept' } };
const DROP: Statement = { kind: 'verdict', verdict: { kind: 'drop' } };

function prefix(text: string): Value {
  const parsed = parsePrefix(text);
  if (!('prefix' in parsed)) throw new Error(text);
  return { kind: 'prefix', prefix: parsed.prefix };
}

const address = (text: string): Value => ({ kind: 'address', address: parseAddress(text)! });
const oneOf = (...elements: Value[]): SetSource => ({ kind: 'elements', elements });
const match = (field: string, right: Value | SetSource): Statement => ({
  kind: 'match',
  operator: '==',
  left: payload(field.endsWith('port') ? 'tcp' : 'ip', field),
  right,
});

function tableOf(rules: readonly Rule[], sets: Table['sets'] = []): Table {
  return { family: 'inet', name: 't', sets, chains: [{ name: 'c', rules }] };
}

const rule = (...statements: Statement[]): Rule => ({ comment: 'moat:x', statements });

describe('spelled otherwise, said the same', () => {
  test.each<[string, Statement, Statement]>([
    [
      'the order in a set',
      match('dport', oneOf(number(80), number(22))),
      match('dport', oneOf(number(22), number(80))),
    ],
    ['a set of one and a value', match('dport', oneOf(number(80))), match('dport', number(80))],
    [
      'neighbours that nft merges',
      match('saddr', oneOf(prefix('10.0.0.0/8'), prefix('11.0.0.0/8'))),
      match('saddr', oneOf(prefix('10.0.0.0/7'))),
    ],
    [
      'a full-length prefix and an address',
      match('saddr', prefix('192.0.2.1/32')),
      match('saddr', address('192.0.2.1')),
    ],
    [
      'ports one by one and a range',
      match('dport', oneOf(number(1), number(2), number(3))),
      match('dport', { kind: 'range', first: number(1), last: number(3) }),
    ],
    [
      'neighbours that are no one network, and their range',
      match('saddr', oneOf(address('192.0.2.1'), prefix('192.0.2.2/31'))),
      match('saddr', { kind: 'range', first: address('192.0.2.1'), last: address('192.0.2.3') }),
    ],
    [
      'counters that have counted',
      { kind: 'counter', packets: 0, bytes: 0 },
      { kind: 'counter', packets: 9, bytes: 99 },
    ],
  ])('%s', (_, a, b) => {
    expect(
      tableDifferences(tableOf([rule(a, ACCEPT)]), tableOf([{ ...rule(b, ACCEPT), handle: 7 }])),
    ).toEqual([]);
  });
});

describe('said otherwise', () => {
  test.each<[string, readonly Rule[], readonly Rule[]]>([
    ['another port', [rule(match('dport', number(80)), ACCEPT)], [rule(match('dport', number(81)), ACCEPT)]],
    ['another verdict', [rule(match('dport', number(80)), ACCEPT)], [rule(match('dport', number(80)), DROP)]],
    ['another order', [rule(ACCEPT), rule(DROP)], [rule(DROP), rule(ACCEPT)]],
    ['one rule more', [rule(DROP)], [rule(DROP), rule(ACCEPT)]],
    ['something that is not understood', [rule(DROP)], [rule({ kind: 'unknown', raw: { xt: 1 } })]],
  ])('%s', (_, a, b) => {
    expect(tableDifferences(tableOf(a), tableOf(b))).toHaveLength(1);
  });

  test('and where', () => {
    const [difference] = tableDifferences(tableOf([rule(DROP)]), tableOf([rule(ACCEPT)]));
    expect(difference).toEqual({
      object: 'chain c',
      wanted: ['drop comment "moat:x"'],
      found: ['accept comment "moat:x"'],
    });
  });
});

describe('the change from one table to the next', () => {
  const group = (...elements: Value[]): Table['sets'][number] => ({
    name: 'g',
    type: ['ipv4_addr'],
    interval: false,
    dynamic: false,
    elements,
  });

  test('nothing to do is no transaction at all', () => {
    const table = tableOf([rule(DROP)], [group(address('192.0.2.1'))]);
    expect(renderChange(table, structuredClone(table))).toBeUndefined();
  });

  test('from nothing, and over a base chain that hooks elsewhere, the whole table', () => {
    const based = (priority: number): Table => ({
      ...tableOf([]),
      chains: [{ name: 'c', base: { type: 'filter', hook: 'input', priority, policy: 'drop' }, rules: [] }],
    });
    expect(renderChange(based(-5), undefined)).toMatch(/^table inet t\ndelete table inet t\ntable inet t \{/);
    expect(renderChange(based(-5), based(0))).toMatch(/^table inet t\ndelete table inet t\n/);
  });

  test('members that come and go are elements, and no rule is mentioned', () => {
    const rules = [rule(match('saddr', { kind: 'named', name: 'g' }), ACCEPT)];
    const before = tableOf(rules, [group(address('192.0.2.1'), address('192.0.2.2'))]);
    const after = tableOf(rules, [group(address('192.0.2.2'), address('192.0.2.3'))]);
    expect(renderChange(after, before)).toBe(
      'delete element inet t g { 192.0.2.1 }\nadd element inet t g { 192.0.2.3 }\n',
    );
  });

  test('only the chain that differs is flushed; a dynamic set keeps what packets put there', () => {
    const seen: Table['sets'][number] = { ...group(), name: 'seen', dynamic: true, timeout: 60, size: 9 };
    const before: Table = {
      ...tableOf([rule(DROP)], [{ ...seen, elements: [address('192.0.2.9')] }]),
      chains: [
        { name: 'same', rules: [rule(DROP)] },
        { name: 'c', rules: [rule(DROP)] },
        { name: 'gone', rules: [rule(DROP)] },
      ],
    };
    const after: Table = {
      ...tableOf([], [seen]),
      chains: [
        { name: 'same', rules: [rule(DROP)] },
        { name: 'c', rules: [rule(ACCEPT)] },
        { name: 'fresh', rules: [rule(ACCEPT)] },
      ],
    };
    const text = renderChange(after, before)!;
    expect(text.match(/^flush chain .*$/gm)).toEqual(['flush chain inet t c', 'flush chain inet t gone']);
    expect(text.match(/^delete .*$/gm)).toEqual(['delete chain inet t gone']);
    expect(text).not.toContain('same');
    expect(text).not.toContain('seen');
  });
});

test('a table that the kernel does not call is another one, and is replaced', () => {
  const wanted = tableOf([rule(DROP)]);
  const dormant: Table = { ...wanted, dormant: true };
  expect(tableDifferences(wanted, dormant).map(({ object }) => object)).toEqual(['table']);
  expect(renderChange(wanted, dormant)).toMatch(/^table inet t\ndelete table inet t\n/);
  expect(renderChange(wanted, wanted)).toBeUndefined();
});
