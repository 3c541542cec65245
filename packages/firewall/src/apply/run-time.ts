// What a table holds besides its rules, bans and open gates; and texts of it for later.
import { type NamedSet, parsePrefix, renderReplacement, type Table, type Value } from '@moat/netfilter';
import { BAN_SETS } from '../compile/ban.ts';
import { gateEnd } from '../compile/gate.ts';
import type { BanLine } from '../kernel/ban-file.ts';

/**
 * A compiled table with bans and ended flows in it, and with the time that its gates have left: as the loaded table (`current`) has
 * them, since the kernel counts truly whatever becomes of the clock; else as the file of bans and the clock say.
 *
 * @param now seconds since 1970
 */
export function withRunTime(
  table: Table,
  current: Table | undefined,
  bans: readonly BanLine[],
  now: number,
): Table {
  const sets = table.sets.map((set) => {
    const until = gateEnd(set.name);
    if (!set.timeouts) return set;
    const loaded = current?.sets.find(({ name }) => name === set.name);
    if (loaded !== undefined) return withElements(set, loaded.elements, loaded.expires ?? []);
    if (until !== undefined)
      return withElements(
        set,
        set.elements,
        set.elements.map(() => until - now),
      );
    if (!isBanSet(set)) return set;
    const lines = bans.filter((line) => line.set === set.name && secondsLeft(line, now) !== 0);
    return withElements(
      set,
      lines.map(({ element }) => elementValue(element)),
      lines.map((line) => secondsLeft(line, now)),
    );
  });
  return { ...table, sets };
}

function withElements(
  set: NamedSet,
  elements: readonly Value[],
  expires: readonly (number | undefined)[],
): NamedSet {
  return { ...set, elements, expires };
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

/** The table as it is with nobody banned and no flow ended; gates stay open. */
export function withoutBans(table: Table): Table {
  const sets = table.sets.map((set) => (gateEnd(set.name) === undefined ? emptied(set) : set));
  return { ...table, sets };
}

function isBanSet({ name }: NamedSet): boolean {
  return name === BAN_SETS.ipv4 || name === BAN_SETS.ipv6;
}

/**
 * The rules as text that is kept for later: without what packets and programs put into sets, whose times would be wrong
 * by then. Bans have a file of their own; the gates that are open stand below the rules as lines for `time_left`.
 */
export function storedRules(table: Table): string {
  const gates = table.sets.flatMap(({ name, expires }) => {
    const until = gateEnd(name);
    const left = expires?.[0];
    return until === undefined || left === undefined ? [] : [`#+ ${name} ipv4,ipv6 ${until} ${left}\n`];
  });
  return `${renderReplacement({ ...table, sets: table.sets.map(emptied) })}${gates.join('')}`;
}

export function emptied(set: NamedSet): NamedSet {
  if (!set.dynamic) return set;
  const { expires: _, ...rest } = set;
  return { ...rest, elements: [] };
}
