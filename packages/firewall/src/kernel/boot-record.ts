// What the boot wrote down about itself: which rules it loaded, and why not others.
//
//   rung confirmed|before|emergency|none
//   skipped FILE: why
//   without bans|times: why
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Paths } from './paths.ts';

/** The rules that a boot ended with, the best first. `none`: not even the emergency rules could be loaded. */
export const BOOT_RUNGS = ['confirmed', 'before', 'emergency', 'none'] as const;
export type BootRung = (typeof BOOT_RUNGS)[number];

export interface BootRecord {
  readonly rung: BootRung;
  /** The better rungs with the reason against each: `FILE: why`. */
  readonly skipped: readonly string[];
  /** What the rules came without: `bans: why`. */
  readonly without: readonly string[];
}

export function bootRecordFile(paths: Paths): string {
  return join(paths.run, 'boot-rung');
}

/** undefined: no boot since the rules were last put right, or nothing of moat ran at boot. */
export function readBootRecord(paths: Paths): BootRecord | undefined {
  let lines: string[];
  try {
    lines = readFileSync(bootRecordFile(paths), 'utf8').split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const saying = (word: string): string[] =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  const rung = BOOT_RUNGS.find((known) => known === saying('rung')[0]);
  return rung && { rung, skipped: saying('skipped'), without: saying('without') };
}

/** What the boot loaded is not what is in force any more. */
export function forgetBootRecord(paths: Paths): void {
  rmSync(bootRecordFile(paths), { force: true });
}
