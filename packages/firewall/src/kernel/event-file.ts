// The events that the daemon told, a line of JSON each, within a bound.
//
//   /var/lib/moat/events     the newest
//   /var/lib/moat/events.1   those before
import { appendFileSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Paths } from './paths.ts';

/** Each of the two files. */
const MOST_BYTES = 1 << 20;

export function eventFile(paths: Paths): string {
  return join(paths.state, 'events');
}

/** Adds a line; a full file makes room by taking the place of the one before. Throws the system's error. */
export function appendEvent(paths: Paths, line: string, mostBytes = MOST_BYTES): void {
  const file = eventFile(paths);
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > 0 && size + line.length + 1 > mostBytes) renameSync(file, `${file}.1`);
  appendFileSync(file, `${line}\n`, { mode: 0o600 });
}

/** The lines of both files, the oldest first; none where no daemon ever ran. */
export function readEventLines(paths: Paths): string[] {
  const file = eventFile(paths);
  return [`${file}.1`, file].flatMap((each) => {
    try {
      return readFileSync(each, 'utf8').split('\n').filter(Boolean);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  });
}
