// The bans between their two places: the file and the sets in the kernel.
import {
  formatPrefix,
  type Interval,
  type IpFamily,
  intervalPrefixes,
  type NamedSet,
  type Prefix,
  parsePrefix,
  prefixInterval,
  renderSeconds,
  renderValue,
  type Table,
  type Value,
} from '@moat/netfilter';
import { BAN_SETS, type Ban, banPieces, pieceOf } from '../compile/ban.ts';
import { TABLE } from '../compile/table.ts';
import type { BanLine } from '../kernel/ban-file.ts';
import { secondsLeft } from './run-time.ts';

const FAMILIES = ['ipv4', 'ipv6'] as const;

/** The bans that lines of the file say and whose time is not over. */
export function bansOf(lines: readonly BanLine[], now: number): Ban[] {
  const bans = new Map<string, Ban>();
  for (const line of lines) {
    const parsed = parsePrefix(line.ban);
    const left = secondsLeft(line, now);
    if (!('prefix' in parsed) || left === 0) continue;
    const until = left === undefined ? undefined : now + left;
    bans.set(line.ban, {
      prefix: parsed.prefix,
      until,
      since: line.since,
      because: line.because || undefined,
    });
  }
  return [...bans.values()];
}

/** The lines that say these bans, those of one set together; none for a ban whose time is over. */
export function banLines(bans: readonly Ban[], now: number): BanLine[] {
  const lasting = bans.filter(({ until }) => until === undefined || until > now);
  return FAMILIES.flatMap((family) =>
    banPieces(lasting, family).map(({ interval, ban }) => ({
      set: BAN_SETS[family],
      element: renderValue(pieceOf(family, interval), false),
      until: ban.until ?? 0,
      left: ban.until === undefined ? 0 : ban.until - now,
      ban: formatPrefix(ban.prefix),
      since: ban.since,
      because: ban.because ?? '',
    })),
  );
}

/** nft text from the elements of some lines to those of others. undefined: they are the same. */
export function banChange(
  before: readonly BanLine[],
  after: readonly BanLine[],
  now: number,
): string | undefined {
  const key = ({ set, element, until }: BanLine): string => `${set} ${element} ${until}`;
  const had = new Set(before.map(key));
  const has = new Set(after.map(key));
  // The kernel has let go already of those whose time is over.
  const gone = before.filter((line) => !has.has(key(line)) && secondsLeft(line, now) !== 0);
  const come = after.filter((line) => !had.has(key(line)));
  const text = [
    ...elementsCommand('delete', gone, () => ''),
    ...elementsCommand('add', come, (line) => timeText(line, now)),
  ].join('');
  return text === '' ? undefined : text;
}

/** nft text that puts the elements of these lines in place of whatever the sets hold. */
export function banReplacement(lines: readonly BanLine[], now: number): string {
  return [
    ...FAMILIES.map((family) => `flush set ${TABLE.family} ${TABLE.name} ${BAN_SETS[family]}\n`),
    // To the kernel, no time is for ever.
    ...elementsCommand(
      'add',
      lines.filter((line) => secondsLeft(line, now) !== 0),
      (line) => timeText(line, now),
    ),
  ].join('');
}

function timeText(line: BanLine, now: number): string {
  const left = secondsLeft(line, now);
  return left === undefined ? '' : ` timeout ${renderSeconds(left)}`;
}

function elementsCommand(
  verb: 'add' | 'delete',
  lines: readonly BanLine[],
  more: (line: BanLine) => string,
): string[] {
  return Object.values(BAN_SETS).flatMap((set) => {
    const elements = lines.filter((line) => line.set === set).map((line) => line.element + more(line));
    return elements.length === 0
      ? []
      : [`${verb} element ${TABLE.family} ${TABLE.name} ${set} { ${elements.join(', ')} }\n`];
  });
}

/** An element of a loaded ban set. `left`: seconds; undefined: for ever. */
export interface LoadedBan {
  readonly family: IpFamily;
  readonly interval: Interval<bigint>;
  readonly left: number | undefined;
}

/** What is banned in the kernel, whoever put it there. undefined: no table, or one without bans. */
export function loadedBans(table: Table | undefined): LoadedBan[] | undefined {
  const sets = FAMILIES.map((family) => table?.sets.find(({ name }) => name === BAN_SETS[family]));
  if (sets.includes(undefined)) return undefined;
  return FAMILIES.flatMap((family, i) => elementsOf(family, sets[i]!));
}

function elementsOf(family: IpFamily, { elements, expires }: NamedSet): LoadedBan[] {
  return elements.flatMap((element, i) => {
    const interval = intervalOf(element);
    return interval === undefined ? [] : [{ family, interval, left: expires?.[i] }];
  });
}

function intervalOf(value: Value): Interval<bigint> | undefined {
  switch (value.kind) {
    case 'address':
      return { first: value.address.value, last: value.address.value };
    case 'prefix':
      return prefixInterval(value.prefix);
    case 'range': {
      const first = intervalOf(value.first);
      const last = intervalOf(value.last);
      return first === undefined || last === undefined ? undefined : { first: first.first, last: last.last };
    }
    default:
      return undefined;
  }
}

/** Bans in the kernel that the file does not have: put there by another program, or by a command that was killed. */
export function strangers(loaded: readonly LoadedBan[], lines: readonly BanLine[]): LoadedBan[] {
  const known = new Set(lines.map(({ set, element }) => `${set} ${element}`));
  return loaded.filter(
    ({ family, interval }) =>
      !known.has(`${BAN_SETS[family]} ${renderValue(pieceOf(family, interval), false)}`),
  );
}

/** A stranger as a ban of its own, or as several where no one network says it. */
export function adopted({ family, interval, left }: LoadedBan, now: number): Ban[] {
  return intervalPrefixes(family, interval).map((prefix: Prefix) => ({
    prefix,
    until: left === undefined ? undefined : now + left,
    since: now,
    because: undefined,
  }));
}
