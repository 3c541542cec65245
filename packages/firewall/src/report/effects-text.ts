// The PLAN lines of a change, and the same as JSON.
import type { Road } from '@moat/netfilter';
import { familiesText, tooLargeText } from './difference-text.ts';
import type { Effects, ListenerEffect, OtherEffect } from './effects.ts';
import { table } from './table.ts';

const ROADS: Readonly<Record<Road, string>> = {
  input: 'incoming',
  groups: 'broadcast and multicast',
  forward: 'forwarded',
  output: 'outgoing',
  loopback: 'loopback',
};

/** Rows of one verb and road that are written out. */
const SHOWN = 4;

/** Lines of a plan. `keeps`: with what stays as it is. */
export function effectLines(
  { none, listeners, others, later, tooLarge }: Effects,
  { keeps }: { readonly keeps: boolean },
): string[] {
  if (none) return ['PLAN  no effect: no verdict changes, for any packet'];
  const told = listeners.filter(({ verb }) => keeps || verb !== 'keeps').sort((a, b) => rank(a) - rank(b));
  const rows = [
    ...told.map((each) => [each.verb, each.port, `(${each.what})`, `to ${each.sources}`, familiesText(each)]),
    ...summed(others).map(({ verb, road, texts, families }) => [
      verb,
      ROADS[road],
      `${texts.slice(0, SHOWN).join('; ')}${texts.length > SHOWN ? ` and ${texts.length - SHOWN} more` : ''}`,
      '',
      familiesText({ families }),
    ]),
  ];
  const lines = rows.length === 0 ? [] : planTable(rows);
  const notes = [
    ...(later && others.length === 0 && told.every(({ verb }) => verb === 'keeps')
      ? ['only packets that begin no flow fare otherwise']
      : []),
    ...(tooLarge.length > 0 ? [tooLargeText(tooLarge)] : []),
  ];
  return [...lines, ...notes.map((note) => `note: ${note}`)];
}

/** What has no name would make its column as wide as itself: it stands in one line with what follows. */
function planTable(rows: readonly (readonly string[])[]): string[] {
  const isListener = (row: readonly string[]): boolean => row[3] !== '';
  const cells = rows.map((row, i) => {
    const [verb = '', port = '', what = '', to = '', families = ''] = row;
    const first = i === 0 ? 'PLAN' : '';
    return isListener(row)
      ? [first, verb, port, what, to, families]
      : [first, verb, `${port}: ${what}  ${families}`];
  });
  const listeners = cells.filter((row) => row.length > 3);
  const width = Math.max(...cells.map(([, verb = '']) => verb.length));
  const lines =
    listeners.length === 0
      ? []
      : table(listeners.map((row) => [row[0]!, row[1]!.padEnd(width), ...row.slice(2)])).split('\n');
  return [
    ...lines,
    ...cells
      .filter((row) => row.length === 3)
      .map(([first = '', verb = '', text = '']) => `${first.padEnd(4)}  ${verb.padEnd(width)}  ${text}`),
  ];
}

function rank({ verb }: ListenerEffect): number {
  return ['opens', 'may open', 'closes', 'may close', 'keeps'].indexOf(verb);
}

interface Summed extends Pick<OtherEffect, 'verb' | 'road' | 'families'> {
  readonly texts: string[];
}

/** Those of one verb, road and family in one line. */
function summed(others: readonly OtherEffect[]): Summed[] {
  const rows: Summed[] = [];
  for (const { verb, road, packets, families } of others) {
    const same = rows.find(
      (row) => row.verb === verb && row.road === road && row.families.join() === families.join(),
    );
    if (same === undefined) rows.push({ verb, road, families, texts: [packets] });
    else same.texts.push(packets);
  }
  return rows;
}

/** See docs/JSON.md. */
export function effectsJson({ none, listeners, others, later, tooLarge }: Effects): object {
  return { noEffect: none, listeners, others, otherStates: later, notCompared: tooLarge };
}
