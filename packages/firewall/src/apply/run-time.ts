// What a table holds besides its rules: bans, and the gates of sentences that end. And texts that keep it.
import { type NamedSet, parsePrefix, renderReplacement, type Table, type Value } from '@moat/netfilter';
import { BAN_SETS } from '../compile/ban.ts';
import type { BanLine } from '../kernel/ban-file.ts';

/**
 * A compiled table with the bans in it: those that are in force, with the time that the kernel gives them, or, where the
 * loaded table (`current`) has no such sets, those of the file.
 *
 * @param now seconds since 1970
 */
export function withRunTime(
  table: Table,
  current: Table | undefined,
  bans: readonly BanLine[],
  now: number,
): Table {
  return { ...table, sets: table.sets.map((set) => (isBanSet(set) ? filled(set, current, bans, now) : set)) };
}

function filled(set: NamedSet, current: Table | undefined, bans: readonly BanLine[], now: number): NamedSet {
  const loaded = current?.sets.find(({ name }) => name === set.name);
  if (loaded !== undefined) {
    return { ...set, elements: loaded.elements, ...(loaded.expires ? { expires: loaded.expires } : {}) };
  }
  const lines = bans.filter((line) => line.set === set.name && secondsLeft(line, now) !== 0);
  if (lines.length === 0) return set;
  return {
    ...set,
    elements: lines.map(({ element }) => elementValue(element)),
    expires: lines.map((line) => secondsLeft(line, now)),
  };
}

/** undefined: for ever; 0: over. */
export function secondsLeft(
  { until, left }: Pick<BanLine, 'until' | 'left'>,
  now: number,
): number | undefined {
  return until === 0 ? undefined : Math.max(0, Math.min(until - now, left));
}

function elementValue(text: string): Value {
  const [first, last] = text.split('-').map((each) => parsePrefix(each));
  if (first === undefined || !('prefix' in first)) throw new Error(`no element of a ban set: ${text}`);
  if (last === undefined || !('prefix' in last)) return { kind: 'prefix', prefix: first.prefix };
  const address = ({ family, value }: typeof first.prefix): Value => ({
    kind: 'address',
    address: { family, value },
  });
  return { kind: 'range', first: address(first.prefix), last: address(last.prefix) };
}

export function isBanSet({ name }: NamedSet): boolean {
  return name === BAN_SETS.ipv4 || name === BAN_SETS.ipv6;
}

/**
 * The rules as text that is kept for later: without what packets and programs put into sets, whose times would be
 * wrong by then. Bans have a file of their own.
 */
export function storedRules(table: Table): string {
  return renderReplacement({ ...table, sets: table.sets.map(emptied) });
}

export function emptied(set: NamedSet): NamedSet {
  if (!set.dynamic) return set;
  const { expires: _, ...rest } = set;
  return { ...rest, elements: [] };
}
