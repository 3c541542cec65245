// The manual page about ufw lists the defects that are tested, all of them.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FILE_DEFECTS } from './files.ts';
import { MACHINE_DEFECTS } from './machine.ts';
import { ORDER_DEFECTS } from './order.ts';
import { SSH_DEFECTS } from './ssh.ts';

const DEFECTS = [...FILE_DEFECTS, ...ORDER_DEFECTS, ...MACHINE_DEFECTS, ...SSH_DEFECTS];

test('the manual page about ufw lists the same defects', () => {
  const page = readFileSync(new URL('../../../docs/UFW.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| (\S.*?) +\| (.*?) +\|/gm)].map(
    ([, number, what]) => `${number}: ${what}`,
  );
  expect(listed.slice(2)).toEqual(DEFECTS.map(({ number, what }) => `${number}: ${what}`));
});
