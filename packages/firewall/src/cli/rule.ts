// moat allow|deny|reject|limit …
import { addRule } from '../policy/edit.ts';
import { editVerb } from './change-verb.ts';
import type { Context } from './context.ts';
import { say } from './say.ts';
import { typedSentence } from './words.ts';

export const RULE_VERBS = {
  allow: 'let matching new flows in (or out)',
  deny: 'drop them without an answer',
  reject: 'refuse them with an answer',
  limit: 'let them in, but few at a time from one source',
} as const;

export async function ruleVerb(context: Context, args: readonly string[]): Promise<void> {
  const parsed = typedSentence(args, context.services);
  if (!parsed.ok) return say(context, parsed.answer);
  const { sentence } = parsed.typed;
  if (sentence.kind !== 'rule') throw new Error(`${sentence.kind} is not a rule`);
  await editVerb(context, parsed.typed, (file) => addRule(file, sentence));
}
