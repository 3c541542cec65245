import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { TIME_LEFT } from './time-left.ts';

/** Runs it in sh with a `date` that says this moment. */
function timeLeft(lines: string, now: number, gone = 0): string {
  const script = `date() { echo ${now}; }\n${TIME_LEFT}\ngone=${gone} time_left`;
  return spawnSync('sh', ['-c', script], { input: lines, encoding: 'utf8' }).stdout;
}

test('elements get the time that they have left, those that are over are gone', () => {
  const lines = [
    'table inet moat {',
    '#+ until_1000 ipv4,ipv6 1000 500',
    '#+ until_2000 ipv4 2000 1500',
    '#+ banned_v4 192.0.2.1 0 0 192.0.2.1 900 "x"',
    '#+ banned_v4 192.0.2.2 1200 700 192.0.2.2 900 ""',
    '',
  ].join('\n');
  expect(timeLeft(lines, 900)).toBe(
    'add element inet moat until_1000 {\nipv4 timeout 0d100s,\nipv6 timeout 0d100s,\n}\n' +
      'add element inet moat until_2000 {\nipv4 timeout 0d1100s,\n}\n' +
      'add element inet moat banned_v4 {\n192.0.2.1,\n192.0.2.2 timeout 0d300s,\n}\n',
  );
  expect(timeLeft(lines, 3000)).toBe('add element inet moat banned_v4 {\n192.0.2.1,\n}\n');
  // A clock that is far behind gives nobody more than was left when it was written.
  expect(timeLeft(lines, 0)).toContain('until_1000 {\nipv4 timeout 0d500s,');
  // Nor than was left then less what has gone by since, where that is known.
  expect(timeLeft(lines, 0, 40)).toContain('until_1000 {\nipv4 timeout 0d460s,');
  expect(timeLeft(lines, 0, 600)).not.toContain('until_1000');
  expect(timeLeft(lines, 0, 600)).toContain('192.0.2.1,\n192.0.2.2 timeout 0d100s');
  expect(timeLeft('', 900)).toBe('');
  expect(timeLeft('#+ until_9 ipv4 400000000 315360000\n', 900)).toContain('timeout 3650d0s');
});
