import { expect, test } from 'vitest';
import type { NameEntry } from '../kernel/names-file.ts';
import { parsePolicyFile } from '../policy/file.ts';
import { parseServices } from '../policy/services.ts';
import { changedName, groupTable, nameStates, nameTrouble } from './names-text.ts';

const NOW = 1_800_000_000;
const TEXT = `group office 198.51.100.0/25 a.example b.example
group home a.example
group plain 192.0.2.1
`;
const ENTRIES: readonly NameEntry[] = [
  {
    name: 'a.example',
    addresses: ['192.0.2.7'],
    answered: NOW - 7300,
    ttl: 60,
    failed: { at: NOW, times: 2, why: 'the server failed' },
  },
  { name: 'gone.example', addresses: ['192.0.2.9'], answered: NOW, ttl: 60, failed: null },
];

function policy() {
  const parsed = parsePolicyFile(TEXT, parseServices(''));
  if (!parsed.ok) throw new Error('no policy');
  return parsed.file.policy;
}

test('each name of the policy, what it is, since when, and why not', () => {
  const states = nameStates(policy(), ENTRIES, NOW);
  expect(states).toEqual([
    {
      name: 'a.example',
      groups: ['office', 'home'],
      addresses: ['192.0.2.7'],
      age: 7300,
      failed: 'the server failed',
    },
    { name: 'b.example', groups: ['office'], addresses: [], age: null, failed: 'not asked for yet' },
  ]);
  expect(states.map(nameTrouble)).toEqual([
    'a.example was not answered as it should be (the server failed); what it was 2 h ago is kept: 192.0.2.7',
    'b.example has no address (not asked for yet), so no rule is about it',
  ]);
  expect(groupTable(policy().groups, states).split('\n')).toEqual([
    'GROUP   MEMBER           IS         ANSWERED',
    'office  198.51.100.0/25',
    '        a.example        192.0.2.7  2 h ago; last try: the server failed',
    '        b.example        -          never; last try: not asked for yet',
    'home    a.example        192.0.2.7  2 h ago; last try: the server failed',
    'plain   192.0.2.1',
  ]);
  expect(groupTable(new Map(), [])).toBe('There are no groups');
});

test('what became of a name, in words', () => {
  const change = { name: 'a.example', addresses: ['192.0.2.7'], came: ['192.0.2.7'], went: ['192.0.2.8'] };
  expect(changedName(change)).toBe('a.example is 192.0.2.7 now, and 192.0.2.8 no more');
  expect(changedName({ ...change, went: [] })).toBe('a.example is 192.0.2.7 now');
  expect(changedName({ ...change, came: [], went: [] })).toBe('a.example is answered again: 192.0.2.7');
});
