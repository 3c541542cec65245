// Changes to the rules of a policy file, as commands make them: add, insert, delete.
import { type RuleWarning, ruleName, shadowWarnings } from './cover.ts';
import { isLineOf, type PolicyFile } from './file.ts';
import {
  aboveRemarks,
  afterLast,
  type EditLine,
  joinLines,
  linesOf,
  newLine,
  withWords,
} from './file-lines.ts';
import { matchesOverlap, matchOf } from './match.ts';
import type { RuleSentence } from './model.ts';
import { formatMatch, formatSentence } from './print.ts';
import type { Problem, Span } from './problem.ts';

export type Outcome = 'added' | 'exists' | 'updated' | 'moved' | 'deleted';

/**
 * A change of the file. `rules` (numbers, from 1) and `lines` are those touched: in the new text, or in the old
 * one for what was deleted. With `exists` the text is as it was.
 */
export interface Edit {
  readonly ok: true;
  readonly text: string;
  readonly outcome: Outcome;
  readonly rules: readonly number[];
  readonly lines: readonly number[];
  readonly warnings: readonly RuleWarning[];
}

export type EditResult = Edit | { readonly ok: false; readonly problems: readonly Problem[] };

/** Whether the two are the same rule: all but action and comment agree. */
function sameRule(a: RuleSentence, b: RuleSentence): boolean {
  return formatMatch(a) === formatMatch(b);
}

function ruleOf(line: EditLine): RuleSentence | undefined {
  return line.was !== undefined && isLineOf(line.was, 'rule') ? line.was.sentence : undefined;
}

/** The result of an edit that leaves `rule` at line `at` of the new lines, number `number` among the rules. */
function resultFor(
  file: PolicyFile,
  lines: readonly EditLine[],
  at: number,
  rule: RuleSentence,
  outcome: Outcome,
): Edit {
  const rules: RuleSentence[] = [];
  let index = 0;
  for (const [i, line] of lines.entries()) {
    if (i === at) index = rules.length;
    const sentence = i === at ? rule : ruleOf(line);
    if (sentence !== undefined) rules.push(sentence);
  }
  const text = outcome === 'exists' ? file.text : joinLines(file, lines);
  const warnings = shadowWarnings({ ...file.policy, rules }, index);
  return { ok: true, text, outcome, rules: [index + 1], lines: [at + 1], warnings };
}

/** Whether the line would not change by being written anew as this rule. */
function saysTheSame(a: RuleSentence | undefined, b: RuleSentence): boolean {
  return a !== undefined && formatSentence(a) === formatSentence(b);
}

/**
 * Adds the rule after the last one. Where the same rule is there already it stays in its place and gets the
 * new action and comment (`updated`), or nothing changes (`exists`).
 */
export function addRule(file: PolicyFile, rule: RuleSentence): Edit {
  const lines = linesOf(file);
  const key = formatMatch(rule);
  const known = lines.findIndex((line) => {
    const other = ruleOf(line);
    return other !== undefined && formatMatch(other) === key;
  });
  if (known >= 0) {
    const line = lines[known]!;
    if (saysTheSame(ruleOf(line), rule)) return resultFor(file, lines, known, rule, 'exists');
    lines[known] = withWords(line, formatSentence(rule));
    return resultFor(file, lines, known, rule, 'updated');
  }
  const at = afterLast(lines, (line) => ruleOf(line) !== undefined) ?? lines.length;
  lines.splice(at, 0, newLine(formatSentence(rule)));
  return resultFor(file, lines, at, rule, 'added');
}

/**
 * Puts the rule at number `number`: what is there now and all after it move down by one. The same rule elsewhere
 * moves here and gets the new action and comment (`moved`). `where` is the place of the number in what was typed.
 */
export function insertRule(file: PolicyFile, number: number, rule: RuleSentence, where: Span): EditResult {
  const count = file.rules.length;
  const key = formatMatch(rule);
  const old = linesOf(file);
  const twin = old.find((line) => {
    const other = ruleOf(line);
    return other !== undefined && formatMatch(other) === key;
  });
  const last = twin === undefined ? count + 1 : count;
  if (!Number.isInteger(number) || number < 1 || number > last) {
    return { ok: false, problems: [numberProblem(number, last, where)] };
  }
  const lines = old.filter((line) => {
    const other = ruleOf(line);
    return other === undefined || formatMatch(other) !== key;
  });
  const rest = lines.flatMap((line, index) => (ruleOf(line) === undefined ? [] : [index]));
  const follower = rest[number - 1];
  const end = afterLast(lines, (line) => ruleOf(line) !== undefined) ?? lines.length;
  const at = follower === undefined ? end : aboveRemarks(lines, follower);
  const line = twin === undefined ? newLine(formatSentence(rule)) : withWords(twin, formatSentence(rule));
  if (twin !== undefined && file.rules[number - 1] === twin.was && lines.length === old.length - 1) {
    // In its place already: nothing moves, and remarks above it stay with it.
    return addRule(file, rule);
  }
  lines.splice(at, 0, line);
  return resultFor(file, lines, at, rule, twin === undefined ? 'added' : 'moved');
}

/** Makes the rule the first one. */
export function prependRule(file: PolicyFile, rule: RuleSentence): EditResult {
  return insertRule(file, 1, rule, { line: 1, column: 1, length: 1 });
}

function numberProblem(number: number, last: number, where: Span): Problem {
  return {
    code: 'number',
    ...where,
    message: 'there is no rule with this number',
    expected: last === 0 ? 'no number: there are no rules' : last === 1 ? '1' : `a number from 1 to ${last}`,
    found: String(number),
    hint: 'the numbers are those of `moat status numbered`',
  };
}

function remove(file: PolicyFile, numbers: ReadonlySet<number>): Edit {
  const gone = new Set([...numbers].map((number) => file.rules[number - 1]!.number));
  const lines = linesOf(file).filter((line) => !gone.has(line.was!.number));
  return {
    ok: true,
    text: joinLines(file, lines),
    outcome: 'deleted',
    rules: [...numbers].sort((a, b) => a - b),
    lines: [...gone].sort((a, b) => a - b),
    warnings: [],
  };
}

const MOST_NEAR = 3;

function notFound(file: PolicyFile, rule: RuleSentence, where: Span): Problem {
  const match = matchOf(rule, file.policy.groups);
  const near = file.policy.rules
    .map((other, index) => ({ other, number: index + 1, same: sameRule(other, rule) }))
    // A rule of another action is offered only where it is the same rule: what is offered gets deleted.
    .filter(
      ({ other, same }) =>
        same || (other.action === rule.action && matchesOverlap(matchOf(other, file.policy.groups), match)),
    )
    .sort((a, b) => Number(b.same) - Number(a.same) || a.number - b.number)
    .slice(0, MOST_NEAR)
    .map(({ other, number }) => `${ruleName(other)} as number ${number}`);
  return {
    code: 'rule-not-found',
    ...where,
    message: 'there is no such rule',
    expected: 'a rule of the policy, with its action',
    found: `${rule.action} ${formatMatch(rule)}`,
    hint: near.length === 0 ? 'see `moat status numbered`' : `there is ${near.join(', ')}`,
  };
}

/** Deletes the rule, wherever it stands and however often; its comment need not agree. */
export function deleteRule(file: PolicyFile, rule: RuleSentence, where: Span): EditResult {
  const key = formatMatch(rule);
  const numbers = file.policy.rules.flatMap((other, index) =>
    other.action === rule.action && formatMatch(other) === key ? [index + 1] : [],
  );
  if (numbers.length === 0) return { ok: false, problems: [notFound(file, rule, where)] };
  return remove(file, new Set(numbers));
}

/** Deletes the rules with these numbers, all of which are those before the change. */
export function deleteNumbers(file: PolicyFile, numbers: readonly number[], where: Span): EditResult {
  const count = file.rules.length;
  const problems = numbers
    .filter((number) => !Number.isInteger(number) || number < 1 || number > count)
    .map((number) => numberProblem(number, count, where));
  if (problems.length > 0) return { ok: false, problems };
  return remove(file, new Set(numbers));
}
