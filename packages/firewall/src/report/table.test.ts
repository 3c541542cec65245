import { expect, it } from 'vitest';
import { table } from './table.ts';

it('aligns columns by what a terminal shows, and leaves no blanks at the end', () => {
  expect(
    table([
      ['To', 'Action', ''],
      ['22/tcp', 'ALLOW', '# 日本'],
      ['日本', 'DENY', ''],
    ]),
  ).toBe(['To      Action', '22/tcp  ALLOW   # 日本', '日本    DENY'].join('\n'));
  expect(table([])).toBe('');
});

it('takes a table of thousands of rows in no time', () => {
  const rows = Array.from({ length: 20_000 }, (_, i) => [`${i}`, 'ALLOW', 'Anywhere', '-']);
  expect(table(rows).split('\n')).toHaveLength(20_000);
}, 2000);
