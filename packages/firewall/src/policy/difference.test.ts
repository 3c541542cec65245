import { expect, test } from 'vitest';
import { policyDifference } from './difference.ts';
import { parseServices } from './services.ts';

const SERVICES = parseServices('ssh 22/tcp\n');
const difference = (before: string, after: string) => policyDifference(before, after, SERVICES);

test('sentences that only one has, whatever their spelling, remarks and order', () => {
  expect(difference('', 'allow 22\n')).toEqual(['+ allow 22']);
  expect(difference('# a\nallow ssh\nallow 80\n', 'ALLOW 22/tcp # b\ndeny 80\n')).toEqual([
    '- allow 80',
    '+ deny 80',
  ]);
  expect(difference('allow 22\n\nallow 80', 'allow 22\n# x\nallow 80\n')).toEqual([]);
});

test('a sentence that stands twice counts twice', () => {
  expect(difference('allow 22\n', 'allow 22\nallow 22\n')).toEqual(['+ allow 22']);
});

test('another order is told', () => {
  expect(difference('allow 22\ndeny 22\n', 'deny 22\nallow 22\n')).toEqual([
    'the same sentences in another order',
  ]);
});

test('a file with mistakes is compared by its lines', () => {
  expect(difference('allow 22\nnonsense\n', ' allow 22\n')).toEqual(['- nonsense']);
});
