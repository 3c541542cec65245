// Differences between rulesets as text and as JSON.
import type { IpFamily, Road } from '@moat/netfilter';
import type { DifferenceReport, DifferenceRow, FateTold } from './difference.ts';
import { packetJson, packetWords } from './packet-words.ts';
import { toldText } from './rule-words.ts';
import { table } from './table.ts';

const VERBS = {
  opened: 'opens',
  closed: 'closes',
  answered: 'answers',
  silenced: 'ignores',
} as const;

const HEADINGS: Readonly<Record<Road, string>> = {
  input: 'incoming, to this host and its published ports',
  groups: 'incoming, to broadcast, multicast and anycast addresses',
  forward: 'forwarded, from other machines to other machines',
  output: 'outgoing, from this host',
  loopback: 'loopback, from this host to itself',
};

const VERDICTS: Readonly<Record<FateTold['verdict'], string>> = {
  accept: 'let through',
  drop: 'dropped',
  reject: 'refused',
  unknown: 'not known',
};

/**
 * Lines by road: what is different for new flows, or where that is nothing for other packets. Of each difference one packet, and why it fares as it
 * does; `brief`: without these.
 */
export function differenceText(
  { rows, complete, tooLarge }: DifferenceReport,
  { brief = false }: { readonly brief?: boolean } = {},
): string {
  const lines: string[] = [];
  for (const [road, heading] of Object.entries(HEADINGS) as [Road, string][]) {
    const all = rows.filter((row) => row.road === road && !isTold(rows, row));
    const ofNew = all.filter(({ states }) => states.includes('new'));
    const own = ofNew.length > 0 ? ofNew : all;
    if (own.length === 0) continue;
    lines.push(heading);
    const cells = own.map((row) => [`  ${verbOf(row)}`, row.packets + statesText(row), familiesText(row)]);
    for (const [i, line] of table(cells).split('\n').entries()) {
      lines.push(line, ...(brief ? [] : reasons(own[i]!)));
    }
    if (all.length > own.length) lines.push(`  ${othersText(all.filter((row) => !own.includes(row)))}`);
  }
  if (!complete) lines.push('There are more differences than are shown.');
  if (tooLarge.length > 0) lines.push(tooLargeText(tooLarge));
  return lines.join('\n');
}

/** What broadcast and multicast have in common with all else that comes in is said once. */
function isTold(rows: readonly DifferenceRow[], row: DifferenceRow): boolean {
  const key = ({ kind, certainty, states, packets, families }: DifferenceRow): string =>
    [kind, certainty, packets, states.includes('new'), ...families].join(' ');
  return row.road === 'groups' && rows.some((each) => each.road === 'input' && key(each) === key(row));
}

function verbOf({ kind, certainty }: Pick<DifferenceRow, 'kind' | 'certainty'>): string {
  const verb = VERBS[kind];
  return certainty === 'must' ? verb : `may ${verb === 'ignores' ? 'ignore' : verb.slice(0, -1)}`;
}

export function familiesText({ families }: Pick<DifferenceRow, 'families'>): string {
  return families.map((family) => (family === 'ipv4' ? 'v4' : 'v6')).join(' ');
}

export function tooLargeText(tooLarge: readonly IpFamily[]): string {
  const names = tooLarge.map((family) => (family === 'ipv4' ? 'IPv4' : 'IPv6')).join(' and ');
  return `Not compared: the rules for ${names} are too many and too different to be computed within bounds.`;
}

/** Nothing is said of what is so for new flows, which is what people ask about. */
function statesText({ states }: DifferenceRow): string {
  return states.includes('new') ? '' : ` (${states.join(', ')})`;
}

function othersText(rows: readonly DifferenceRow[]): string {
  const states = [...new Set(rows.flatMap((row) => row.states))];
  const count = rows.length === 1 ? 'one difference' : `${rows.length} differences`;
  return `and ${count} for packets that begin no flow (${states.join(', ')}): see --json`;
}

function reasons({ example, before, after }: DifferenceRow): string[] {
  return [
    `            for example ${packetWords(example.fields)}`,
    `              before  ${fateText(before)}`,
    `              after   ${fateText(after)}`,
  ];
}

function fateText({ verdict, by }: FateTold): string {
  if (by !== undefined) return `${VERDICTS[verdict]} by ${toldText(by)}`;
  return verdict === 'accept' ? `${VERDICTS.accept}: no rule refuses it` : VERDICTS[verdict];
}

/** See docs/JSON.md. */
export function differenceJson({ rows, complete, tooLarge }: DifferenceReport): object {
  return {
    different: rows.length > 0 ? true : tooLarge.length > 0 ? null : false,
    differences: rows.map(({ road, kind, certainty, states, packets, families, example, before, after }) => ({
      ...{ road, effect: VERBS[kind], certainty, states, packets, families },
      example: { family: example.family, ...packetJson(example.fields) },
      ...{ before, after },
    })),
    complete,
    notCompared: tooLarge,
  };
}
