// The shell script itself, as it is at boot: files alone, no rules. `flock` and `find` know only what busybox's do.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Paths, pathsUnder } from '../kernel/paths.ts';
import { run } from '../kernel/process.ts';
import { pendingFolder, wayBackFile, wayBackLog } from '../kernel/state.ts';
import { wayBackScript } from './way-back.ts';

const BUSYBOX = `
flock() { case $* in *-w*) echo usage >&2; return 1 ;; esac; command flock "$@"; }
find() { case $* in *-lname*) echo usage >&2; return 1 ;; esac; command find "$@"; }`;
const AT_ONCE = 'sleep() { :; }';

let paths: Paths;
beforeEach(() => {
  paths = pathsUnder(mkdtempSync(join(tmpdir(), 'way-back-')));
  for (const folder of [pendingFolder(paths), dirname(paths.policy), paths.run])
    mkdirSync(folder, { recursive: true });
  writeFileSync(join(pendingFolder(paths), 'token'), 'abc');
  writeFileSync(join(pendingFolder(paths), 'policy'), 'allow 22\n');
  writeFileSync(paths.policy, 'deny 22\n');
  const way = { change: 'abc', listedAt: 0, network: 'net:[1]', emergency: '' };
  writeFileSync(wayBackFile(paths), wayBackScript(paths, way));
});
afterEach(() => rmSync(paths.root, { recursive: true }));

async function goBack(more = ''): Promise<void> {
  await run('sh', ['-c', `${BUSYBOX}\n${more}\nset -- boot\n. ${wayBackFile(paths)}`]);
}

/** Holds the lock until `wait` is over. */
async function hold(wait: string) {
  const shell = spawn('sh', ['-c', `exec 9>>"$1"; flock -x 9; echo held; ${wait}`, 'sh', paths.lock], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(shell, 'exit');
  await once(shell.stdout, 'data');
  return { ended };
}

const log = (): string => readFileSync(wayBackLog(paths), 'utf8');
function expectUndone(): void {
  expect(readFileSync(paths.policy, 'utf8')).toBe('allow 22\n');
  expect(existsSync(pendingFolder(paths))).toBe(false);
}

test('it waits for a command that is soon done, and does not end it', async () => {
  const { ended } = await hold('sleep 0.5');
  await goBack();
  expectUndone();
  expect(await ended).toEqual([0, null]);
  expect(log()).not.toContain('lock');
});

test('a command that holds the lock for too long is ended', async () => {
  const { ended } = await hold('sleep 60');
  await goBack(AT_ONCE);
  expectUndone();
  expect(await ended).toEqual([null, 'SIGKILL']);
  expect(log()).toContain('a command holds the lock for too long and is ended\n');
});

test('a lock that cannot be opened does not keep it from going back', async () => {
  mkdirSync(paths.lock);
  await goBack();
  expectUndone();
  expect(log()).toContain('the lock cannot be opened; going on without it\n');
});
