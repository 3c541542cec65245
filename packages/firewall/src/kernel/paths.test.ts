import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { pathsUnder } from './paths.ts';

test('without a root the paths are the machine’s own', () => {
  expect(pathsUnder('')).toEqual({
    root: '',
    etc: '/etc/moat',
    policy: '/etc/moat/policy',
    state: '/var/lib/moat',
    run: '/run/moat',
    lock: '/run/moat/lock',
    sent: '/run/moat/sent.nft',
  });
  expect(pathsUnder('/')).toEqual(pathsUnder(''));
});

test('every path lies under the root, which is made absolute', () => {
  const { root, ...rest } = pathsUnder('image/');
  expect(root).toBe(resolve('image'));
  for (const path of Object.values(rest)) expect(path.startsWith(`${root}/`)).toBe(true);
});
