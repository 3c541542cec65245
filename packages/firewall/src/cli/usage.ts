// Mistakes in the command line itself: a verb, a word after it, or an option that moat does not have.
import type { Command, CommanderError } from 'commander';
import { ACTIONS, LATER } from '../policy/keywords.ts';
import { nearest } from '../policy/near.ts';
import { formatProblems, type Problem } from '../policy/problem.ts';
import { wordsOfArguments } from '../policy/words.ts';
import { ExitCode } from './exit-code.ts';
import { type Answer, failure } from './say.ts';

/** Verbs of ufw's that a later version will have. */
const LATER_VERBS: readonly string[] = [...LATER, 'rule'];

/** Verbs that take `--snapshot` and `--ruleset`. */
const READING_VERBS: readonly string[] = ['audit', 'check', 'snapshot', 'show rules', 'explain'];

/** The answer to a mistake at word `at` of what was typed after `moat`; past the end: something is missing. */
export function usage(
  args: readonly string[],
  at: number,
  mistake: Pick<Problem, 'message' | 'expected' | 'hint'>,
): Answer {
  const { words, text } = wordsOfArguments(args);
  const word = words[at];
  const problem: Problem = {
    code: 'usage',
    line: 1,
    column: word?.column ?? text.length + (text === '' ? 1 : 2),
    length: word?.length ?? 1,
    found: word?.text ?? '(nothing)',
    ...mistake,
  };
  return {
    code: ExitCode.mistake,
    text: formatProblems([problem], { name: undefined, text }),
    json: { error: 'usage', text, problems: [problem] },
  };
}

/** `moat enable now`: `args` are the verb and its words, and the word at `at` is one too many. */
export function tooMuch(args: readonly string[], at: number): Answer {
  const after = `\`moat ${args.slice(0, at).join(' ')}\``;
  return usage(args, at, {
    message: 'a word too many',
    expected: `nothing after ${after}`,
    hint: undefined,
  });
}

/** `moat diff a`: something is missing at the end. */
export function tooFew(args: readonly string[], expected: string): Answer {
  return usage(args, args.length, {
    message: `something is missing after \`moat ${args.join(' ')}\``,
    expected,
    hint: undefined,
  });
}

/** `moat show rules nobody`: who has rules here is told. */
export function badOwner(args: readonly string[], owners: readonly string[]): Answer {
  const word = args.slice(2).join(' ');
  const close = nearest(word.toLowerCase(), owners);
  return usage(args, 2, {
    message: `nobody of that name has rules here`,
    expected: owners.length === 0 ? 'nothing: there are no rules' : `one of ${owners.join(', ')}`,
    hint: close === undefined ? undefined : `did you mean \`moat show rules ${close}\`?`,
  });
}

/** `moat show nonsense`, `moat show`: the word after the verb must be one of these. */
export function badChoice(args: readonly string[], choices: readonly string[]): Answer {
  const close = nearest(args[1] ?? '', choices);
  return usage(args, 1, {
    message: args[1] === undefined ? `what shall be shown is missing` : 'unknown word',
    expected: `one of ${choices.join(', ')}`,
    hint: close === undefined ? undefined : `did you mean \`moat ${args[0]} ${close}\`?`,
  });
}

/** `moat allow 22 --snapshot FILE`: a verb that is about this machine alone. */
export function notThisMachine(args: readonly string[], option: '--snapshot' | '--ruleset'): Answer {
  return usage(args, 0, {
    message: `\`moat ${args[0] ?? 'status'}\` is about this machine: it takes no ${option}`,
    expected: `${option} only with verbs that read: ${READING_VERBS.join(', ')}`,
    hint: undefined,
  });
}

export function unknownVerb(args: readonly string[], verbs: readonly string[]): Answer {
  const [word = ''] = args;
  const close = nearest(word, verbs);
  const number = /^[0-9]/.test(word) ? `did you mean \`moat ${ACTIONS[0]} ${args.join(' ')}\`?` : undefined;
  const later = LATER_VERBS.includes(word.toLowerCase());
  return usage(args, 0, {
    message: later ? `\`${word}\` is not supported yet` : 'unknown verb',
    expected: `one of ${verbs.join(', ')}`,
    hint: close === undefined ? number : `did you mean \`moat ${close}\`?`,
  });
}

/** What commander refused: an unknown option, or one whose value is missing or wrong. */
export function badOption(error: CommanderError, args: readonly string[], moat: Command): Answer {
  const [, name = ''] = /option '([^' ]+)/.exec(error.message) ?? [];
  const option = moat.options.find(({ long, short }) => name === long || name === short);
  const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
  if (at < 0) return failure(ExitCode.mistake, 'usage', error.message.replace(/^error: /, ''));
  if (option === undefined) {
    const known = moat.options.filter(({ hidden }) => !hidden).map(({ long }) => long ?? '');
    const close = nearest(name, known);
    return usage(args, at, {
      message: 'unknown option',
      expected: `one of ${known.join(', ')}`,
      hint:
        close === undefined
          ? 'if it belongs to the sentence, write `--` before the sentence'
          : `did you mean \`${close}\`?`,
    });
  }
  const separate = args[at] === name;
  return usage(args, separate ? at + 1 : at, {
    message:
      separate && args[at + 1] === undefined
        ? `something is missing after \`${name}\``
        : `bad value of \`${name}\``,
    expected: option.long === '--confirm' ? 'whole seconds from 0 to 86400' : `\`${option.flags}\``,
    hint: undefined,
  });
}
