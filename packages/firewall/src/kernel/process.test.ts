import { expect, test, vi } from 'vitest';
import { run, toolPath } from './process.ts';

test('what a program says and how it ends', async () => {
  expect(await run('sh', ['-c', 'echo out; echo err >&2; exit 3'])).toEqual({
    kind: 'finished',
    code: 3,
    signal: undefined,
    timedOut: false,
    stdout: 'out\n',
    stderr: 'err\n',
  });
});

test('a signal is not an exit code', async () => {
  expect(await run('sh', ['-c', 'kill -TERM $$'])).toMatchObject({
    code: undefined,
    signal: 'SIGTERM',
    timedOut: false,
  });
});

test('a program that is not there', async () => {
  expect(await run('no-such-program-here', [])).toEqual({ kind: 'missing', command: 'no-such-program-here' });
});

test('input arrives whole, and a program that does not read it does no harm', async () => {
  const input = 'é'.repeat(500_000);
  expect(await run('cat', [], { input })).toMatchObject({ code: 0, stdout: input });
  expect(await run('true', [], { input })).toMatchObject({ code: 0 });
});

test('the time-out ends it even when a grandchild keeps the pipes open', async () => {
  const begin = Date.now();
  const result = await run('sh', ['-c', 'sleep 5 & wait'], { timeoutMs: 100 });
  expect(result).toMatchObject({ kind: 'finished', signal: 'SIGKILL', timedOut: true });
  expect(Date.now() - begin).toBeLessThan(3000);
});

test('without a limit of its own a program has a minute', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  try {
    const endless = run('sleep', ['1000']);
    vi.advanceTimersByTime(59_999);
    expect(await Promise.race([endless, new Promise((resolve) => setImmediate(resolve, 'runs'))])).toBe(
      'runs',
    );
    vi.advanceTimersByTime(1);
    expect(await endless).toMatchObject({ signal: 'SIGKILL', timedOut: true });
  } finally {
    vi.useRealTimers();
  }
});

test('messages are in English and the environment can be added to', async () => {
  const result = await run('sh', ['-c', 'echo $LC_ALL $EXTRA $HOME'], { env: { EXTRA: 'more' } });
  expect(result).toMatchObject({ stdout: `C more ${process.env['HOME'] ?? ''}\n` });
});

test('the tools of an admin are found with an ordinary user’s PATH', async () => {
  expect(toolPath('/usr/bin:/bin')).toBe('/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin');
  expect(toolPath('/sbin:/usr/sbin:/bin')).toBe('/sbin:/usr/sbin:/bin:/usr/local/sbin');
  const before = process.env['PATH'];
  process.env['PATH'] = '/usr/bin:/bin';
  try {
    expect(await run('chroot', ['--version'])).toMatchObject({ kind: 'finished', code: 0 });
  } finally {
    process.env['PATH'] = before;
  }
});
