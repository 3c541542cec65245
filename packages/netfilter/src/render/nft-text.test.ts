import { expect, test } from 'vitest';
import type { NamedSet } from '../model/set.ts';
import { renderSet } from './nft-text.ts';

test('an element in its last second is left out: with no time it would stay for ever', () => {
  const gate = (expires: readonly (number | undefined)[]): NamedSet => ({
    ...{ name: 'gate', type: ['mark'], interval: false, dynamic: true, timeouts: true, expires },
    elements: expires.map((_, value) => ({ kind: 'number', value })),
  });
  const lines = (expires: readonly (number | undefined)[]): string[] =>
    renderSet(gate(expires))
      .split('\n')
      .filter((line) => line.includes('elements'));
  expect(lines([0, 5, undefined])).toEqual(['    elements = { 1 timeout 5s, 2 }']);
  expect(lines([0, -3])).toEqual([]);
});
