import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hasBegun, startDetachedShell } from './shell.ts';

let folder: string;
let log: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shell-'));
  log = join(folder, 'log');
});
afterEach(() => rmSync(folder, { recursive: true }));

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 100 && !holds(); tries++) await pause(30);
  expect(holds()).toBe(true);
}

function script(text: string): string {
  const path = join(folder, 'a script');
  writeFileSync(path, text);
  return path;
}

test('it has a session, a folder and a log of its own', async () => {
  const path = script('echo "$1" "$#"; pwd; cut -d" " -f1,6 /proc/$$/stat; echo bad >&2; echo done\n');
  const pid = startDetachedShell(path, ['two words'], log);
  await until(() => readFileSync(log, 'utf8').endsWith('done\n'));
  expect(readFileSync(log, 'utf8')).toBe(`two words 1\n/\n${pid} ${pid}\nbad\ndone\n`);
  expect(statSync(log).mode & 0o777).toBe(0o600);
});

test('it outlives whoever started it, and a hang-up', async () => {
  const go = join(folder, 'go');
  const done = join(folder, 'done');
  const path = script(`echo here; while [ ! -e '${go}' ]; do sleep 0.05; done; echo yes > '${done}'\n`);
  const parent = spawn(
    process.execPath,
    [
      '--import',
      'tsx',
      '--input-type=module',
      '--eval',
      `import { startDetachedShell } from ${JSON.stringify(join(import.meta.dirname, 'shell.ts'))};
       console.log(startDetachedShell(${JSON.stringify(path)}, [], ${JSON.stringify(log)}));`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let said = '';
  parent.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  // It does not wait for the script: the pipe is closed and the process ends.
  await once(parent, 'close');
  const pid = Number(said);
  await until(() => existsSync(log) && readFileSync(log, 'utf8') === 'here\n');
  process.kill(pid, 'SIGHUP');
  await pause(100);
  expect(existsSync(done)).toBe(false);
  writeFileSync(go, '');
  await until(() => existsSync(done));
});

test('a log that cannot be written is the caller’s error', () => {
  expect(() => startDetachedShell(script('true\n'), [], join(folder, 'none/log'))).toThrow(/ENOENT/);
});

test('whether it has begun', async () => {
  const path = script('sleep 5\n');
  const pid = startDetachedShell(path, [], log);
  expect(await hasBegun(pid, path)).toBe(true);
  process.kill(-pid, 'SIGKILL');
  const dead = startDetachedShell(path, [], log);
  process.kill(dead, 'SIGKILL');
  await until(() => !existsSync(`/proc/${dead}`));
  expect(await hasBegun(dead, path)).toBe(false);
});
