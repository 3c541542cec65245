// What can be reached now and could not before, and the other way round: from two answers of `moat audit --json`.
import {
  formatAddress,
  type Interval,
  type IntervalSet,
  type IpFamily,
  intervalSet,
  networksOf,
  parsePrefix,
  prefixInterval,
  subtractIntervals,
} from '@moat/netfilter';
import type { RulePlace } from './rule-place.ts';

/** A row of `exposures` or `direct` (docs/JSON.md), as far as it is compared. */
export interface ExposureRow {
  readonly family: IpFamily;
  readonly proto: string;
  /** A number, or `8000-8100`. */
  readonly port: number | string;
  readonly sources: readonly string[];
  readonly interfaces?: readonly string[];
  readonly to?: readonly string[];
  readonly reaches: {
    readonly kind: string;
    readonly name: string | null;
    readonly [more: string]: unknown;
  };
  readonly openedBy: readonly RulePlace[];
  readonly certainty: 'must' | 'may';
}

/** `sources` are those to whom it was opened or closed, which need not be all that the rows have. */
export interface ExposureChange extends ExposureRow {
  readonly change: 'opened' | 'closed';
  /** It is the container's own address that is dialled. */
  readonly direct: boolean;
}

export interface ExposureRows {
  readonly exposures: readonly ExposureRow[];
  readonly direct: readonly ExposureRow[];
}

/** Closed ones first. Rows behind which nothing answers are no exposures here. */
export function exposureChanges(before: ExposureRows, after: ExposureRows): ExposureChange[] {
  return (['closed', 'opened'] as const).flatMap((change) =>
    (['exposures', 'direct'] as const).flatMap((list) => {
      const [from, to] = change === 'opened' ? [before, after] : [after, before];
      return more(from[list], to[list]).map((row) => ({ change, ...row, direct: list === 'direct' }));
    }),
  );
}

/** What of `rows` is in none of `others`. */
function more(others: readonly ExposureRow[], rows: readonly ExposureRow[]): ExposureRow[] {
  const known = new Map<string, ExposureRow[]>();
  for (const row of others) known.set(keyOf(row), [...(known.get(keyOf(row)) ?? []), row]);
  return rows.filter(answers).flatMap((row) => {
    const same = known.get(keyOf(row)) ?? [];
    const left: { ports: Interval<number>; sources: IntervalSet<bigint> }[] = [];
    for (const ports of cutAt(portsOf(row), same.map(portsOf))) {
      const there = same.filter((each) => covers(portsOf(each), ports)).flatMap(sourcesOf);
      const sources = subtractIntervals(intervalSet(sourcesOf(row)), intervalSet(there));
      const last = left.at(-1);
      if (sources.length === 0) continue;
      // Neighbours alike are one row again.
      if (
        last?.ports.last === ports.first - 1 &&
        textOf(row.family, last.sources) === textOf(row.family, sources)
      )
        last.ports = { first: last.ports.first, last: ports.last };
      else left.push({ ports, sources });
    }
    return left.map(({ ports: { first, last }, sources }) => ({
      ...told(row),
      port: first === last ? first : `${first}-${last}`,
      sources: networks(row.family, sources),
    }));
  });
}

/** Without what is there for one packet only. */
function told({
  family,
  proto,
  port,
  sources,
  interfaces,
  to,
  reaches,
  openedBy,
  certainty,
}: ExposureRow): ExposureRow {
  return {
    ...{ family, proto, port, sources },
    ...(interfaces === undefined ? {} : { interfaces }),
    ...(to === undefined ? {} : { to }),
    ...{ reaches, openedBy, certainty },
  };
}

/** Whether something answers there, or might. */
function answers({ reaches }: ExposureRow): boolean {
  return reaches.kind !== 'none' || reaches['unseen'] === true || reaches['forwardedTo'] !== undefined;
}

/** All but ports and sources, and the number of the process: a service that was started again is the same. */
function keyOf({ family, proto, interfaces, to, reaches }: ExposureRow): string {
  const { pid: _, ...what } = reaches;
  return JSON.stringify([family, proto, interfaces ?? null, to ?? null, what]);
}

function portsOf({ port }: ExposureRow): Interval<number> {
  const [first, last] = String(port).split('-').map(Number);
  return { first: first!, last: last ?? first! };
}

function covers(outer: Interval<number>, inner: Interval<number>): boolean {
  return outer.first <= inner.first && inner.last <= outer.last;
}

/** The interval in pieces that each lie wholly in each of the others, or wholly outside. */
function cutAt({ first, last }: Interval<number>, others: readonly Interval<number>[]): Interval<number>[] {
  const begins = others.flatMap((other) => [other.first, other.last + 1]);
  const inside = [first, ...begins.filter((port) => port > first && port <= last)];
  const cuts = [...new Set(inside)].sort((a, b) => a - b);
  return cuts.map((port, i) => ({ first: port, last: (cuts[i + 1] ?? last + 1) - 1 }));
}

function sourcesOf({ sources }: ExposureRow): Interval<bigint>[] {
  return sources.flatMap((text) => {
    const parsed = parsePrefix(text);
    return 'prefix' in parsed ? [prefixInterval(parsed.prefix)] : [];
  });
}

function networks(family: IpFamily, addresses: IntervalSet<bigint>): string[] {
  return networksOf(family, addresses).map((prefix) => `${formatAddress(prefix)}/${prefix.length}`);
}

function textOf(family: IpFamily, addresses: IntervalSet<bigint>): string {
  return networks(family, addresses).join(' ');
}
