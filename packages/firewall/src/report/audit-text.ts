// An audit in words: the table of what is open, findings, what is closed, and what could not be seen.
import { type Exposure, NO_FIREWALL, type Opener, type Passage, type Reaches } from '@moat/netfilter';
import type { Audit } from './audit.ts';
import { doubtWords, type Unknown } from './audit-gaps.ts';
import { openerPlace, protocolNames } from './audit-json.ts';
import type { Finding } from './findings.ts';
import { addressesText, placesText } from './places-text.ts';
import { placeWords } from './rule-place.ts';
import { table } from './table.ts';

/** How headings and bad news look; plain by default. */
export interface Looks {
  readonly heading: (text: string) => string;
  readonly bad: (text: string) => string;
}

const PLAIN: Looks = { heading: (text) => text, bad: (text) => text };

/** The whole audit for people. */
export function auditText(audit: Audit, looks: Looks = PLAIN): string {
  return [
    openLines(audit, looks),
    findingLines(audit.findings, looks),
    otherLines(audit),
    closedLines(audit),
    unknownLines(audit.unknown, looks),
    notSeenLines(audit),
  ]
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

/** Whether something answers there, or might. */
export function answers({ reaches }: Exposure): boolean {
  return reaches.kind !== 'none' || reaches.unseen === true || reaches.forwardedTo !== undefined;
}

function openLines(audit: Audit, looks: Looks): string[] {
  const empty = audit.exposures.filter((row) => !answers(row));
  const lines = openTable(audit, audit.exposures.filter(answers), looks);
  const past = looks.heading('OPEN AT THE ADDRESS OF A CONTAINER, FOR MACHINES WITH A ROUTE TO IT');
  return [
    ...(lines.length === 0 ? ['Nothing that listens can be reached from outside.'] : lines),
    ...(audit.direct.length === 0 ? [] : ['', past, ...tableOf(audit, audit.direct)]),
    ...(empty.length === 0 ? [] : ['', looks.heading('OPEN, WITH NOTHING BEHIND'), ...tableOf(audit, empty)]),
  ];
}

/** OPEN TO, PORT, WHAT, OPENED BY; empty if there are no rows. */
export function openTable(
  audit: Pick<Audit, 'ruleset' | 'bothFamilies'>,
  rows: readonly Exposure[],
  { heading }: Looks = PLAIN,
): string[] {
  if (rows.length === 0) return [];
  const [head = '', ...lines] = tableOf(audit, rows, ['OPEN TO', 'PORT', 'WHAT', 'OPENED BY']);
  return [heading(head), ...lines];
}

interface Row {
  readonly cells: readonly string[];
  readonly families: Set<string>;
}

/** IPv4 and IPv6 in one row where they say the same; of one alone it is said which. */
function tableOf(
  audit: Pick<Audit, 'ruleset' | 'bothFamilies'>,
  exposures: readonly Exposure[],
  head: readonly string[] = [],
): string[] {
  const rows = new Map<string, Row & { ports: string[] }>();
  for (const exposure of exposures) {
    const { family, ports, proto, openedBy, reaches } = exposure;
    const port = `${ports.first === ports.last ? ports.first : `${ports.first}-${ports.last}`}/${proto}`;
    const nothing = !answers(exposure);
    const [to, what] = [placesText(family, exposure.from), whatText(exposure)];
    const owners = openedBy.map(
      ({ owner, at, rule, translates }) => `${owner} ${at?.table.name} ${rule === undefined} ${translates}`,
    );
    // Ports with nothing behind them go in one row.
    const key = [to, nothing ? proto : port, what, ...owners].join('|');
    const row = rows.get(key) ?? {
      ports: [],
      cells: [to, what, openedText(audit, openedBy)],
      families: new Set<string>(),
    };
    if (!row.ports.includes(port)) row.ports.push(port);
    row.families.add(reaches.kind === 'none' && nothing ? `${family}` : family);
    rows.set(key, row);
  }
  const lines = [...rows.values()].map(({ cells: [to = '', what = '', by = ''], ports, families }) => [
    to,
    portsText(ports),
    what,
    by,
    audit.bothFamilies && families.size === 1 ? `${families.has('ipv4') ? 'IPv4' : 'IPv6'} only` : '',
  ]);
  return table(head.length === 0 ? lines.map(withoutWhat) : [head, ...lines]).split('\n');
}

/** Where nothing is behind any row, nothing need be said of it. */
function withoutWhat([to = '', ports = '', what = '', by = '', families = '']: readonly string[]): string[] {
  return [to, ports, ...(what === '' ? [] : [what]), by, families];
}

const MOST_PORTS = 6;

function portsText(ports: readonly string[]): string {
  if (ports.length === 1) return ports[0] ?? '';
  const proto = ports[0]?.split('/')[1] ?? '';
  const bare = ports.map((port) => port.split('/')[0]);
  const more = bare.length > MOST_PORTS ? ` and ${bare.length - MOST_PORTS} more` : '';
  return `${bare.slice(0, MOST_PORTS).join(',')}${more}/${proto}`;
}

/** What answers, and with which limits. */
function whatText({ reaches, to, family, certainty, doubts, direct }: Exposure): string {
  const at = to === undefined ? '' : atText(addressesText(family, to), direct);
  return `${reachesText(reaches)}${at}${certainty === 'may' ? ` (${doubtsText(doubts)})` : ''}`.trim();
}

function atText(addresses: string, direct: boolean): string {
  if (addresses.startsWith('anywhere')) return addresses.replace('anywhere', '');
  return ` at ${direct ? 'its own ' : ''}${addresses}`;
}

function doubtsText(doubts: Passage['doubts']): string {
  const words = [...new Set(doubts.map(({ reason }) => doubtWords(reason)))];
  return words.length === 0 ? 'perhaps' : words.join(', ');
}

/** `sshd`, `container some-app-container:80`. */
function reachesText(reaches: Reaches): string {
  switch (reaches.kind) {
    case 'process':
      return reaches.name ?? `not known (uid ${reaches.uid})`;
    case 'container': {
      const port = reaches.known && reaches.port !== undefined ? `:${reaches.port}` : '';
      const by = reaches.by === 'proxy' ? ' (by its proxy)' : '';
      return `container ${reaches.name}${port}${by}`;
    }
    case 'none': {
      const { forwardedTo, unseen } = reaches;
      if (forwardedTo === undefined) return unseen === true ? 'not known' : '';
      const { address = 'somewhere', port } = forwardedTo;
      return `forwarded to ${address}${port === undefined ? '' : `:${port}`}`;
    }
    default:
      return reaches satisfies never;
  }
}

/** The translation if there is one, and everybody else who had a say. */
function openedText(audit: Pick<Audit, 'ruleset'>, openedBy: readonly Opener[]): string {
  const first = openedBy.find(({ translates }) => translates) ?? openedBy[0];
  if (first === undefined) return NO_FIREWALL;
  const others = openedBy.filter(
    ({ owner }, i) => owner !== first.owner && openedBy.findIndex((each) => each.owner === owner) === i,
  );
  return [first, ...others].map((opener) => placeWords(openerPlace(audit, opener))).join(', ');
}

function findingLines(findings: readonly Finding[], { heading, bad }: Looks): string[] {
  if (findings.length === 0) return [];
  const lines = findings.flatMap(({ severity, service, port, proto, families, from, why, mend }) => {
    const mark = severity.toUpperCase().padEnd(6);
    return [
      `${severity === 'high' ? bad(mark) : mark}  ${service} on ${port}/${proto}, open to ${placesText(families[0] ?? 'ipv4', from)}: ${why}`,
      `        ${mend}`,
    ];
  });
  return [heading('FINDINGS'), ...lines];
}

function otherLines({ others, bothFamilies }: Audit): string[] {
  const rows = new Map<string, Set<string>>();
  for (const each of others) {
    const { what, family, from, openedBy, certainty, doubts } = each;
    const name = what === 'echo' ? 'ping (icmp echo)' : `protocols ${protocolNames(what).join(', ')}`;
    const limit = certainty === 'may' ? ` (${doubtsText(doubts)})` : '';
    const line = `${name} from ${placesText(family, from)}${limit}, by ${[...new Set(openedBy.map(({ owner }) => owner))].join(', ')}`;
    rows.set(line, new Set([...(rows.get(line) ?? []), family]));
  }
  return [...rows].map(
    ([line, families]) =>
      `Also let in: ${line}${bothFamilies && families.size === 1 ? ` (${families.has('ipv4') ? 'IPv4' : 'IPv6'} only)` : ''}`,
  );
}

function closedLines({ closed }: Audit): string[] {
  const words = (why: 'loopback' | 'rules'): string[] => [
    ...new Set(
      closed
        .filter((each) => each.why === why)
        .map(({ socket, reaches }) => `${socket.port}/${socket.protocol} ${reachesText(reaches)}`),
    ),
  ];
  const [rules, loopback] = [words('rules'), words('loopback')];
  return [
    ...(rules.length === 0 ? [] : [`Closed to all: ${rules.join(', ')}`]),
    ...(loopback.length === 0 ? [] : [`On this machine alone: ${loopback.join(', ')}`]),
  ];
}

const MOST_UNKNOWN = 12;

function unknownLines(unknown: readonly Unknown[], { heading }: Looks): string[] {
  if (unknown.length === 0) return [];
  const lines = unknown.map(unknownText);
  const more = lines.length > MOST_UNKNOWN ? [`and ${lines.length - MOST_UNKNOWN} more`] : [];
  return [heading('UNKNOWN'), ...lines.slice(0, MOST_UNKNOWN), ...more];
}

function unknownText(unknown: Unknown): string {
  switch (unknown.kind) {
    case 'rule':
      return `${placeWords(unknown.place)}: ${unknown.place.text}`;
    case 'reader':
      return `${unknown.in}: ${unknown.message}`;
    case 'too large':
      return `the rules for ${unknown.family === 'ipv4' ? 'IPv4' : 'IPv6'} are too many and too different to be computed`;
    default:
      return unknown satisfies never;
  }
}

function notSeenLines({ notSeen }: Audit): string[] {
  return ['Not seen from here:', ...notSeen.map(({ what, why }) => `  ${what} (${why})`)];
}
