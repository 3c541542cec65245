// The whole policy file: its lines, and the policy that they make.
import { formatPrefix, type Prefix } from '@moat/netfilter';
import { undefinedGroups } from './groups.ts';
import { type HostAnswers, NO_ANSWERS } from './host-names.ts';
import {
  DEFAULT_LOGGING,
  DEFAULTS,
  type DefaultVerdict,
  type ExpectSentence,
  type Group,
  type GroupSentence,
  type LogLevel,
  type Policy,
  type RuleSentence,
  type Sentence,
  type Traffic,
} from './model.ts';
import type { Problem, Warning } from './problem.ts';
import { parseSentence, type SentenceResult } from './sentence.ts';
import type { Services } from './services.ts';
import { splitWords, type Word } from './words.ts';

/**
 * A line of the file. `start` and `end` enclose its text, `next` is where the following line starts (`end` and
 * the line break); all are offsets into the whole text.
 */
export interface PolicyLine {
  readonly number: number;
  readonly start: number;
  readonly end: number;
  readonly next: number;
  /** Undefined for blank lines and those that hold a remark only. */
  readonly sentence: Sentence | undefined;
  /** Where the words of the sentence begin and end (a remark after them not included). */
  readonly wordsStart: number;
  readonly wordsEnd: number;
}

/** A line that holds a sentence of one kind. */
export type LineOf<S extends Sentence> = PolicyLine & { readonly sentence: S };

export interface PolicyFile {
  readonly text: string;
  readonly lines: readonly PolicyLine[];
  readonly policy: Policy;
  /** The lines of `policy.rules`, in the same order. */
  readonly rules: readonly LineOf<RuleSentence>[];
  readonly warnings: readonly Warning[];
}

export type PolicyFileResult =
  | { readonly ok: true; readonly file: PolicyFile }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Whether the line holds a sentence of that kind. */
export function isLineOf<K extends Sentence['kind']>(
  line: PolicyLine,
  kind: K,
): line is LineOf<Extract<Sentence, { kind: K }>> {
  return line.sentence?.kind === kind;
}

interface RawLine {
  readonly start: number;
  readonly end: number;
  readonly next: number;
}

/** Lines end with LF or CRLF; a byte order mark at the start of the text belongs to none. */
function rawLines(text: string): RawLine[] {
  const lines: RawLine[] = [];
  let start = text.startsWith('\ufeff') ? 1 : 0;
  while (start < text.length) {
    const feed = text.indexOf('\n', start);
    const next = feed < 0 ? text.length : feed + 1;
    const end = feed < 0 ? next : text[feed - 1] === '\r' && feed > start ? feed - 1 : feed;
    lines.push({ start, end, next });
    start = next;
  }
  return lines;
}

interface ReadLine {
  readonly line: PolicyLine;
  readonly words: readonly Word[];
  readonly groupWords: readonly Word[];
}

function contradiction(line: PolicyLine, words: readonly Word[], earlier: PolicyLine, what: string): Problem {
  const length = line.wordsEnd - line.wordsStart;
  return {
    code: 'contradiction',
    line: line.number,
    column: words[0]!.column,
    length,
    message: `line ${earlier.number} says otherwise`,
    expected: `${what} once`,
    found: words.map((word) => word.text).join(' '),
    hint: 'remove one of the two lines',
  };
}

function contradictions(read: readonly ReadLine[]): Problem[] {
  const first = new Map<string, { line: PolicyLine; value: string }>();
  const problems: Problem[] = [];
  for (const { line, words } of read) {
    const { sentence } = line;
    if (sentence?.kind !== 'default' && sentence?.kind !== 'logging') continue;
    const what = sentence.kind === 'default' ? `a default for ${sentence.traffic}` : 'a logging level';
    const value = sentence.kind === 'default' ? sentence.verdict : sentence.level;
    const earlier = first.get(what);
    if (earlier === undefined) first.set(what, { line, value });
    else if (earlier.value !== value) problems.push(contradiction(line, words, earlier.line, what));
  }
  return problems;
}

/** Each of them once. */
function distinct(prefixes: readonly Prefix[]): Prefix[] {
  return [...new Map(prefixes.map((prefix) => [formatPrefix(prefix), prefix])).values()];
}

function groupOf(name: string, lines: readonly GroupSentence[], answers: HostAnswers): Group {
  const written = distinct(lines.flatMap(({ members }) => members));
  const names = [...new Set(lines.flatMap((line) => line.names))];
  if (names.length === 0) return { name, members: written, written, names };
  const answered = names.flatMap((host) => answers.get(host) ?? []);
  return { name, members: distinct([...written, ...answered]), written, names };
}

/** The policy that sentences make, in their order; what they leave open is as in DEFAULTS. */
function policyOf(sentences: Iterable<Sentence>, answers: HostAnswers): Policy {
  const defaults: Record<Traffic, DefaultVerdict> = { ...DEFAULTS };
  let logging: LogLevel = DEFAULT_LOGGING;
  const groupLines = new Map<string, GroupSentence[]>();
  const rules: RuleSentence[] = [];
  const expectations: ExpectSentence[] = [];
  for (const sentence of sentences) {
    switch (sentence.kind) {
      case 'rule':
        rules.push(sentence);
        break;
      case 'expect':
        expectations.push(sentence);
        break;
      case 'default':
        defaults[sentence.traffic] = sentence.verdict;
        break;
      case 'logging':
        logging = sentence.level;
        break;
      case 'group': {
        const known = groupLines.get(sentence.name);
        if (known === undefined) groupLines.set(sentence.name, [sentence]);
        else known.push(sentence);
        break;
      }
      default:
        sentence satisfies never;
    }
  }
  const groups = new Map([...groupLines].map(([name, lines]) => [name, groupOf(name, lines, answers)]));
  return { defaults, logging, groups, rules, expectations };
}

/** A line without problems and warnings: what it says does not depend on its number. */
interface Understood {
  readonly words: readonly Word[];
  readonly problems: readonly [];
  readonly result: SentenceResult & { readonly ok: true };
}

/** A change reads the policy as it was, as it will be and as it is in force, and they differ in a line or two. */
const lastRead = new WeakMap<Services, ReadonlyMap<string, Understood>>();

/**
 * Parses a policy file. An empty text is the policy of DEFAULTS. Groups may be used before the line that defines
 * them. `answers`: the addresses of the names in groups; without them such a name stands for none. Either the policy or all
 * problems of all lines, in file order; never throws.
 */
export function parsePolicyFile(
  text: string,
  services: Services,
  answers: HostAnswers = NO_ANSWERS,
): PolicyFileResult {
  const known = lastRead.get(services);
  const understood = new Map<string, Understood>();
  lastRead.set(services, understood);
  const problems: Problem[] = [];
  const warnings: Warning[] = [];
  const read: ReadLine[] = [];
  for (const [index, raw] of rawLines(text).entries()) {
    const number = index + 1;
    const line = text.slice(raw.start, raw.end);
    const same = known?.get(line);
    const { words, problems: bad } = same ?? splitWords(line, number);
    const first = words[0];
    const last = words.at(-1);
    const result =
      same?.result ??
      (first === undefined || bad.length > 0 ? undefined : parseSentence(words, number, services));
    if (result?.ok && result.warnings.length === 0) understood.set(line, { words, problems: [], result });
    problems.push(...bad);
    if (result?.ok === false) problems.push(...result.problems);
    if (result?.ok) warnings.push(...result.warnings);
    const wordsStart = raw.start + (first === undefined ? 0 : first.column - 1);
    const wordsEnd = last === undefined ? wordsStart : raw.start + last.column - 1 + last.length;
    const sentence = result?.ok ? result.sentence : undefined;
    const groupWords = result?.ok ? result.groupWords : [];
    read.push({ line: { number, ...raw, sentence, wordsStart, wordsEnd }, words, groupWords });
  }
  const lines = read.map(({ line }) => line);
  const policy = policyOf(
    lines.flatMap(({ sentence }) => sentence ?? []),
    answers,
  );
  problems.push(...contradictions(read));
  for (const { line, groupWords } of read) {
    if (groupWords.length > 0)
      problems.push(...undefinedGroups(groupWords, line.number, policy.groups.keys()));
  }
  if (problems.length > 0) {
    problems.sort((a, b) => a.line - b.line || a.column - b.column);
    return { ok: false, problems };
  }
  const rules = lines.filter((line) => isLineOf(line, 'rule'));
  return { ok: true, file: { text, lines, policy, rules, warnings } };
}

/** What a new policy file says: the defaults, spelled out, and how to go on. */
export function emptyPolicyText(): string {
  return `# What may pass this host. One sentence a line, as \`moat\` takes them; the first rule that fits decides.
# After changes by hand: moat reload

default deny incoming
default allow outgoing
default deny routed
logging low

`;
}
