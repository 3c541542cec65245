import { expect, test } from 'vitest';
import { freeReasons, unknownParts } from './certainty.ts';
import { meta, operand, payload } from './expression.ts';
import type { Statement } from './statement.ts';
import { match } from './statement.ts';
import { number } from './value.ts';

const raw = 'nobody knows';
const unknown = { kind: 'unknown', raw } as const;
const any = meta('mark');

test.each<[string, Statement]>([
  ['a statement', unknown],
  ['the left of a match', match(unknown, number(1))],
  ['the right of a match', match(any, unknown)],
  ['an element of a set', match(any, { kind: 'elements', elements: [number(1), unknown] })],
  ['the end of a range', match(any, { kind: 'range', first: number(1), last: unknown })],
  ['a part of a concatenation', match({ kind: 'concat', parts: [any, unknown] }, number(1))],
  ['a branch', { kind: 'or', branches: [[match(any, number(1))], [unknown]] }],
  ['a value that is written', { kind: 'mangle', key: any, value: unknown }],
  ['a field that is written', { kind: 'mangle', key: unknown, value: number(1) }],
  [
    'an operand inside',
    {
      kind: 'mangle',
      key: any,
      value: operand({ kind: 'bits', operator: '|', left: any, right: operand(unknown) }),
    },
  ],
  ['an address', { kind: 'nat', type: 'dnat', address: unknown, flags: [] }],
  [
    'data of a map',
    {
      kind: 'nat',
      type: 'dnat',
      address: operand({
        kind: 'map',
        key: payload('tcp', 'dport'),
        map: { kind: 'entries', entries: [{ key: number(1), data: unknown }] },
      }),
      flags: [],
    },
  ],
  [
    'a key of a vmap',
    {
      kind: 'vmap',
      key: any,
      map: { kind: 'entries', entries: [{ key: unknown, verdict: { kind: 'drop' } }] },
    },
  ],
  [
    'a statement of an element',
    { kind: 'dynset', operation: 'add', set: 's', element: any, statements: [unknown] },
  ],
])('%s that was not understood is found', (_, statement) => {
  expect(unknownParts({ statements: [match(any, number(1)), statement] })).toEqual([raw]);
});

test('a rule that is understood has none', () => {
  expect(unknownParts({ statements: [match(payload('tcp', 'dport'), number(22))] })).toEqual([]);
});

test.each<[string, Statement]>([
  ['rate', { kind: 'limit', rate: 1, per: 'second', burst: 5, over: false }],
  ['traffic', { kind: 'quota', bytes: 5, over: true }],
  ['connections', { kind: 'ct count', count: 5, over: true }],
  ['chance', match({ kind: 'numgen', mode: 'random', modulus: 2, offset: 0 }, number(0))],
  [
    'chance',
    { kind: 'nat', type: 'dnat', flags: [], address: operand({ kind: 'hash', modulus: 2, offset: 0 }) },
  ],
  ['clock', match(meta('hour'), number(0))],
  ['socket', match({ kind: 'socket', key: 'mark' }, number(0))],
  ['ipsec', match({ kind: 'rt', key: 'ipsec' }, { kind: 'boolean', value: true })],
  ['memory', { kind: 'free', reason: 'memory', extension: 'recent', options: [] }],
  [
    'rate',
    {
      kind: 'dynset',
      operation: 'update',
      set: 's',
      element: any,
      statements: [{ kind: 'limit', rate: 1, per: 'second', burst: 5, over: true }],
    },
  ],
])('%s', (reason, statement) => {
  expect(freeReasons({ statements: [statement] })).toEqual([reason]);
});

test('what is written is no condition', () => {
  const statement: Statement = { kind: 'mangle', key: meta('priority'), value: number(1) };
  expect(freeReasons({ statements: [statement] })).toEqual([]);
});
