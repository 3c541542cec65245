// moat diff A B
import type { Context } from './context.ts';
import { diffAnswer } from './diff-answer.ts';
import { generationsDiff } from './history.ts';
import { say } from './say.ts';
import { readSide } from './side.ts';
import { notThisMachine, tooFew, tooMuch } from './usage.ts';

const GENERATION = /^\d+$/;

/** `words`: what was typed after `moat`. */
export async function diffVerb(context: Context, words: readonly string[]): Promise<void> {
  const [, first, second] = words;
  if (words.length > 3) return say(context, tooMuch(words, 3));
  const { snapshot, rulesets } = context.options;
  if (snapshot !== undefined) return say(context, notThisMachine(words, '--snapshot'));
  if (rulesets.length > 0) return say(context, notThisMachine(words, '--ruleset'));
  if (first !== undefined && GENERATION.test(first) && (second === undefined || GENERATION.test(second))) {
    return say(context, generationsDiff(context, words));
  }
  if (first === undefined || second === undefined) {
    const kinds = 'the number of a generation, a snapshot, a ruleset, a policy file, the word live';
    return say(context, tooFew(words, `two of: ${kinds}`));
  }
  const a = await readSide(context, first);
  if (!a.ok) return say(context, a.answer);
  const b = await readSide(context, second);
  if (!b.ok) return say(context, b.answer);
  return say(context, diffAnswer(a.side, b.side));
}
