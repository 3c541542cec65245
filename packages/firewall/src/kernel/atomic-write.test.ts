import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { stageFile, writeFileAtomic } from './atomic-write.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atomic-write-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('the file is the old one until commit', () => {
  const path = join(folder, 'policy');
  writeFileSync(path, 'old');
  const staged = stageFile(path, 'new');
  expect(readFileSync(path, 'utf8')).toBe('old');
  staged.commit();
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(readdirSync(folder)).toEqual(['policy']);
});

test('abandoned contents leave nothing', () => {
  const path = join(folder, 'policy');
  stageFile(path, 'new').abandon();
  expect(readdirSync(folder)).toEqual([]);
});

test('only the owner can read it, whatever the umask and the file before', () => {
  const path = join(folder, 'policy');
  writeFileSync(path, 'old');
  chmodSync(path, 0o666);
  writeFileAtomic(path, 'new');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const umask = process.umask(0o077);
  try {
    writeFileAtomic(path, 'unit', 0o644);
  } finally {
    process.umask(umask);
  }
  expect(statSync(path).mode & 0o777).toBe(0o644);
});

test('what a dead run left beside the file does not matter, be it a link to elsewhere', () => {
  const path = join(folder, 'policy');
  const elsewhere = join(folder, 'elsewhere');
  writeFileSync(elsewhere, 'untouched');
  symlinkSync(elsewhere, join(folder, '.policy.new'));
  writeFileAtomic(path, 'new');
  expect(readFileSync(elsewhere, 'utf8')).toBe('untouched');
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(lstatSync(path).isFile()).toBe(true);
});

test('a symbolic link stays one, and the file behind it is written', () => {
  mkdirSync(join(folder, 'real'));
  symlinkSync('second', join(folder, 'first'));
  symlinkSync('real/policy', join(folder, 'second'));
  writeFileAtomic(join(folder, 'first'), 'one');
  writeFileAtomic(join(folder, 'first'), 'two');
  expect(lstatSync(join(folder, 'first')).isSymbolicLink()).toBe(true);
  expect(lstatSync(join(folder, 'second')).isSymbolicLink()).toBe(true);
  expect(readFileSync(join(folder, 'real/policy'), 'utf8')).toBe('two');
});

test('links in a circle are an error', () => {
  symlinkSync('b', join(folder, 'a'));
  symlinkSync('a', join(folder, 'b'));
  expect(() => writeFileAtomic(join(folder, 'a'), 'x')).toThrow(/ELOOP/);
});

test('a folder that is not there is the caller’s error', () => {
  expect(() => writeFileAtomic(join(folder, 'none/policy'), 'x')).toThrow(/ENOENT/);
});
