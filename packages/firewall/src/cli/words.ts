// A sentence typed as arguments, parsed; or the answer that says what is wrong with it.
import type { Remark } from '../apply/plan.ts';
import { interfaceNames } from '../kernel/interface-names.ts';
import { ACTIONS, LATER } from '../policy/keywords.ts';
import type { RuleSentence, Sentence } from '../policy/model.ts';
import { nearest } from '../policy/near.ts';
import { formatProblems, type Problem } from '../policy/problem.ts';
import { parseSentence } from '../policy/sentence.ts';
import type { Services } from '../policy/services.ts';
import { type Word, wordsOfArguments } from '../policy/words.ts';
import { ExitCode } from './exit-code.ts';
import type { Answer } from './say.ts';

export interface Typed<S extends Sentence = Sentence> {
  readonly sentence: S;
  /** The words as one line, for messages. */
  readonly text: string;
  /** The words that must be names of groups. */
  readonly groupWords: readonly Word[];
  readonly warnings: readonly Remark[];
}

/**
 * Parses `args` from `skip` on as a sentence; the words before it (`insert 3`) belong to the text that messages
 * show.
 */
export function typedSentence(
  args: readonly string[],
  services: Services,
  skip = 0,
): { readonly ok: true; readonly typed: Typed } | { readonly ok: false; readonly answer: Answer } {
  const { words, problems, text } = wordsOfArguments(args);
  if (problems.length > 0) return { ok: false, answer: mistake(problems, text) };
  const parsed = parseSentence(words.slice(skip), 1, services, Math.floor(Date.now() / 1000));
  if (!parsed.ok) return { ok: false, answer: mistake(parsed.problems, text) };
  const warnings = [...parsed.warnings, ...noSuchInterface(parsed.sentence)];
  return { ok: true, typed: { ...parsed, text, warnings } };
}

/** A rule may come before its interface (a VPN, a bridge), but more often the name is mistyped. */
function noSuchInterface(sentence: Sentence): Remark[] {
  const named =
    sentence.kind === 'rule'
      ? [sentence.interface]
      : sentence.kind === 'expect'
        ? [sentence.inInterface, sentence.outInterface]
        : [];
  const names = interfaceNames();
  const missing = named.filter(
    (name) => name !== undefined && !name.endsWith('+') && !names.includes(name),
  ) as string[];
  return missing.map((name) => {
    const close = nearest(name, names);
    const hint = close === undefined ? `there are: ${names.join(', ')}` : `did you mean \`${close}\`?`;
    const what = sentence.kind === 'rule' ? 'the rule decides nothing until there is' : 'check the name';
    return { message: `there is no interface ${name} now: ${what}`, hint };
  });
}

/**
 * The same where only a rule may stand: after `insert 3`, `prepend`, `delete`. `example`: one that is right;
 * `or`: what else may stand there.
 */
export function typedRule(
  args: readonly string[],
  services: Services,
  skip: number,
  { example, or = '' }: { readonly example: string; readonly or?: string },
):
  | { readonly ok: true; readonly typed: Typed<RuleSentence> }
  | { readonly ok: false; readonly answer: Answer } {
  const first = args[skip];
  const known: readonly string[] = [...ACTIONS, ...LATER];
  if (first !== undefined && known.includes(first.toLowerCase())) {
    const parsed = typedSentence(args, services, skip);
    if (!parsed.ok) return parsed;
    const { sentence } = parsed.typed;
    if (sentence.kind === 'rule') return { ok: true, typed: { ...parsed.typed, sentence } };
  }
  const { words, text } = wordsOfArguments(args);
  const word = words[skip];
  const close = nearest(first ?? '', ACTIONS);
  const port = /^[0-9]/.test(first ?? '') ? `say also what it does: \`${example}\`` : undefined;
  const problem: Problem = {
    code: 'not-a-rule',
    line: 1,
    column: word?.column ?? text.length + 2,
    length: word?.length ?? 1,
    message: word === undefined ? 'the rule is missing' : 'not a rule',
    expected: `a rule (it begins with allow, deny, reject or limit)${or}`,
    found: first ?? '(nothing)',
    hint: close === undefined ? (port ?? `for example \`${example}\``) : `did you mean \`${close}\`?`,
  };
  return { ok: false, answer: mistake([problem], text) };
}

export function mistake(problems: readonly Problem[], text: string): Answer {
  return {
    code: ExitCode.mistake,
    text: `${formatProblems(problems, { name: undefined, text })}\nNothing was changed.`,
    json: { error: 'sentence', text, problems },
  };
}
