import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { assertPrivateNetwork } from '../../lab/guard.ts';
import { stageFile, writeFileAtomic } from '../../packages/firewall/src/kernel/atomic-write.ts';
import { run } from '../../packages/firewall/src/kernel/process.ts';

assertPrivateNetwork();

let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'atomic-write-'));
  expect(await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder])).toMatchObject({ code: 0 });
});
afterEach(async () => {
  await run('umount', [folder]);
  rmSync(folder, { recursive: true });
});

test('a full disk leaves the old file and nothing else', () => {
  const path = join(folder, 'policy');
  writeFileAtomic(path, 'old');
  expect(() => writeFileAtomic(path, 'x'.repeat(100_000))).toThrow(/ENOSPC/);
  expect(readFileSync(path, 'utf8')).toBe('old');
  expect(readdirSync(folder)).toEqual(['policy']);
  // The room is free again.
  writeFileAtomic(path, 'new');
  expect(readFileSync(path, 'utf8')).toBe('new');
});

test('once staged, a disk that fills up no longer matters', () => {
  const path = join(folder, 'policy');
  const staged = stageFile(path, 'new');
  expect(() => writeFileAtomic(join(folder, 'other'), 'x'.repeat(100_000))).toThrow(/ENOSPC/);
  staged.commit();
  expect(readFileSync(path, 'utf8')).toBe('new');
});

test('a read-only disk changes nothing', async () => {
  const path = join(folder, 'policy');
  writeFileAtomic(path, 'old');
  await run('mount', ['-o', 'remount,ro', folder]);
  expect(() => writeFileAtomic(path, 'new')).toThrow(/EROFS/);
  expect(readFileSync(path, 'utf8')).toBe('old');
});

// In a user namespace that maps root alone there is nobody else to own a file.
const alone = /^\s*0\s+\d+\s+1\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'));
test.skipIf(alone)('the file stays its owner’s', () => {
  const path = join(folder, 'policy');
  writeFileAtomic(path, 'old');
  chownSync(path, 1000, 1001);
  writeFileAtomic(path, 'new');
  expect(statSync(path)).toMatchObject({ uid: 1000, gid: 1001 });
});
