import { describe, expect, test } from 'vitest';
import { ct, meta, payload } from '../model/expression.ts';
import type { Chain, Rule, Table } from '../model/ruleset.ts';
import type { Statement } from '../model/statement.ts';
import { flags, number, symbol } from '../model/value.ts';
import type { Verdict } from '../model/verdict.ts';
import { parseAddress } from '../net/address.ts';
import { type Packet, walkHook } from './hook.ts';

const PACKET: Packet = {
  protocol: 'tcp',
  source: parseAddress('198.51.100.4')!,
  destination: parseAddress('203.0.113.130')!,
  sourcePort: 50_000,
  destinationPort: 22,
  inInterface: 'eth0',
  state: 'new',
  destinationType: 'local',
  labels: new Set(),
};

const then = (verdict: Verdict): Statement => ({ kind: 'verdict', verdict });
const ACCEPT = then({ kind: 'accept' });
const DROP = then({ kind: 'drop' });
const port = (value: number, operator: '==' | '!=' = '=='): Statement => ({
  kind: 'match',
  operator,
  left: payload('tcp', 'dport'),
  right: number(value),
});

const rule = (...statements: Statement[]): Rule => ({ statements });
const input = (name: string, priority: number, rules: Rule[], policy: 'accept' | 'drop' = 'drop'): Chain => ({
  name,
  base: { type: 'filter', hook: 'input', priority, policy },
  rules,
});
const tableOf = (...chains: Chain[]): Table => ({ family: 'inet', name: 't', sets: [], chains });
const verdict = (chains: Chain[], packet: Packet = PACKET): string =>
  walkHook(tableOf(...chains), 'input', packet).verdict;

test('the first rule that matches decides; none: the policy', () => {
  expect(verdict([input('c', 0, [rule(port(22), ACCEPT), rule(DROP)])])).toBe('accept');
  expect(verdict([input('c', 0, [rule(port(23), ACCEPT)])])).toBe('drop');
  expect(verdict([input('c', 0, [rule(port(23), ACCEPT)], 'accept')])).toBe('accept');
});

test('an accept ends its own base chain only; a drop ends all', () => {
  const accepts = (priority: number) => input(`a${priority}`, priority, [rule(ACCEPT)]);
  expect(verdict([input('b', 10, [rule(DROP)]), accepts(0)])).toBe('drop');
  expect(verdict([accepts(10), accepts(0)])).toBe('accept');
});

describe('jumps', () => {
  const target: Chain = { name: 'x', rules: [rule(port(23), ACCEPT)] };
  test('come back after the rule; gotos do not', () => {
    expect(verdict([input('c', 0, [rule(then({ kind: 'jump', chain: 'x' })), rule(ACCEPT)]), target])).toBe(
      'accept',
    );
    expect(verdict([input('c', 0, [rule(then({ kind: 'goto', chain: 'x' })), rule(ACCEPT)]), target])).toBe(
      'drop',
    );
  });
  test('a return leaves the chain', () => {
    const returns: Chain = { name: 'x', rules: [rule(then({ kind: 'return' })), rule(DROP)] };
    expect(verdict([input('c', 0, [rule(then({ kind: 'jump', chain: 'x' })), rule(ACCEPT)]), returns])).toBe(
      'accept',
    );
  });
  test('into a chain that is not there are unknown', () => {
    expect(verdict([input('c', 0, [rule(then({ kind: 'jump', chain: 'nowhere' }))])])).toBe('unknown');
  });
});

test('a verdict map sends on by key; a miss goes to the next rule', () => {
  const map = (entries: [number, Verdict][]): Statement => ({
    kind: 'vmap',
    key: payload('tcp', 'dport'),
    map: { kind: 'entries', entries: entries.map(([key, to]) => ({ key: number(key), verdict: to })) },
  });
  expect(verdict([input('c', 0, [rule(map([[22, { kind: 'accept' }]])), rule(DROP)])])).toBe('accept');
  expect(verdict([input('c', 0, [rule(map([[23, { kind: 'accept' }]]), ACCEPT), rule(DROP)])])).toBe('drop');
});

test('a field that the packet lacks does not match, and its negation neither', () => {
  const udp: Packet = { ...PACKET, protocol: 'udp' };
  expect(verdict([input('c', 0, [rule(port(22), ACCEPT), rule(port(22, '!='), ACCEPT)])], udp)).toBe('drop');
  const v6: Statement = { kind: 'match', operator: '!=', left: payload('ip6', 'saddr'), right: number(1) };
  expect(verdict([input('c', 0, [rule(v6, ACCEPT)])])).toBe('drop');
});

test('what is not understood is unknown, unless an earlier rule has decided', () => {
  const unknown = rule({ kind: 'unknown', raw: {} }, ACCEPT);
  expect(verdict([input('c', 0, [unknown, rule(DROP)])])).toBe('unknown');
  expect(verdict([input('c', 0, [rule(port(22), ACCEPT), unknown])])).toBe('accept');
});

test('labels set on the way are there for later rules and come back', () => {
  const label = { kind: 'ct', key: 'label' } as const;
  const walk = walkHook(
    tableOf(
      input('c', 0, [
        rule({ kind: 'mangle', key: label, value: number(127) }),
        rule({ kind: 'match', operator: 'in', left: label, right: number(127) }, ACCEPT),
      ]),
    ),
    'input',
    PACKET,
  );
  expect(walk.verdict).toBe('accept');
  expect([...walk.labels]).toEqual([127]);
});

test('interface names with a star match any ending; the path names the rules', () => {
  const wild: Statement = { kind: 'match', operator: '==', left: meta('iifname'), right: symbol('et*') };
  const decides = rule(wild, ACCEPT);
  const walk = walkHook(tableOf(input('c', 0, [rule(port(1), DROP), decides])), 'input', PACKET);
  expect(walk).toMatchObject({ verdict: 'accept', path: [{ chain: 'c', rule: decides }] });
  expect(verdict([input('c', 0, [decides])], { ...PACKET, inInterface: 'lo' })).toBe('drop');
});

test.each([
  ['in', ['established', 'new'], 'accept'],
  ['in', ['established', 'related'], 'drop'],
  ['!', ['established', 'new'], 'drop'],
  ['!', ['established', 'related'], 'accept'],
  ['==', ['established', 'new'], 'drop'],
] as const)('several states at once: %s %j', (operator, states, expected) => {
  const match: Statement = { kind: 'match', operator, left: ct('state'), right: flags(states) };
  expect(verdict([input('c', 0, [rule(match, ACCEPT)])])).toBe(expected);
});

test.each<Statement>([
  { kind: 'free', reason: 'memory', extension: 'recent', options: [] },
  { kind: 'ipset', set: 'ban', directions: ['src'], inverted: false },
  { kind: 'match', operator: '==', left: payload('tcp', 'window'), right: number(1) },
  { kind: 'or', branches: [[{ kind: 'unknown', raw: '' }]] },
])('what nobody knows is unknown, and never passed over: $kind', (statement) => {
  expect(verdict([input('c', 0, [rule(statement, DROP)], 'accept')])).toBe('unknown');
});
