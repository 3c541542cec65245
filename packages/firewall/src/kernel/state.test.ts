import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Paths, pathsUnder } from './paths.ts';
import {
  bootId,
  createPending,
  forgetPending,
  hasOutlivedPending,
  type Pending,
  readPending,
  renewPending,
} from './state.ts';

let paths: Paths;
beforeEach(() => {
  paths = pathsUnder(mkdtempSync(join(tmpdir(), 'state-')));
});
afterEach(() => rmSync(paths.root, { recursive: true }));

const FILES = { rules: 'rules', policy: 'allow 22\n', applied: undefined, boot: 'boot', script: 'exit 0\n' };
const PENDING: Pending = {
  change: 'c',
  token: 'a1',
  boot: bootId(),
  deadline: 1_800_000_000.5,
  connections: ['x', 'y'],
};

test('a change that waits is read back, renewed, and forgotten', () => {
  expect(readPending(paths)).toBeUndefined();
  createPending(paths, PENDING, FILES);
  // Its timer is started now; then it gets its name.
  expect(readPending(paths)).toBeUndefined();
  renewPending(paths, PENDING);
  expect(readPending(paths)).toEqual(PENDING);
  const renewed = { ...PENDING, token: 'b2', deadline: 1_800_000_060 };
  renewPending(paths, renewed);
  expect(readPending(paths)).toEqual(renewed);
  expect(readFileSync(join(paths.state, 'pending/policy'), 'utf8')).toBe(FILES.policy);
  expect(hasOutlivedPending(paths)).toBe(false);
  forgetPending(paths);
  expect(readPending(paths)).toBeUndefined();
  expect(hasOutlivedPending(paths)).toBe(false);
});

test('a change from another boot waits no more', () => {
  createPending(paths, { ...PENDING, boot: 'another' }, FILES);
  renewPending(paths, { ...PENDING, boot: 'another' });
  expect(readPending(paths)).toBeUndefined();
  expect(hasOutlivedPending(paths)).toBe(true);
});

test('a removal that stopped half way leaves no change', () => {
  createPending(paths, PENDING, FILES);
  renewPending(paths, PENDING);
  rmSync(join(paths.state, 'pending/token'));
  writeFileSync(join(paths.state, 'pending/other'), '');
  expect(readPending(paths)).toBeUndefined();
  expect(hasOutlivedPending(paths)).toBe(false);
  createPending(paths, PENDING, FILES);
  renewPending(paths, PENDING);
  expect(readPending(paths)).toEqual(PENDING);
});
