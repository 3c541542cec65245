// An explanation for people: verdict, why, what would change it, and the way through the chains.
import {
  type Address,
  formatAddress,
  ICMP_TYPES,
  ICMPV6_TYPES,
  priorityWords,
  protocolName,
  type WalkVerdict,
} from '@moat/netfilter';
import { type ExplainedStep, type Explanation, refuses } from './explain.ts';
import { reasonWords } from './path-step.ts';
import { table } from './table.ts';

export interface ExplainColours {
  readonly open: (text: string) => string;
  readonly closed: (text: string) => string;
}

const WORDS: Readonly<Record<WalkVerdict, string>> = {
  accept: 'ALLOWED',
  drop: 'DENIED',
  reject: 'REJECTED',
  unknown: 'UNKNOWN',
};

/** `advice`: commands, without `moat`, that change the verdict. */
export function explanationText(
  explanation: Explanation,
  advice: readonly string[],
  colours: ExplainColours,
): string {
  const { verdict, withinLimits, path } = explanation;
  const word = WORDS[withinLimits ?? verdict];
  const colour = refuses(withinLimits ?? verdict) ? colours.closed : colours.open;
  const indent = ' '.repeat(word.length + 2);
  const change = refuses(withinLimits ?? verdict) ? 'to allow:' : 'to deny: ';
  const lines = [...whyLines(explanation), ...advice.map((sentence) => `${change} moat ${sentence}`)].map(
    (line) => `${indent}${line}`,
  );
  const head = `${colour(word)}  ${flowText(explanation)}`;
  return [head, ...lines, ...pathLines(path)].join('\n');
}

/** `192.0.2.9 → this host tcp/3306 (mysqld)`. */
function flowText({ journey, question, answers, nothingAnswers }: Explanation): string {
  const { packet } = journey;
  const { fields, hook, family } = packet;
  const { src, dst } = question.fields as { src?: Address; dst?: Address };
  const here = hook === 'output' ? 'this host' : undefined;
  const from =
    here ?? (src === undefined ? `anywhere (${family === 'ipv4' ? 'IPv4' : 'IPv6'})` : formatAddress(src));
  const forHost = hook === 'input' || (hook === 'forward' && journey.translated !== undefined);
  const to = forHost ? 'this host' : dst === undefined ? 'anywhere' : formatAddress(dst);
  const who = answers === undefined ? (nothingAnswers ? ' (nothing listens there)' : '') : ` (${answers})`;
  return `${from} → ${to} ${whatText(fields)}${who}`;
}

function whatText(fields: Readonly<Record<string, unknown>>): string {
  const proto = Number(fields['proto']);
  const name = proto === 58 ? 'icmpv6' : (protocolName(proto) ?? `protocol ${proto}`);
  const type = fields['icmptype'];
  if (typeof type === 'number') {
    const types = proto === 1 ? ICMP_TYPES : ICMPV6_TYPES;
    return `${name} ${[...types].find(([, number]) => number === type)?.[0] ?? `type ${type}`}`;
  }
  const port = fields['dport'];
  return typeof port === 'number' ? `${name}/${port}` : name;
}

function whyLines(explanation: Explanation): readonly string[] {
  const { verdict, withinLimits, because, unknown, journey, allowed, path } = explanation;
  const lines: string[] = [];
  if (withinLimits !== undefined) lines.push('as long as no limit is exceeded; nobody knows whether it is:');
  if (verdict === 'unknown') {
    for (const { owner, table, chain, rule, why } of unknown) {
      lines.push(rule === null ? why : `${owner} (${table}/${chain} rule ${rule}): ${why}`);
    }
    if (unknown.length === 0 && journey.divided === true)
      lines.push('it is not known whether it is for this host or for another: give --to');
  }
  if (verdict === 'unknown' && withinLimits === undefined && explanation.question.fields['src'] === undefined)
    lines.push('not the same for all: give an address in the place of any');
  if (verdict !== 'unknown' || withinLimits !== undefined) {
    lines.push(...new Set(because.map(({ words }) => words.why)));
    if (because.length === 0 && !refuses(verdict))
      lines.push(path.length === 0 ? 'there are no rules on its way' : 'no rule stops it');
  }
  const open = [...new Set(journey.result.unknowns.map(({ why }) => reasonWords(why)))];
  if (verdict !== 'unknown' && open.length > 0)
    lines.push(`the same whatever is not known (${open.join('; ')}); one of the ways is shown`);
  if (journey.ended !== undefined) lines.splice(0, lines.length, endedWords(journey.ended));
  if (journey.translated !== undefined) {
    const { dst, dport } = journey.translated;
    const to = dst === undefined ? 'another address' : formatAddress(dst);
    const port = dport === undefined ? '' : dst?.family === 'ipv6' ? ` port ${dport}` : `:${dport}`;
    const by = path.findLast(({ step }) => step.verdict.kind === 'nat' && step.hook !== 'postrouting');
    lines.push(`sent on to ${to}${port}${by === undefined ? '' : ` by ${by.words.place}`}`);
  }
  if (allowed !== undefined && allowed.length > 0) lines.push(`allowed sources: ${allowed.join(', ')}`);
  return lines;
}

function endedWords(why: NonNullable<Explanation['journey']['ended']>): string {
  switch (why) {
    case 'forwarding is off':
      return 'this host does not pass packets on to others (forwarding is switched off)';
    case 'no route':
      return 'this host has no route to there';
    case 'blackhole':
    case 'unreachable':
    case 'prohibit':
      return `the route to there says ${why}`;
    default:
      throw new Error(why satisfies never);
  }
}

const LONGEST = 110;

function pathLines(path: readonly ExplainedStep[]): readonly string[] {
  if (path.length === 0) return [];
  let before = '';
  const rows = path.flatMap(({ step, words, verdict, target }, i) => {
    // What one rule did stands in one line.
    const same = ({ step: other }: ExplainedStep): boolean =>
      step.rule !== undefined && other.rule === step.rule;
    const next = path[i + 1];
    if (next !== undefined && same(next)) return [];
    const first = path.findLastIndex((each, j) => j < i && !same(each)) + 1;
    const did = path.slice(first, i).map((each) => `${each.verdict}, `);
    const at = `${step.hook} ${priorityWords(step.priority)}`;
    const shown = at === before ? '' : at;
    before = at;
    const text = words.rule.length > LONGEST ? `${words.rule.slice(0, LONGEST)}…` : words.rule;
    const sentence = words.sentence === undefined ? '' : `  [rule ${words.sentence.number}]`;
    const done = `${did.join('')}${target === undefined ? verdict : `${verdict} ${target}`}`;
    return [[`  ${shown}`, words.place, done, `${text}${sentence}`]];
  });
  return ['', table(rows)];
}
