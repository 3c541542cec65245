import { symbol, type Table } from '@moat/netfilter';
import { expect, test } from 'vitest';
import { agedSets } from './remembered.ts';

const NOW = 1_800_000_000;

function tableWith(name: string, expires: readonly (number | undefined)[]): Table {
  const elements = ['a', 'b', 'c'].slice(0, expires.length).map(symbol);
  const set = { name, type: ['mark'], interval: false, dynamic: true, timeouts: true as const };
  return { family: 'inet', name: 'moat', chains: [], sets: [{ ...set, elements, expires }] };
}

test('what was remembered has less time left, and what is over is gone', () => {
  const [set] = agedSets(tableWith('cut_v4', [100, 30, undefined]), 40, NOW);
  expect(set).toMatchObject({ elements: [symbol('a'), symbol('c')], expires: [60, undefined] });
});

test('a gate shuts at its moment, however late its time was read, and not later than its time', () => {
  const open = (left: number, until: number): unknown =>
    agedSets(tableWith(`until_${until}`, [left]), 10, NOW)[0]?.expires;
  expect(open(60, NOW + 30)).toEqual([30]);
  expect(open(60, NOW + 3000)).toEqual([51]);
  expect(open(60, NOW - 5)).toEqual([]);
  expect(open(8, NOW + 3000)).toEqual([]);
});

test('bans come from elsewhere, and sets whose elements packets make are not remembered', () => {
  expect(agedSets(tableWith('banned_v4', [100]), 0, NOW)).toEqual([]);
  const { timeouts: _, ...limit } = tableWith('limit_1_v4', [100]).sets[0]!;
  expect(agedSets({ family: 'inet', name: 'moat', chains: [], sets: [limit] }, 0, NOW)).toEqual([]);
});
