import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { appendEvent, eventFile, readEventLines } from './event-file.ts';
import { pathsUnder } from './paths.ts';

test('the newest events are kept within a bound, for the owner alone', () => {
  const paths = pathsUnder(mkdtempSync(join(tmpdir(), 'moat-events-')));
  try {
    expect(readEventLines(paths)).toEqual([]);
    mkdirSync(paths.state, { recursive: true });
    const line = (i: number): string => `{"n":${i}}`.padEnd(20);
    for (let i = 0; i < 100; i++) appendEvent(paths, line(i), 210);
    const lines = readEventLines(paths);
    expect(lines.length).toBeGreaterThan(10);
    expect(lines.length).toBeLessThanOrEqual(20);
    expect(lines).toEqual(Array.from({ length: lines.length }, (_, i) => line(100 - lines.length + i)));
    expect(statSync(eventFile(paths)).mode & 0o777).toBe(0o600);
    expect(statSync(eventFile(paths)).size).toBeLessThanOrEqual(210);
  } finally {
    rmSync(paths.root, { recursive: true });
  }
});
