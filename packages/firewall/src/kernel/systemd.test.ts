import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import * as ownNetwork from './own-network.ts';
import { type Finished, run } from './process.ts';
import { installUnit, removeUnit, startTimer, stopTimer } from './systemd.ts';

vi.mock('./process.ts');
vi.mock('./own-network.ts');

let folder: string;
let unit: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'systemd-'));
  unit = join(folder, 'moat.service');
  place(true, true);
  ends({});
});
afterEach(() => {
  vi.resetAllMocks();
  rmSync(folder, { recursive: true });
});

function place(systemd: boolean, network: boolean): void {
  vi.mocked(ownNetwork.systemdRuns).mockReturnValue(systemd);
  vi.mocked(ownNetwork.isSystemNetwork).mockReturnValue(network);
}
function ends(said: Partial<Finished>): void {
  const base = {
    kind: 'finished',
    code: 0,
    signal: undefined,
    timedOut: false,
    stdout: '',
    stderr: '',
  } as const;
  vi.mocked(run).mockResolvedValue({ ...base, ...said });
}
const calls = () => vi.mocked(run).mock.calls.map(([program, args]) => [program, ...args].join(' '));

describe.each([
  [false, true, 'does not run'],
  [true, false, 'not in the network namespace'],
])('with systemd %j and its network %j', (systemd, network, words) => {
  test('nothing is written and nothing is run', async () => {
    place(systemd, network);
    writeFileSync(join(folder, 'old.service'), 'old');
    const failed = { kind: 'failed', reason: expect.stringContaining(words) };
    expect(await installUnit(unit, 'text')).toEqual(failed);
    expect(await removeUnit(join(folder, 'old.service'))).toEqual(failed);
    expect(await startTimer('moat-back', 60, ['sh', 'x'])).toEqual(failed);
    expect(await stopTimer('moat-back')).toEqual(failed);
    expect(run).not.toHaveBeenCalled();
    expect(existsSync(unit)).toBe(false);
    expect(readFileSync(join(folder, 'old.service'), 'utf8')).toBe('old');
  });
});

test('a unit comes and goes', async () => {
  expect(await installUnit(unit, '[Unit]\n')).toEqual({ kind: 'ok' });
  expect(readFileSync(unit, 'utf8')).toBe('[Unit]\n');
  expect(statSync(unit).mode & 0o777).toBe(0o644);
  expect(await removeUnit(unit)).toEqual({ kind: 'ok' });
  expect(existsSync(unit)).toBe(false);
  expect(calls()).toEqual([
    'systemctl daemon-reload',
    'systemctl enable moat.service',
    'systemctl disable moat.service',
    'systemctl daemon-reload',
  ]);
});

test('a unit that cannot be disabled keeps its file', async () => {
  writeFileSync(unit, 'text');
  ends({ code: 1, stderr: 'Access denied\n' });
  expect(await removeUnit(unit)).toEqual({
    kind: 'failed',
    reason: 'systemctl disable moat.service: Access denied',
  });
  expect(existsSync(unit)).toBe(true);
});

test('a timer runs a command as it stands', async () => {
  await startTimer('moat-back', 60, ['sh', '/var/lib/moat/a b.sh']);
  expect(vi.mocked(run).mock.calls[0]?.slice(0, 2)).toEqual([
    'systemd-run',
    [
      '--unit=moat-back',
      '--on-active=60s',
      '--timer-property=AccuracySec=100ms',
      '--collect',
      '--',
      'sh',
      '/var/lib/moat/a b.sh',
    ],
  ]);
  await stopTimer('moat-back');
  expect(calls()[1]).toBe('systemctl stop moat-back.timer');
});

test('a systemd that hangs is told in words', async () => {
  ends({ code: undefined, signal: 'SIGKILL', timedOut: true });
  expect(await stopTimer('x')).toMatchObject({ reason: expect.stringContaining('no answer within 30 s') });
});
