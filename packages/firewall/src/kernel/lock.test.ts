import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withLock } from './lock.ts';
import { type Paths, pathsUnder } from './paths.ts';
import { run } from './process.ts';

let paths: Paths;
beforeEach(() => {
  paths = pathsUnder(mkdtempSync(join(tmpdir(), 'lock-')));
});
afterEach(() => rmSync(paths.root, { recursive: true }));

const options = { waitMs: 5000, command: 'moat allow 22' };

test('two at a time take turns', async () => {
  const events: string[] = [];
  const one = (name: string) =>
    withLock(paths, options, async () => {
      events.push(`${name} in`);
      await pause(50);
      events.push(`${name} out`);
      return name;
    });
  const results = await Promise.all([one('a'), one('b'), one('c')]);
  expect(results.map((result) => result.kind)).toEqual(['done', 'done', 'done']);
  expect(events).toHaveLength(6);
  for (let i = 0; i < 6; i += 2) expect(events[i + 1]).toBe(events[i]!.replace('in', 'out'));
});

test('who waits in vain is told who holds it', async () => {
  await withLock(paths, options, async () => {
    const second = await withLock(paths, { waitMs: 100, command: 'moat enable' }, () => 'never');
    expect(second).toEqual({
      kind: 'busy',
      holder: { pid: process.pid, command: 'moat allow 22' },
      message: `another command (moat allow 22, pid ${process.pid}) still holds ${paths.lock} after 0.1 s of waiting; nothing was changed`,
    });
  });
  expect(readFileSync(paths.lock, 'utf8')).toBe('');
});

test('a shell script’s flock and ours exclude each other', async () => {
  await withLock(paths, options, async () => {
    expect(await run('flock', ['-n', paths.lock, 'true'])).toMatchObject({ code: 1 });
  });
  expect(await run('flock', ['-n', paths.lock, 'true'])).toMatchObject({ code: 0 });
  const script = spawn('flock', ['-x', paths.lock, 'sh', '-c', 'echo held; read line'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  await once(script.stdout, 'data');
  const refused = await withLock(paths, { ...options, waitMs: 0 }, () => 'never');
  expect(refused).toMatchObject({ kind: 'busy', holder: undefined });
  script.stdin.end('\n');
  expect(await withLock(paths, options, () => 'then')).toEqual({ kind: 'done', value: 'then' });
});

test('a flock that knows no -w, as that of busybox, waits as well', async () => {
  const usual = process.env['PATH'];
  const real = execFileSync('sh', ['-c', 'command -v flock'], { encoding: 'utf8' }).trim();
  const text = `#!/bin/sh\ncase $* in *-w*) echo usage >&2; exit 1 ;; esac\nexec ${real} "$@"\n`;
  writeFileSync(join(paths.root, 'flock'), text, { mode: 0o755 });
  process.env['PATH'] = `${paths.root}:${usual}`;
  try {
    let held = (): void => {};
    let release = (): void => {};
    const isHeld = new Promise<void>((resolve) => {
      held = resolve;
    });
    const first = withLock(paths, options, () => {
      held();
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    });
    await isHeld;
    const then = withLock(paths, options, () => 'then');
    expect(await withLock(paths, { ...options, waitMs: 100 }, () => 'never')).toMatchObject({ kind: 'busy' });
    release();
    expect(await then).toEqual({ kind: 'done', value: 'then' });
    await first;
  } finally {
    process.env['PATH'] = usual;
  }
});

test('the lock of a process that was killed is free', async () => {
  const holder = spawn(
    process.execPath,
    [
      '--import',
      'tsx',
      '--input-type=module',
      '--eval',
      `import { withLock } from ${JSON.stringify(join(import.meta.dirname, 'lock.ts'))};
       import { pathsUnder } from ${JSON.stringify(join(import.meta.dirname, 'paths.ts'))};
       await withLock(pathsUnder(${JSON.stringify(paths.root)}), { waitMs: 0, command: 'doomed' }, () => {
         console.log('held');
         return new Promise(() => setInterval(() => {}, 1000));
       });`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(holder.stdout, 'data');
  const meanwhile = await withLock(paths, { ...options, waitMs: 0 }, () => 'never');
  expect(meanwhile).toMatchObject({ kind: 'busy', holder: { pid: holder.pid, command: 'doomed' } });
  const ended = once(holder, 'exit');
  holder.kill('SIGKILL');
  await ended;
  expect(await withLock(paths, { ...options, waitMs: 0 }, () => 'ours')).toEqual({
    kind: 'done',
    value: 'ours',
  });
});

test('work that fails frees the lock', async () => {
  await expect(withLock(paths, options, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(await withLock(paths, { ...options, waitMs: 0 }, () => 1)).toMatchObject({ kind: 'done' });
});
