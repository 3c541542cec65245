import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type Generation,
  generationsFolder,
  generationText,
  keepGenerations,
  nextGenerationNumber,
  parseGeneration,
  readGenerations,
  stageGeneration,
} from './generations.ts';
import { type Paths, pathsUnder } from './paths.ts';
import { terminalName } from './who.ts';

let root: string;
let paths: Paths;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'moat-generations-'));
  paths = pathsUnder(root);
});
afterEach(() => rmSync(root, { recursive: true }));

function generation(number: number, change: string | null = null): Generation {
  return {
    ...{ number, when: '2026-01-02T03:04:05.000Z', who: { user: 'root' }, why: 'moat allow 80' },
    ...{ restores: null, change, summary: ['+ allow 80'], narrowing: [] },
    ...{ policy: 'allow 80\n# é\n', rules: 'table inet moat {\n}\n' },
  };
}

test('what was written is read again, in the order of the numbers', () => {
  expect(readGenerations(paths)).toEqual({
    whole: [],
    broken: [],
    kept: new Set(),
    back: new Map(),
  });
  for (const number of [1, 2, 10]) stageGeneration(paths, generation(number)).commit();
  expect(readGenerations(paths).whole).toEqual([generation(1), generation(2), generation(10)]);
  expect(nextGenerationNumber(paths)).toBe(11);
});

test('one that is staged and abandoned was never there', () => {
  stageGeneration(paths, generation(1)).abandon();
  expect(readGenerations(paths).whole).toEqual([]);
  expect(readdirSync(generationsFolder(paths))).toEqual([]);
});

test('a torn, altered, misnamed or foreign file is skipped and told of', () => {
  for (const number of [1, 2, 3, 4, 5]) stageGeneration(paths, generation(number)).commit();
  const file = (number: number) => join(generationsFolder(paths), String(number));
  const text = readFileSync(file(1), 'utf8');
  // Cut anywhere, it is never taken for whole.
  for (let length = 0; length < Buffer.byteLength(text); length += 7) {
    writeFileSync(file(1), text);
    truncateSync(file(1), length);
    expect(readGenerations(paths).whole.map(({ number }) => number)).toEqual([2, 3, 4, 5]);
  }
  writeFileSync(file(2), readFileSync(file(2), 'utf8').replace('allow 80', 'allow 81'));
  writeFileSync(file(3), readFileSync(file(4)));
  writeFileSync(file(5), 'something else\n');
  const { whole, broken } = readGenerations(paths);
  expect(whole).toEqual([generation(4)]);
  expect(broken.map(({ reason }) => reason)).toEqual([
    expect.stringMatching(/checksum|begin/),
    'its checksum is wrong',
    'it says that it is number 4',
    'it does not begin as a generation does',
  ]);
  // A broken one keeps its number.
  expect(nextGenerationNumber(paths)).toBe(6);
});

test('a hundred are kept, and the notes of those that are gone go with them', () => {
  for (let number = 1; number <= 103; number++) {
    stageGeneration(paths, generation(number, number < 5 ? `c${number}` : null)).commit();
    if (number < 5) keepGenerations(paths, `c${number}`);
  }
  const { whole, kept } = readGenerations(paths);
  expect(whole.map(({ number }) => number)).toEqual(Array.from({ length: 100 }, (_, i) => i + 4));
  expect(kept).toEqual(new Set(['c4']));
});

test('text and generation are each other’s opposite', () => {
  expect(parseGeneration(generationText(generation(7)), 7)).toEqual(generation(7));
});

test('the terminal of a process, from its line in /proc', () => {
  const stat = (device: number) => `12 (a) b) S 1 2 3 ${device} 4 5`;
  expect(terminalName(stat(0))).toBeUndefined();
  expect(terminalName(stat((136 << 8) | 3))).toBe('pts/3');
  expect(terminalName(stat((137 << 8) | 1))).toBe('pts/257');
  expect(terminalName(stat((4 << 8) | 1))).toBe('tty1');
  expect(terminalName(stat((4 << 8) | 64))).toBe('ttyS0');
  expect(terminalName('')).toBeUndefined();
});
