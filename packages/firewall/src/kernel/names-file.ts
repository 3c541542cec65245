// What names were answered with: /var/lib/moat/names, sealed, so that the last good answer outlives a reboot.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatAddress, parseAddress } from '@moat/netfilter';
import { type StagedFile, stageFile } from './atomic-write.ts';
import type { Paths } from './paths.ts';
import { sealed, unsealed } from './sealed-text.ts';

export interface NameEntry {
  readonly name: string;
  /** Of the last good answer, in their canonical form; none: there was never one. */
  readonly addresses: readonly string[];
  /** When that came: seconds since 1970; 0: never. */
  readonly answered: number;
  /** Seconds that it holds, as DNS says. */
  readonly ttl: number;
  /** What went wrong since, or with a part of it; null: nothing. */
  readonly failed: NameFailure | null;
}

export interface NameFailure {
  /** When it was asked last: seconds since 1970. */
  readonly at: number;
  /** How often in a row. */
  readonly times: number;
  readonly why: string;
}

export interface NamesRead {
  readonly entries: readonly NameEntry[];
  /** The file is there and not whole: its answers are lost. */
  readonly torn: boolean;
}

export function namesFile(paths: Paths): string {
  return join(paths.state, 'names');
}

/** What is not whole or of another shape counts as no answer. */
export function readNames(paths: Paths): NamesRead {
  let text: string;
  try {
    text = readFileSync(namesFile(paths), 'utf8');
  } catch {
    return { entries: [], torn: false };
  }
  const entries = entriesOf(unsealed(text));
  return entries === undefined ? { entries: [], torn: true } : { entries, torn: false };
}

export function stageNames(paths: Paths, entries: readonly NameEntry[]): StagedFile {
  const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`);
  return stageFile(namesFile(paths), sealed(lines.join('')));
}

function entriesOf(text: string | undefined): NameEntry[] | undefined {
  if (text === undefined) return undefined;
  try {
    const entries = text
      .split('\n')
      .filter(Boolean)
      .map((line): unknown => JSON.parse(line));
    return entries.every(isEntry) ? entries : undefined;
  } catch {
    return undefined;
  }
}

function isEntry(value: unknown): value is NameEntry {
  const { name, addresses, answered, ttl, failed } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof name === 'string' &&
    Array.isArray(addresses) &&
    addresses.every(isCanonicalAddress) &&
    Number.isSafeInteger(answered) &&
    Number.isSafeInteger(ttl) &&
    (failed === null || isFailure(failed))
  );
}

function isFailure(value: unknown): boolean {
  const { at, times, why } = (value ?? {}) as Record<string, unknown>;
  return Number.isSafeInteger(at) && Number.isSafeInteger(times) && typeof why === 'string';
}

function isCanonicalAddress(value: unknown): boolean {
  const address = typeof value === 'string' ? parseAddress(value) : undefined;
  return address !== undefined && formatAddress(address) === value;
}
