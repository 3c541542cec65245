// Changes to the lines of a policy file that are not rules: defaults, logging, groups, expectations.
import { formatPrefix } from '@moat/netfilter';
import { ruleName } from './cover.ts';
import type { Edit, EditResult, Outcome } from './edit.ts';
import type { PolicyFile } from './file.ts';
import {
  aboveRemarks,
  afterLast,
  type EditLine,
  joinLines,
  linesOf,
  newLine,
  withWords,
} from './file-lines.ts';
import type {
  DefaultSentence,
  EndpointAddress,
  ExpectSentence,
  GroupSentence,
  LoggingSentence,
  Sentence,
} from './model.ts';
import { nearest } from './near.ts';
import { formatExpected, formatSentence } from './print.ts';
import type { Span } from './problem.ts';

function result(text: string, outcome: Outcome, lines: readonly number[]): Edit {
  return { ok: true, text, outcome, rules: [], lines, warnings: [] };
}

function kindOf(line: EditLine): Sentence['kind'] | undefined {
  return line.was?.sentence?.kind;
}

/** Where a line of settings goes if none of its kind is there: before everything that says something. */
function beforeSentences(lines: readonly EditLine[]): number {
  const first = lines.findIndex((line) => kindOf(line) !== undefined);
  return first < 0 ? lines.length : aboveRemarks(lines, first);
}

/** Writes the sentence into the lines for which `test` holds, or adds a line for it at `place`. */
function set(
  file: PolicyFile,
  sentence: Sentence,
  test: (line: EditLine) => boolean,
  place: (lines: readonly EditLine[]) => number,
): Edit {
  const text = formatSentence(sentence);
  const lines = linesOf(file);
  const touched = lines.flatMap((line, index) => (test(line) ? [index] : []));
  for (const index of touched) lines[index] = withWords(lines[index]!, text);
  if (touched.length > 0) {
    const numbers = touched.map((index) => index + 1);
    return result(joinLines(file, lines), 'updated', numbers);
  }
  const at = place(lines);
  lines.splice(at, 0, newLine(text));
  return result(joinLines(file, lines), 'added', [at + 1]);
}

/** Changes a default; `exists` if it holds already, be it unsaid. */
export function setDefault(file: PolicyFile, sentence: DefaultSentence): Edit {
  if (file.policy.defaults[sentence.traffic] === sentence.verdict) return result(file.text, 'exists', []);
  const isSame = ({ was }: EditLine) =>
    was?.sentence?.kind === 'default' && was.sentence.traffic === sentence.traffic;
  return set(
    file,
    sentence,
    isSame,
    (lines) => afterLast(lines, (line) => kindOf(line) === 'default') ?? beforeSentences(lines),
  );
}

/** Changes the logging level; `exists` if it holds already, be it unsaid. */
export function setLogging(file: PolicyFile, sentence: LoggingSentence): Edit {
  if (file.policy.logging === sentence.level) return result(file.text, 'exists', []);
  return set(
    file,
    sentence,
    (line) => kindOf(line) === 'logging',
    (lines) => afterLast(lines, (line) => kindOf(line) === 'default') ?? beforeSentences(lines),
  );
}

function isGroupLine(line: EditLine, name: string): boolean {
  return line.was?.sentence?.kind === 'group' && line.was.sentence.name === name;
}

/**
 * Adds members to a group in a line of their own, and defines it if it is not there. Members that it has already
 * are left out; `exists` if that leaves none.
 */
export function addToGroup(file: PolicyFile, sentence: GroupSentence): Edit {
  const group = file.policy.groups.get(sentence.name);
  const known = new Set(group?.written.map(formatPrefix));
  const fresh = new Map(sentence.members.map((member) => [formatPrefix(member), member]));
  for (const member of known) fresh.delete(member);
  const names = [...new Set(sentence.names)].filter((name) => group?.names.includes(name) !== true);
  if (fresh.size === 0 && names.length === 0) return result(file.text, 'exists', []);
  const lines = linesOf(file);
  const firstRule = lines.findIndex((line) => kindOf(line) === 'rule');
  const at =
    afterLast(lines, (line) => isGroupLine(line, sentence.name)) ??
    afterLast(lines, (line) => kindOf(line) === 'group') ??
    (firstRule < 0 ? lines.length : aboveRemarks(lines, firstRule));
  lines.splice(at, 0, newLine(formatSentence({ ...sentence, members: [...fresh.values()], names })));
  return result(joinLines(file, lines), group === undefined ? 'added' : 'updated', [at + 1]);
}

/** What an expectation is about, whatever it expects. */
function flowsText(expectation: ExpectSentence): string {
  return formatExpected({ ...expectation, verdict: 'allow' });
}

function expectationOf(line: EditLine): ExpectSentence | undefined {
  return line.was?.sentence?.kind === 'expect' ? line.was.sentence : undefined;
}

/**
 * Adds the expectation after the last one, or at the end. Where one of the same flows is there already it gets the new
 * verdict and comment (`updated`), or nothing changes (`exists`).
 */
export function addExpectation(file: PolicyFile, sentence: ExpectSentence): Edit {
  const text = formatSentence(sentence);
  const isSame = (line: EditLine): boolean => {
    const known = expectationOf(line);
    return known !== undefined && flowsText(known) === flowsText(sentence);
  };
  const same = linesOf(file).filter(isSame);
  if (same.length > 0 && same.every((line) => formatSentence(expectationOf(line)!) === text)) {
    return result(file.text, 'exists', []);
  }
  return set(
    file,
    sentence,
    isSame,
    (lines) => afterLast(lines, (line) => kindOf(line) === 'expect') ?? lines.length,
  );
}

/** Removes the expectation, however often it stands; its comment need not agree. `where` is its place. */
export function removeExpectation(file: PolicyFile, sentence: ExpectSentence, where: Span): EditResult {
  const wanted = formatExpected(sentence);
  const lines = linesOf(file);
  const isWanted = (line: EditLine): boolean => {
    const known = expectationOf(line);
    return known !== undefined && formatExpected(known) === wanted;
  };
  const gone = lines.flatMap((line) => (isWanted(line) ? [line.was!.number] : []));
  if (gone.length > 0)
    return result(
      joinLines(
        file,
        lines.filter((line) => !isWanted(line)),
      ),
      'deleted',
      gone,
    );
  const near = file.policy.expectations.map(formatExpected);
  const close =
    near.find((text) => text.endsWith(wanted.replace(/^(route )?[a-z]+ /, ''))) ?? nearest(wanted, near);
  const problem = {
    code: 'expectation-not-found',
    ...where,
    message: 'there is no such expectation',
    expected: 'an expectation of the policy, with what it expects',
    found: `expect ${wanted}`,
    hint: close === undefined ? 'see `moat test`' : `there is \`expect ${close}\``,
  };
  return { ok: false, problems: [problem] };
}

function names(address: EndpointAddress, group: string): boolean {
  return address.kind === 'group' && address.name === group;
}

/** Removes all lines of a group. Refused while a rule or an expectation names it. `where` is the place of its name. */
export function removeGroup(file: PolicyFile, name: string, where: Span): EditResult {
  if (!file.policy.groups.has(name)) {
    const close = nearest(name, file.policy.groups.keys());
    const problem = {
      code: 'group-undefined',
      ...where,
      message: 'there is no such group',
      expected: 'the name of a group',
      found: name,
      hint: close === undefined ? undefined : `did you mean \`${close}\`?`,
    };
    return { ok: false, problems: [problem] };
  }
  const index = file.policy.rules.findIndex(
    (rule) => names(rule.from.address, name) || names(rule.to.address, name),
  );
  if (index >= 0) {
    const rule = file.policy.rules[index]!;
    const problem = {
      code: 'group-used',
      ...where,
      message: `number ${index + 1}, ${ruleName(rule)}, needs the group`,
      expected: 'a group that no rule names',
      found: name,
      hint: `first: moat delete ${index + 1}`,
    };
    return { ok: false, problems: [problem] };
  }
  const expected = file.policy.expectations.find(
    ({ from, to }) => names(from.address, name) || names(to.address, name),
  );
  if (expected !== undefined) {
    const problem = {
      code: 'group-used',
      ...where,
      message: `\`expect ${formatExpected(expected)}\` needs the group`,
      expected: 'a group that nothing names',
      found: name,
      hint: `first: moat delete expect ${formatExpected(expected)}`,
    };
    return { ok: false, problems: [problem] };
  }
  const lines = linesOf(file);
  const kept = lines.filter((line) => !isGroupLine(line, name));
  const gone = lines.flatMap((line) => (isGroupLine(line, name) ? [line.was!.number] : []));
  return result(joinLines(file, kept), 'deleted', gone);
}
