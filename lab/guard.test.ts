// The guard, on made-up /proc folders: it says no unless there is evidence for a private network.
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { assertPrivateNetwork } from './guard.ts';

let proc: string;
beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'guard-'));
});
afterEach(() => rmSync(proc, { recursive: true }));

const ROOT_MAP = '         0          0 4294967295\n';
const USER_MAP = '         0       1000          1\n';

/** What can be read of a process: its namespace link, its net/dev (processes with one letter share the file). */
type Process = { readonly link?: string; readonly file?: string };

function fake(self: Process, first: Process, uidMap: string): void {
  for (const [pid, { link, file }] of [['self', self] as const, ['1', first] as const]) {
    mkdirSync(join(proc, pid, 'ns'), { recursive: true });
    mkdirSync(join(proc, pid, 'net'));
    if (link !== undefined) symlinkSync(`net:[${link}]`, join(proc, pid, 'ns', 'net'));
    if (file === undefined) continue;
    writeFileSync(join(proc, file), '');
    linkSync(join(proc, file), join(proc, pid, 'net', 'dev'));
  }
  writeFileSync(join(proc, 'self', 'uid_map'), uidMap);
}

test.each([
  ["PID 1's own namespace, by the link", { link: '10', file: 'a' }, { link: '10', file: 'a' }, ROOT_MAP],
  ["PID 1's own namespace, by the file", { link: '10', file: 'a' }, { file: 'a' }, ROOT_MAP],
  ["PID 1's own namespace, from a user namespace", { link: '10', file: 'a' }, { file: 'a' }, USER_MAP],
  ['PID 1 hidden', { link: '10', file: 'a' }, {}, ROOT_MAP],
  ['nothing readable', {}, {}, ROOT_MAP],
])('refuses: %s', (_, self, first, uidMap) => {
  fake(self, first, uidMap);
  expect(() => assertPrivateNetwork(proc)).toThrow(
    "expected a private network namespace, got the machine's own",
  );
});

test.each([
  ['another namespace than that of PID 1, by the link', { link: '20' }, { link: '10' }, ROOT_MAP],
  ['another namespace than that of PID 1, by the file', { link: '20', file: 'b' }, { file: 'a' }, ROOT_MAP],
  ['PID 1 hidden, in a user namespace', { link: '20', file: 'b' }, {}, USER_MAP],
])('agrees: %s', (_, self, first, uidMap) => {
  fake(self, first, uidMap);
  expect(() => assertPrivateNetwork(proc)).not.toThrow();
});
