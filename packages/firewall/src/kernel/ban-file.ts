// The bans on the disk: as the lines of set elements that boot loads, with what people want to know behind them.
//
//   #+ banned_v4 192.0.2.0/24 1767225600 3600 192.0.2.0/24 1767222000 "too many guesses"
//      set       element      until      left ban          since      because
//
// `until` counts from 1970, 0 is for ever; `left` are the seconds that were left when the line was written: whatever a
// clock says that was set back, it is never more. The file is sealed (sealed-text.ts): boot loads no half of it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type StagedFile, stageFile } from './atomic-write.ts';
import type { Paths } from './paths.ts';
import { sealed, unsealed } from './sealed-text.ts';

/** One element of a set and the ban that it belongs to. `until` 0: it does not end. */
export interface BanLine {
  readonly set: string;
  readonly element: string;
  readonly until: number;
  readonly left: number;
  readonly ban: string;
  readonly since: number;
  readonly because: string;
}

export function banFile(paths: Paths): string {
  return join(paths.state, 'bans');
}

/** Lines that are not understood are left out; none where nothing was ever banned. */
export function readBanLines(paths: Paths): BanLine[] {
  return (
    readIfThere(paths)
      ?.split('\n')
      .flatMap((line) => parseBanLine(line) ?? []) ?? []
  );
}

function readIfThere(paths: Paths): string | undefined {
  try {
    return readFileSync(banFile(paths), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export function parseBanLine(line: string): BanLine | undefined {
  const [, set, element, until, left, ban, since, because] =
    /^#\+ (\S+) (\S+) (\d+) (\d+) (\S+) (\d+) ("(?:[^"\\]|\\.)*")$/.exec(line) ?? [];
  if (set === undefined || element === undefined || ban === undefined || because === undefined)
    return undefined;
  const reason = textOf(because);
  if (reason === undefined) return undefined;
  return {
    set,
    element,
    until: Number(until),
    left: Number(left),
    ban,
    since: Number(since),
    because: reason,
  };
}

function textOf(json: string): string | undefined {
  try {
    return JSON.parse(json) as string;
  } catch {
    return undefined;
  }
}

/** The lines must be grouped by their sets. */
export function stageBanLines(paths: Paths, lines: readonly BanLine[]): StagedFile {
  const text = lines.map(
    ({ set, element, until, left, ban, since, because }) =>
      `#+ ${set} ${element} ${until} ${left} ${ban} ${since} ${JSON.stringify(because)}\n`,
  );
  return stageFile(banFile(paths), sealed(text.join('')));
}

/** Writes what can be read of a file that is not whole as a whole one: boot loads no other. */
export function mendBanFile(paths: Paths): void {
  const text = readIfThere(paths);
  if (text !== undefined && unsealed(text) === undefined) stageBanLines(paths, readBanLines(paths)).commit();
}
