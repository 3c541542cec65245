// moat enable
import { changeAnswer } from './change-answer.ts';
import { change } from './change-verb.ts';
import type { Context } from './context.ts';
import { planLines } from './plan-lines.ts';
import { say } from './say.ts';

export async function enableVerb(context: Context): Promise<void> {
  const preview = await planLines(context);
  const result = await change(context, { activate: true, edit: undefined });
  const headline = 'moat is active: what no sentence allows is closed, IPv4 and IPv6, containers too';
  say(
    context,
    changeAnswer(result, () => headline, preview),
  );
}
