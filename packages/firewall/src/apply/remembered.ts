// What was in the loaded table besides its rules, kept in memory: for a table that is gone, as it would be by now.
import type { NamedSet, Table } from '@moat/netfilter';
import { BAN_SETS } from '../compile/ban.ts';
import { gateEnd } from '../compile/gate.ts';
import { type BanLine, readBanLines } from '../kernel/ban-file.ts';
import type { Paths } from '../kernel/paths.ts';
import { adopted, banLines, bansOf, type LoadedBan, loadedBans, strangers } from './ban-store.ts';

/** A listed table, and when it was listed. */
export interface Remembered {
  readonly table: Table;
  /** Bans in it that the file did not have then: other programs put them there. */
  readonly strangers: readonly LoadedBan[];
  /** By `performance.now()`: a clock that nobody sets. */
  readonly at: number;
}

/** Hold the lock, so that the file and the sets belong together. */
export function remember(paths: Paths, table: Table): Remembered {
  const foreign = strangers(loadedBans(table) ?? [], readBanLines(paths));
  return { table, strangers: foreign, at: performance.now() };
}

/** Whole seconds since then. */
export function ageOf({ at }: Remembered): number {
  return Math.floor((performance.now() - at) / 1000);
}

/**
 * The sets that packets and programs fill, except bans (`bansNow` has those), with the time that is left to their
 * elements after `age` seconds. Gates are shut at their moment, whatever the kernel had left for them.
 *
 * @param now seconds since 1970
 */
export function agedSets(table: Table, age: number, now: number): NamedSet[] {
  return table.sets
    .filter(({ name, timeouts }) => timeouts && !isBanSet(name))
    .map((set) => {
      const until = gateEnd(set.name);
      const left = set.elements.map((_, i) => {
        const listed = set.expires?.[i];
        if (listed === undefined) return undefined;
        // What is listed is rounded down; at a gate, whose moment is known, that shall not add up.
        return until === undefined ? listed - age : Math.min(listed + 1 - age, until - now);
      });
      const stays = left.map((seconds) => seconds === undefined || seconds > 0);
      return {
        ...set,
        elements: set.elements.filter((_, i) => stays[i]),
        expires: left.filter((_, i) => stays[i]),
      };
    });
}

/** Those whose time is not over, with what is left of it. */
export function strangersNow(remembered: Remembered): LoadedBan[] {
  const age = ageOf(remembered);
  return remembered.strangers
    .map((ban) => (ban.left === undefined ? ban : { ...ban, left: ban.left - age }))
    .filter(({ left }) => left === undefined || left > 0);
}

/** Who is banned now: the file, and what other programs had put into the sets. */
export function bansNow(paths: Paths, remembered: Remembered | undefined, now: number): BanLine[] {
  const lines = readBanLines(paths);
  const others = remembered === undefined ? [] : strangersNow(remembered);
  if (others.length === 0) return lines;
  return banLines([...others.flatMap((ban) => adopted(ban, now)), ...bansOf(lines, now)], now);
}

export function isBanSet(name: string): boolean {
  return name === BAN_SETS.ipv4 || name === BAN_SETS.ipv6;
}
