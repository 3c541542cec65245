// Whether a unit is the one that this moat writes, whatever ssh ports it was written for.
import { expect, test } from 'vitest';
import { pathsUnder } from '../kernel/paths.ts';
import { isSameUnit } from './boot-state.ts';
import { bootUnit } from './boot-unit.ts';

const paths = pathsUnder('');
const unit = (...ports: number[]): string => bootUnit(paths, ports);
const write = (ports: readonly number[]): string => unit(...ports);

test('ports that were open then do no harm; one that came since is missing there', () => {
  expect(isSameUnit(unit(22), write, [22])).toBe(true);
  expect(isSameUnit(unit(22, 2222), write, [22])).toBe(true);
  expect(isSameUnit(unit(22), write, [22, 2222])).toBe(false);
});

test('any other word makes it another one', () => {
  expect(isSameUnit(unit(22).replace('Type=oneshot', 'Type=simple'), write, [22])).toBe(false);
  expect(isSameUnit(unit(22).replace('policy drop', 'policy accept'), write, [22])).toBe(false);
});
