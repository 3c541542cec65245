import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Paths, pathsUnder } from './paths.ts';
import { sealed } from './sealed-text.ts';
import {
  bootFile,
  bootFileBefore,
  bootId,
  createPending,
  forgetBootRules,
  forgetPending,
  hasBootRules,
  hasOutlivedPending,
  makeFolders,
  type Pending,
  readPending,
  renewPending,
  stageBootRules,
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
  sessions: ['12:34,56:78'],
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

const ladder = () =>
  [bootFile(paths), bootFileBefore(paths)].map((file) =>
    existsSync(file) ? readFileSync(file, 'utf8') : undefined,
  );

test('rules for boot move up by one; what says the same, but for its times, stays', () => {
  makeFolders(paths);
  expect(hasBootRules(paths)).toBe(false);
  stageBootRules(paths, 'a\n').commit();
  expect(ladder()).toEqual([sealed('a\n'), undefined]);
  stageBootRules(paths, 'b\n#+ until_9 ipv4,ipv6 9 8\n').commit();
  stageBootRules(paths, 'b\n#+ until_9 ipv4,ipv6 9 7\n').commit();
  expect(ladder()).toEqual([sealed('b\n#+ until_9 ipv4,ipv6 9 7\n'), sealed('a\n')]);
  stageBootRules(paths, 'c\n').abandon();
  expect(ladder()[1]).toBe(sealed('a\n'));
  expect(readdirSync(paths.state).sort()).toEqual(['boot.before.nft', 'boot.nft']);
  forgetBootRules(paths);
  expect(ladder()).toEqual([undefined, undefined]);
});

test('what is torn never becomes the rules from before', () => {
  makeFolders(paths);
  stageBootRules(paths, 'a\n').commit();
  stageBootRules(paths, 'b\n').commit();
  writeFileSync(bootFile(paths), sealed('b\n').slice(0, -2));
  stageBootRules(paths, 'c\n').commit();
  expect(ladder()).toEqual([sealed('c\n'), sealed('a\n')]);
});

test('stopped between the two names, the last confirmed rules are there, whole', () => {
  makeFolders(paths);
  stageBootRules(paths, 'a\n').commit();
  const staged = stageBootRules(paths, 'b\n');
  // A folder in its place is what rename(2) fails on.
  rmSync(bootFile(paths));
  mkdirSync(bootFile(paths));
  expect(() => staged.commit()).toThrow();
  expect(readFileSync(bootFileBefore(paths), 'utf8')).toBe(sealed('a\n'));
  rmSync(bootFile(paths), { recursive: true });
  staged.abandon();
  stageBootRules(paths, 'c\n').commit();
  expect(ladder()).toEqual([sealed('c\n'), sealed('a\n')]);
});
