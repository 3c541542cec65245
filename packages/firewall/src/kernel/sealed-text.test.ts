import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { sealed, unsealed } from './sealed-text.ts';

test('what was sealed comes out again, and nothing else does', () => {
  for (const text of ['', 'a', 'table inet moat {\n}\n', '# ünïcode\n\n'])
    expect(unsealed(sealed(text))).toBe(text);
  const whole = sealed('one\ntwo\n');
  expect(unsealed(whole.slice(0, -1))).toBeUndefined();
  expect(unsealed(whole.slice(0, -4))).toBeUndefined();
  expect(unsealed(`${whole}#\n`)).toBeUndefined();
  expect(unsealed(whole.replace('two', 'twp'))).toBeUndefined();
  expect(unsealed('one\ntwo\n')).toBeUndefined();
  expect(unsealed('')).toBeUndefined();
});

test('the checksum is the one that sha256sum makes of what follows the first line', () => {
  const text = sealed('one\ntwo\n');
  const { stdout } = spawnSync('sh', ['-c', 'tail -n +2 | sha256sum'], { input: text, encoding: 'utf8' });
  expect(text.split('\n')[0]).toBe(`# moat sha256 ${stdout.split(' ')[0]}`);
});
