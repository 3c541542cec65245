import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type NameEntry, namesFile, readNames, stageNames } from './names-file.ts';
import { makeFolder, type Paths, pathsUnder } from './paths.ts';
import { sealed } from './sealed-text.ts';

const ENTRIES: readonly NameEntry[] = [
  {
    name: 'a.example',
    addresses: ['192.0.2.1', '2001:db8::1'],
    answered: 1_800_000_000,
    ttl: 60,
    failed: null,
  },
  {
    name: 'b.example',
    addresses: [],
    answered: 0,
    ttl: 30,
    failed: { at: 1_800_000_001, times: 2, why: 'no such name' },
  },
];

let paths: Paths;

beforeEach(() => {
  paths = pathsUnder(mkdtempSync(join(tmpdir(), 'moat-names-')));
  makeFolder(paths.state);
});
afterEach(() => rmSync(paths.root, { recursive: true }));

test('what was written is read again; no file is no answer', () => {
  expect(readNames(paths)).toEqual({ entries: [], torn: false });
  stageNames(paths, ENTRIES).commit();
  expect(readNames(paths)).toEqual({ entries: ENTRIES, torn: false });
  stageNames(paths, []).commit();
  expect(readNames(paths)).toEqual({ entries: [], torn: false });
});

test('torn anywhere, or of another shape, it is no answer, and that is told', () => {
  stageNames(paths, ENTRIES).commit();
  const whole = readFileSync(namesFile(paths), 'utf8');
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(namesFile(paths), whole.slice(0, length));
    expect(readNames(paths)).toEqual({ entries: [], torn: true });
  }
  const [entry] = ENTRIES;
  const others: unknown[] = [
    null,
    [],
    { ...entry, addresses: ['0.0.0.0/0'] },
    { ...entry, addresses: ['192.0.2.01'] },
    { ...entry, addresses: '192.0.2.1' },
    { ...entry, answered: '1' },
    { ...entry, failed: { at: 1, times: 1 } },
    { ...entry, failed: undefined },
  ];
  for (const other of others) {
    writeFileSync(namesFile(paths), sealed(`${JSON.stringify(other)}\n`));
    expect(readNames(paths)).toEqual({ entries: [], torn: true });
  }
});
