// moat undo, moat undo N
import { generationBefore } from '../apply/generation.ts';
import { readGenerations } from '../kernel/generations.ts';
import { policyDifference } from '../policy/difference.ts';
import { changeAnswer } from './change-answer.ts';
import { change } from './change-verb.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { brokenNotes, generationNumbered } from './history.ts';
import { failure, say } from './say.ts';
import { tooMuch } from './usage.ts';

/** A change like any other: with the guard against lock-out, a way back, and a generation of its own. */
export async function undoVerb(context: Context, words: readonly string[]): Promise<void> {
  if (words.length > 2) return say(context, tooMuch(words, 2));
  const generations = readGenerations(context.paths);
  const target =
    words[1] === undefined
      ? generationBefore(context.paths, generations)
      : generationNumbered(generations, words[1]);
  if (target === undefined) {
    const message = ['there is nothing before the state that is in force', ...brokenNotes(generations)];
    return say(context, failure(ExitCode.mistake, 'no-generation', message.join('\n')));
  }
  if (!('number' in target)) return say(context, target);
  let difference: readonly string[] = [];
  const result = await change(context, {
    activate: false,
    restores: target.restores ?? target.number,
    edit(file) {
      difference = policyDifference(file.text, target.policy, context.services);
      return { ok: true, text: target.policy, warnings: [] };
    },
  });
  const answer = changeAnswer(result, () => `The policy is that of generation ${target.number}`, {
    first: difference.map((line) => `  ${line}`),
  });
  say(context, { ...answer, json: { generation: target.number, difference, ...answer.json } });
}
