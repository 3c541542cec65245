import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { makeFolder, pathsUnder } from './paths.ts';

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

test('only moat’s own folder is closed to others', () => {
  const root = mkdtempSync(join(tmpdir(), 'paths-'));
  const umask = process.umask(0o022);
  try {
    const { run } = pathsUnder(root);
    makeFolder(run);
    makeFolder(run);
    expect(statSync(run).mode & 0o777).toBe(0o700);
    expect(statSync(join(root, 'run')).mode & 0o777).toBe(0o755);
  } finally {
    process.umask(umask);
    rmSync(root, { recursive: true });
  }
});
