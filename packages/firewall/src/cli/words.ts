// A sentence typed as arguments, parsed; or the answer that says what is wrong with it.
import type { Sentence } from '../policy/model.ts';
import { formatProblems, type Problem } from '../policy/problem.ts';
import { parseSentence } from '../policy/sentence.ts';
import type { Services } from '../policy/services.ts';
import { type Word, wordsOfArguments } from '../policy/words.ts';
import { ExitCode } from './exit-code.ts';
import type { Answer } from './say.ts';

export interface Typed {
  readonly sentence: Sentence;
  /** The words as one line, for messages. */
  readonly text: string;
  /** The words that must be names of groups. */
  readonly groupWords: readonly Word[];
  readonly warnings: readonly { readonly message: string; readonly hint: string | undefined }[];
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
  const parsed = parseSentence(words.slice(skip), 1, services);
  if (!parsed.ok) return { ok: false, answer: mistake(parsed.problems, text) };
  return { ok: true, typed: { ...parsed, text } };
}

export function mistake(problems: readonly Problem[], text: string): Answer {
  return {
    code: ExitCode.mistake,
    text: formatProblems(problems, { name: undefined, text }),
    json: { error: 'sentence', text, problems },
  };
}
