// What holds for every text, tried on random ones.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../../../../test/runs.ts';
import { addRule, deleteNumbers, deleteRule, insertRule } from './edit.ts';
import { addExpectation, addToGroup, removeExpectation, setDefault, setLogging } from './edit-settings.ts';
import { type PolicyFile, parsePolicyFile } from './file.ts';
import { undefinedGroups } from './groups.ts';
import type { RuleSentence, Sentence } from './model.ts';
import { formatSentence } from './print.ts';
import { formatProblems, type Problem } from './problem.ts';
import { parseSentence, type SentenceResult } from './sentence.ts';
import { parseServices } from './services.ts';
import { splitWords, wordsOfArguments } from './words.ts';

const services = parseServices('');
const WHERE = { line: 1, column: 1, length: 1 };

function parse(text: string): SentenceResult {
  const { words, problems } = splitWords(text, 1);
  return problems.length > 0 ? { ok: false, problems } : parseSentence(words, 1, services);
}

const oneOf = (...texts: string[]) => fc.constantFrom(...texts);
const optional = (part: fc.Arbitrary<string>) =>
  fc.oneof(
    fc.constant(''),
    part.map((text) => ` ${text}`),
  );
const joined = (...parts: fc.Arbitrary<string>[]) => fc.tuple(...parts).map((texts) => texts.join(''));

const port = fc.integer({ min: 1, max: 65535 });
const range = fc
  .tuple(port, port)
  .filter(([a, b]) => a < b)
  .map(([a, b]) => `${a}:${b}`);
const item = fc.oneof({ arbitrary: port.map(String), weight: 3 }, { arbitrary: range, weight: 1 });
const list = fc.array(item, { minLength: 1, maxLength: 20 }).map((items) => items.join(','));
const octet = fc.integer({ min: 0, max: 255 });
const ipv4 = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join('.'));
const length = (most: number) =>
  optional(fc.integer({ min: 1, max: most }).map((n) => `/${n}`)).map((t) => t.trim());
const network4 = joined(ipv4, length(32));
const hextet = fc.integer({ min: 0, max: 65535 }).map((n) => n.toString(16));
const network6 = joined(
  oneOf('2001:db8::', 'fe80::1:', '2001:DB8:0:0:1::', '2001:db8:1:2:3:4:5:'),
  hextet,
  length(128),
);
const address = oneOf('any', 'ANY', 'blog', 'office', '0.0.0.0/0', '::/0');
const comment = fc.oneof(
  oneOf(`'the blog'`, `"it's # here"`, `'"'`, `''`, 'word', `'漢字 👍'`),
  fc.string({ maxLength: 8, unit: 'grapheme' }).map((text) => `'${text.replace(/'/g, '')}'`),
);
const action = oneOf('allow', 'deny', 'reject', 'limit', 'ALLOW');
const portProtocol = oneOf('tcp', 'udp', 'UDP');
const short = joined(
  action,
  optional(oneOf('in', 'in', 'out')),
  fc.oneof(
    joined(fc.constant(' '), oneOf('ssh', 'domain', 'http', 'ntp', 'https/udp')),
    port.map((n) => ` ${n}`),
    joined(fc.constant(' '), list, fc.constant('/'), portProtocol),
  ),
  optional(comment.map((text) => `comment ${text}`)),
);
const long = fc
  .record({
    action,
    onto: optional(oneOf('in', 'out', 'in on eth0', 'out on ppp+', 'IN ON a.b@c')),
    clauses: fc
      .oneof(
        fc.tuple(fc.oneof(address, network4), fc.oneof(address, network4)),
        fc.tuple(fc.oneof(address, network6), fc.oneof(address, network6)),
      )
      .chain(([from, to]) =>
        fc.tuple(
          optional(fc.oneof(list, oneOf('ssh', 'any', 'domain')).map((ports) => `port ${ports}`)).map(
            (p) => `from ${from}${p}`,
          ),
          optional(fc.oneof(list, oneOf('ssh', 'any')).map((ports) => `port ${ports}`)).map(
            (p) => `to ${to}${p}`,
          ),
          oneOf('proto tcp', 'proto udp', 'proto esp', 'proto any', 'proto igmp', ''),
          fc.oneof(
            fc.constant(''),
            comment.map((text) => `comment ${text}`),
          ),
        ),
      )
      .chain((clauses) => fc.shuffledSubarray(clauses, { minLength: 1 })),
  })
  .map(
    ({ action: verb, onto, clauses }) => `${verb}${onto} ${clauses.filter((text) => text !== '').join(' ')}`,
  );
const setting = fc.oneof(
  joined(
    fc.constant('default '),
    oneOf('allow', 'deny', 'REJECT'),
    optional(oneOf('incoming', 'output', 'Routed')),
  ),
  joined(fc.constant('logging '), oneOf('on', 'off', 'low', 'FULL')),
);
const group = joined(
  fc.constant('group '),
  oneOf('blog', 'office', 'a-b_c'),
  fc
    .array(fc.oneof(network4, network6, oneOf('a.example', 'B.Example.org', 'xn--a-1.b-c.example')), {
      minLength: 1,
      maxLength: 5,
    })
    .map((all) => ` ${all.join(' ')}`),
);
const expectation = fc
  .tuple(fc.oneof(short, long), oneOf('expect ', 'expect ', 'expect route ', 'EXPECT ROUTE '))
  .map(([text, opener]) => {
    const verb = text.replace(/^limit/i, 'allow');
    // What passes through has no direction: interfaces are all that may stand there.
    return opener + (opener.length > 7 ? verb.replace(/^(\S+) (in|out)(?! on)/i, '$1') : verb);
  });
const sentence = fc.oneof(
  { arbitrary: short, weight: 3 },
  { arbitrary: long, weight: 5 },
  { arbitrary: expectation, weight: 2 },
  { arbitrary: setting, weight: 1 },
  { arbitrary: group, weight: 1 },
);

const scrap = oneOf(
  ...[
    ' ',
    '\t',
    '#',
    "'",
    '"',
    ',',
    ':',
    '/',
    '0',
    '-',
    '.',
    'any',
    'port',
    ' port ',
    ' from ',
    ' to ',
    ' on ',
    ' in ',
  ],
  ...[
    ' comment ',
    ' log ',
    '99999',
    '\0',
    '\x1b',
    '\ufffd',
    '\u00a0',
    '\ud800',
    'é',
    '👍',
    '!',
    '%',
    '/0',
    '::',
    ' proto ',
  ],
);
const wounds = fc.array(
  fc.record({
    at: fc.nat(400),
    cut: oneOf('0', '1', '4').map(Number),
    put: fc.oneof(fc.constant(''), scrap),
  }),
  { minLength: 1, maxLength: 3 },
);

function wounded(text: string, changes: readonly { at: number; cut: number; put: string }[]): string {
  let now = text;
  for (const { at, cut, put } of changes) {
    const place = at % (now.length + 1);
    now = now.slice(0, place) + put + now.slice(place + cut);
  }
  return now;
}

function checkProblems(problems: readonly Problem[], text: string): void {
  const bad = problems.find(
    (p) =>
      !(
        p.line >= 1 &&
        p.column >= 1 &&
        p.length >= 1 &&
        p.message !== '' &&
        p.expected !== '' &&
        p.found !== ''
      ),
  );
  if (bad !== undefined || problems.length === 0)
    throw new Error(`${JSON.stringify(text)}: ${JSON.stringify(bad)}`);
}

/** The sentence, its canonical text and that parsed again agree. Compared as text: expect() is slow in long loops. */
function checkFixpoint(parsed: Sentence): void {
  const printed = formatSentence(parsed);
  const again = parse(printed);
  if (!again.ok) throw new Error(`${printed}: ${JSON.stringify(again.problems)}`);
  if (shape(again.sentence) !== shape(parsed)) throw new Error(`another meaning: ${printed}`);
  if (formatSentence(again.sentence) !== printed) throw new Error(`no fixpoint: ${printed}`);
  if (again.warnings.length > 0) throw new Error(`a warning: ${printed}`);
}

function shape(value: Sentence): string {
  return JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part));
}

describe('sentences', () => {
  it(`print and parse agree on ${runs(50_000)} valid ones`, () => {
    let accepted = 0;
    fc.assert(
      fc.property(sentence, (text) => {
        const result = parse(text);
        if (!result.ok) return checkProblems(result.problems, text);
        accepted++;
        return checkFixpoint(result.sentence);
      }),
      { numRuns: runs(50_000) },
    );
    expect(accepted).toBeGreaterThan(runs(20_000));
  });

  it(`with mistakes get a place and an expectation, ${runs(50_000)} times`, () => {
    let refused = 0;
    fc.assert(
      fc.property(sentence, wounds, fc.boolean(), (valid, changes, typed) => {
        const text = wounded(valid, changes);
        const typedText = wordsOfArguments(text.split(' '));
        const { words, problems } = typed ? typedText : splitWords(text, 1);
        const result =
          problems.length > 0 ? { ok: false as const, problems } : parseSentence(words, 1, services);
        if (result.ok) return checkFixpoint(result.sentence);
        refused++;
        checkProblems(result.problems, text);
        if (text.length % 16 === 0) {
          const shown = formatProblems(result.problems, {
            name: undefined,
            text: typed ? typedText.text : text,
          });
          if (/[\p{Cc}\p{Cf}\p{Cs}]/u.test(shown.replaceAll('\n', '')))
            throw new Error(`raw control characters: ${JSON.stringify(shown)}`);
        }
      }),
      { numRuns: runs(50_000) },
    );
    expect(refused).toBeGreaterThan(runs(20_000));
  });
});

const eol = oneOf('\n', '\n', '\n', '\r\n');
const remark = oneOf('', '', '  # remark', '\t# ü', ' #');
const validLine = sentence.filter((text) => {
  const result = parse(text);
  return result.ok && ['rule', 'group', 'expect'].includes(result.sentence.kind);
});
const pool = fc.sample(validLine, { numRuns: 2000, seed: 7 });
const line = fc.oneof(
  { arbitrary: joined(oneOf('', '', '  ', '\t'), oneOf(...pool), remark), weight: 6 },
  { arbitrary: oneOf('', '# a remark', '   ', '#'), weight: 2 },
  { arbitrary: oneOf('default deny incoming # x', 'logging high'), weight: 1 },
);
const HEAD = 'group blog 192.0.2.1\ngroup office 192.0.2.2\n';
const policyText = fc
  .tuple(oneOf('', '', '\ufeff'), fc.array(fc.tuple(line, eol), { maxLength: 8 }), fc.boolean())
  .map(([mark, lines, ended]) => {
    const body = lines.map(([text, end], i) => (i === lines.length - 1 && !ended ? text : text + end));
    return mark + HEAD + body.join('');
  });

function read(text: string): PolicyFile {
  const result = parsePolicyFile(text, services);
  if (!result.ok) throw new Error(`${JSON.stringify(text)}: ${JSON.stringify(result.problems)}`);
  return result.file;
}

function ruleFrom(text: string): RuleSentence | undefined {
  const result = parse(text);
  return result.ok && result.sentence.kind === 'rule' ? result.sentence : undefined;
}

function expectationComesBack(file: PolicyFile, words: string): void {
  const result = parse(words);
  if (!result.ok || result.sentence.kind !== 'expect') return;
  const edit = addExpectation(file, result.sentence);
  if (edit.outcome !== 'added') return;
  const now = read(edit.text);
  const added = [...file.policy.expectations, result.sentence].map(formatSentence).join('\n');
  if (now.policy.expectations.map(formatSentence).join('\n') !== added) throw new Error('not the last one');
  const back = removeExpectation(now, result.sentence, WHERE);
  if (!back.ok || back.text !== file.text) throw new Error(JSON.stringify([edit.text, back]));
}

/** Lines with their line breaks, but for that of the last one, which decides nothing. */
function linesIn(text: string): string[] {
  return text
    .replace(/^\ufeff/, '')
    .replace(/\r?\n$/, '')
    .split('\n');
}

/** Whether `some` is `all` with lines left out. */
function isPartOf(some: readonly string[], all: readonly string[]): boolean {
  let at = 0;
  for (const each of all)
    if (at < some.length && some[at]!.replace(/\r$/, '') === each.replace(/\r$/, '')) at++;
  return at === some.length;
}

describe('policy files', () => {
  it(`with mistakes get a place and an expectation, ${runs(10_000)} times`, () => {
    let refused = 0;
    fc.assert(
      fc.property(policyText, wounds, (valid, changes) => {
        const text = wounded(valid, changes);
        const result = parsePolicyFile(text, services);
        if (result.ok) return;
        refused++;
        checkProblems(result.problems, text);
        const count = text.split('\n').length;
        if (result.problems.some((p) => p.line > count))
          throw new Error(`a line too far: ${JSON.stringify(text)}`);
      }),
      { numRuns: runs(10_000) },
    );
    expect(refused).toBeGreaterThan(runs(4000));
  });

  it('come back to the byte when what was added is deleted', () => {
    let added = 0;
    fc.assert(
      fc.property(policyText, oneOf(...pool), fc.nat(9), (text, words, at) => {
        const rule = ruleFrom(words);
        const file = read(text);
        if (rule === undefined) return expectationComesBack(file, words);
        const edits = [
          addRule(file, rule),
          insertRule(file, (at % (file.rules.length + 1)) + 1, rule, WHERE),
        ];
        for (const edit of edits) {
          if (!edit.ok || edit.outcome !== 'added') continue;
          added++;
          const now = read(edit.text);
          const number = edit.rules[0]!;
          if (formatSentence(now.policy.rules[number - 1]!) !== formatSentence(rule))
            throw new Error('elsewhere');
          const kept = now.policy.rules.filter((_, index) => index !== number - 1).map(formatSentence);
          if (kept.join('\n') !== file.policy.rules.map(formatSentence).join('\n'))
            throw new Error('another order');
          for (const back of [deleteRule(now, rule, WHERE), deleteNumbers(now, [number], WHERE)]) {
            if (!back.ok || back.text !== text)
              throw new Error(`${JSON.stringify(edit.text)} -> ${JSON.stringify(back)}`);
          }
        }
      }),
      { numRuns: runs(3000) },
    );
    expect(added).toBeGreaterThan(runs(1000));
  });

  it('keep every other line through any edit', () => {
    const settings = oneOf(
      'default reject',
      'default deny outgoing',
      'logging off',
      'group blog 192.0.2.77',
      'group new 10.0.0.1',
      'group new host.example.org',
    );
    fc.assert(
      fc.property(
        policyText,
        fc.oneof(settings, oneOf(...pool)),
        fc.nat(9),
        fc.boolean(),
        (text, words, at, turn) => {
          const file = read(text);
          const parsed = parse(turn ? words.replace(/^(allow|deny|reject)/i, 'reject') : words);
          if (!parsed.ok || undefinedGroups(parsed.groupWords, 1, file.policy.groups.keys()).length > 0)
            return;
          const { sentence: wanted } = parsed;
          const place = (at % (file.rules.length + 1)) + 1;
          const edit =
            wanted.kind === 'default'
              ? setDefault(file, wanted)
              : wanted.kind === 'logging'
                ? setLogging(file, wanted)
                : wanted.kind === 'group'
                  ? addToGroup(file, wanted)
                  : wanted.kind === 'expect'
                    ? addExpectation(file, wanted)
                    : turn
                      ? insertRule(file, place, wanted, WHERE)
                      : addRule(file, wanted);
          if (!edit.ok) return checkProblems(edit.problems, text);
          if (edit.outcome === 'exists' && edit.text !== text) throw new Error('changed');
          const touched = new Set(edit.lines);
          const others = linesIn(edit.text).filter((_, index) => !touched.has(index + 1));
          if (!isPartOf(others, linesIn(text)))
            throw new Error(`${JSON.stringify(text)} -> ${JSON.stringify(edit.text)}`);
          if (linesIn(edit.text).length < linesIn(text).length - (edit.outcome === 'moved' ? 9 : 0))
            throw new Error('lost');
          read(edit.text);
        },
      ),
      { numRuns: runs(4000) },
    );
  });
});
