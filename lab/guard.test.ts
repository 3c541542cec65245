// The guard, on made-up /proc folders: it says no unless there is evidence for a private network.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { assertPrivateNetwork } from './guard.ts';

let proc: string;
beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'guard-'));
});
afterEach(() => rmSync(proc, { recursive: true }));

const ROOT_MAP = '         0          0 4294967295\n';

type Process = { readonly net?: string; readonly parent?: number };

/** A /proc with these processes; the key `self` is this process. */
function fake(processes: Readonly<Record<string, Process>>, uidMap: string): void {
  for (const [pid, { net, parent = 1 }] of Object.entries(processes)) {
    const link = join(proc, pid, 'ns', 'net');
    mkdirSync(dirname(link), { recursive: true });
    if (net !== undefined) symlinkSync(`net:[${net}]`, link);
    writeFileSync(join(proc, pid, 'stat'), `7 (a ) name) S ${parent} 1 1`);
  }
  writeFileSync(join(proc, 'self', 'uid_map'), uidMap);
}

test("PID 1's namespace is the machine's own", () => {
  fake({ self: { net: '10' }, 1: { net: '10' } }, ROOT_MAP);
  expect(() => assertPrivateNetwork(proc)).toThrow('this is the network namespace of PID 1 (net:[10])');
});

test("PID 1's namespace, seen from a user namespace, is still the machine's own", () => {
  fake({ self: { net: '10' }, 1: { net: '10' } }, '0 1000 1');
  expect(() => assertPrivateNetwork(proc)).toThrow('expected a private network namespace');
});

test('another namespace than that of PID 1 is private', () => {
  fake({ self: { net: '20' }, 1: { net: '10' } }, ROOT_MAP);
  expect(() => assertPrivateNetwork(proc)).not.toThrow();
});

test('PID 1 hidden: a user namespace is enough', () => {
  fake({ self: { net: '20' } }, '         0       1000          1\n');
  expect(() => assertPrivateNetwork(proc)).not.toThrow();
});

test('PID 1 hidden: a process above in another namespace is enough', () => {
  fake({ self: { net: '20', parent: 8 }, 8: { net: '20', parent: 9 }, 9: { net: '10' } }, ROOT_MAP);
  expect(() => assertPrivateNetwork(proc)).not.toThrow();
});

test('PID 1 hidden and every process above in the same namespace is no evidence', () => {
  fake({ self: { net: '10', parent: 8 }, 8: { net: '10', parent: 9 }, 9: { net: '10' } }, ROOT_MAP);
  expect(() => assertPrivateNetwork(proc)).toThrow('every process above this one is in net:[10] too');
});

test('PID 1 hidden and nothing above readable is no evidence', () => {
  fake({ self: { net: '10', parent: 8 } }, ROOT_MAP);
  expect(() => assertPrivateNetwork(proc)).toThrow('expected a private network namespace');
});

test('a namespace of our own that cannot be read is no evidence', () => {
  fake({ self: {} }, '0 1000 1');
  expect(() => assertPrivateNetwork(proc)).toThrow('cannot be read');
});
