// Every state that was put into force, each in a file of its own with a checksum; the oldest make room.
//
//   /var/lib/moat/generations/42             one applied state, never written again
//   /var/lib/moat/generations/kept-CHANGE    the change of that name was confirmed
//   /var/lib/moat/generations/back-CHANGE    it went back, and why
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type StagedFile, stageFile, writeFileAtomic } from './atomic-write.ts';
import type { Paths } from './paths.ts';
import type { Who } from './who.ts';

/** One applied state, and how it came about. */
export interface Generation {
  /** Counts from 1; a number is never given twice. */
  readonly number: number;
  /** When it was applied: ISO 8601, UTC. */
  readonly when: string;
  readonly who: Who;
  /** The command line. */
  readonly why: string;
  /** The generation that it brought back (`moat undo`). */
  readonly restores: number | null;
  /** Names the change that it waits with for a confirmation; null: it was final at once. */
  readonly change: string | null;
  /** What it did to the sentences, in words. */
  readonly summary: readonly string[];
  /** What could be reached before and may not be after. */
  readonly narrowing: readonly string[];
  /** The policy file. */
  readonly policy: string;
  /** nft text of the whole table. */
  readonly rules: string;
}

/** A file that is no whole generation: it is skipped, and told of. */
export interface BrokenGeneration {
  readonly file: string;
  readonly reason: string;
}

export interface Generations {
  /** Ascending by number. */
  readonly whole: readonly Generation[];
  readonly broken: readonly BrokenGeneration[];
  /** Changes that were confirmed. */
  readonly kept: ReadonlySet<string>;
  /** Changes that went back, and why, in two words: `not confirmed`, `session ended`, `aborted`. */
  readonly back: ReadonlyMap<string, string>;
}

const MOST = 100;
const KEPT = 'kept-';
const BACK = 'back-';

export function generationsFolder(paths: Paths): string {
  return join(paths.state, 'generations');
}

/** The file that says that a change was confirmed; the way back removes it. */
export function keptFile(paths: Paths, change: string): string {
  return join(generationsFolder(paths), `${KEPT}${change}`);
}

/** Where the way back writes why it undid a change. */
export function backFile(paths: Paths, change: string): string {
  return join(generationsFolder(paths), `${BACK}${change}`);
}

/** The number that the next generation gets. */
export function nextGenerationNumber(paths: Paths): number {
  return Math.max(0, ...numbersIn(namesIn(paths))) + 1;
}

/** All that are kept. A machine on which nothing was applied yet has none. */
export function readGenerations(paths: Paths): Generations {
  const names = namesIn(paths);
  const whole: Generation[] = [];
  const broken: BrokenGeneration[] = [];
  for (const number of numbersIn(names)) {
    const file = join(generationsFolder(paths), String(number));
    const read = readGeneration(file, number);
    if (typeof read === 'string') broken.push({ file, reason: read });
    else whole.push(read);
  }
  return { whole, broken, kept: new Set(changesIn(names, KEPT)), back: reasonsIn(paths, names) };
}

function changesIn(names: readonly string[], prefix: string): string[] {
  return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}

function reasonsIn(paths: Paths, names: readonly string[]): Map<string, string> {
  return new Map(
    changesIn(names, BACK).flatMap((change) => {
      try {
        const why = readFileSync(backFile(paths, change), 'utf8').trim();
        return why === '' ? [] : [[change, why]];
      } catch {
        // Gone meanwhile, or not to be read: then why is not known.
        return [];
      }
    }),
  );
}

/** Writes a generation beside where it will be, and makes room for it when it is committed. */
export function stageGeneration(paths: Paths, generation: Generation): StagedFile {
  mkdirSync(generationsFolder(paths), { recursive: true, mode: 0o700 });
  const file = join(generationsFolder(paths), String(generation.number));
  const staged = stageFile(file, generationText(generation));
  return {
    ...staged,
    commit() {
      staged.commit();
      forgetOldest(paths);
    },
  };
}

/** Notes that a change was confirmed. Hold the lock. */
export function keepGenerations(paths: Paths, change: string): void {
  mkdirSync(generationsFolder(paths), { recursive: true, mode: 0o700 });
  // What a killed confirmation left has a name that no other writes again.
  for (const torn of namesIn(paths).filter((name) => name.startsWith(`.${KEPT}`)))
    rmSync(join(generationsFolder(paths), torn), { force: true });
  writeFileAtomic(keptFile(paths, change), '');
}

/** The first line names the format and the SHA-256 of all that follows it. */
export function generationText(generation: Generation): string {
  const body = `${JSON.stringify(generation)}\n`;
  return `moat-generation 1 ${checksum(body)}\n${body}`;
}

/** The generation in a file's text, or what is wrong with it, in words. */
export function parseGeneration(text: string, number: number): Generation | string {
  const end = text.indexOf('\n');
  const [, sum] = /^moat-generation 1 ([0-9a-f]{64})$/.exec(text.slice(0, Math.max(0, end))) ?? [];
  if (sum === undefined) return 'it does not begin as a generation does';
  const body = text.slice(end + 1);
  if (checksum(body) !== sum) return 'its checksum is wrong';
  const generation = JSON.parse(body) as Generation;
  return generation.number === number ? generation : `it says that it is number ${generation.number}`;
}

function readGeneration(file: string, number: number): Generation | string {
  try {
    return parseGeneration(readFileSync(file, 'utf8'), number);
  } catch (error) {
    return (error as Error).message;
  }
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function namesIn(paths: Paths): string[] {
  try {
    return readdirSync(generationsFolder(paths));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function numbersIn(names: readonly string[]): number[] {
  return names
    .filter((name) => /^[1-9][0-9]*$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

function forgetOldest(paths: Paths): void {
  const folder = generationsFolder(paths);
  const names = namesIn(paths);
  const gone = numbersIn(names).slice(0, -MOST);
  if (gone.length === 0) return;
  for (const number of gone) rmSync(join(folder, String(number)), { force: true });
  const { whole, kept, back } = readGenerations(paths);
  const named = new Set(whole.map(({ change }) => change));
  for (const change of kept) if (!named.has(change)) rmSync(keptFile(paths, change), { force: true });
  for (const change of back.keys()) if (!named.has(change)) rmSync(backFile(paths, change), { force: true });
}
