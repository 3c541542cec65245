// Sets of our table that programs fill while it is in force: their elements are no rules.
import { BAN_SETS } from './ban.ts';
import { CUT_SETS } from './cut.ts';
import { gateEnd } from './gate.ts';

const NAMES: ReadonlySet<string> = new Set([...Object.values(BAN_SETS), ...Object.values(CUT_SETS)]);

/** Bans, ended flows, and the gates of sentences that end. */
export function isFilledSet(name: string): boolean {
  return NAMES.has(name) || gateEnd(name) !== undefined;
}
