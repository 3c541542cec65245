import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isSystemNetwork, RELEASE, refusesRuleChanges, systemdRuns } from './own-network.ts';

let proc: string;
beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'own-network-'));
});
afterEach(() => rmSync(proc, { recursive: true }));

const IDENTITY = '         0          0 4294967295\n';

function machine(own: string, first: string | undefined, uidMap: string): void {
  for (const [pid, namespace] of [
    ['self', own],
    ['1', first],
  ] as const) {
    mkdirSync(join(proc, pid, 'ns'), { recursive: true });
    if (namespace !== undefined) symlinkSync(namespace, join(proc, pid, 'ns/net'));
  }
  writeFileSync(join(proc, 'self/uid_map'), uidMap);
}

describe.each([
  { own: 'net:[1]', first: 'net:[1]', uidMap: IDENTITY, system: true },
  { own: 'net:[2]', first: 'net:[1]', uidMap: IDENTITY, system: false },
  // A rootless container: its own network is the one that counts there, user namespace or not.
  { own: 'net:[2]', first: 'net:[2]', uidMap: '         0     100000      65536\n', system: true },
  { own: 'net:[1]', first: undefined, uidMap: IDENTITY, system: true },
  { own: 'net:[2]', first: undefined, uidMap: '         0       1000          1\n', system: false },
  { own: 'net:[2]', first: undefined, uidMap: '0 0 1\n1 1 4294967294\n', system: false },
])('own $own, PID 1 $first, uid_map $uidMap', ({ own, first, uidMap, system }) => {
  test(`is ${system ? '' : 'not '}the system’s network`, () => {
    machine(own, first, uidMap);
    expect(isSystemNetwork(proc)).toBe(system);
    expect(refusesRuleChanges(false, proc)).toBe(system);
    expect(refusesRuleChanges(true, proc)).toBe(false);
  });
});

describe('where PID 1 is hidden, the inodes of /proc/PID/net/dev decide', () => {
  const netTrees = (same: boolean): void => {
    machine('net:[2]', undefined, IDENTITY);
    for (const pid of ['self', '1']) mkdirSync(join(proc, pid, 'net'), { recursive: true });
    writeFileSync(join(proc, '1/net/dev'), '');
    if (same) linkSync(join(proc, '1/net/dev'), join(proc, 'self/net/dev'));
    else writeFileSync(join(proc, 'self/net/dev'), '');
  };
  test('one inode: one network', () => {
    netTrees(true);
    expect(isSystemNetwork(proc)).toBe(true);
  });
  test('two inodes: two networks, even for root', () => {
    netTrees(false);
    expect(isSystemNetwork(proc)).toBe(false);
  });
});

test('without its own namespace link nothing is taken for granted', () => {
  expect(() => refusesRuleChanges(false, proc)).toThrow(/ENOENT/);
});

test('the sources run as a development build', () => {
  expect(RELEASE).toBe(false);
});

test('systemd runs where its folder is', () => {
  expect(systemdRuns(proc)).toBe(false);
  mkdirSync(join(proc, 'systemd/system'), { recursive: true });
  expect(systemdRuns(proc)).toBe(true);
});
