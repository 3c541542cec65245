// moat enable
import type { Plan } from '../apply/plan.ts';
import { changeAnswer } from './change-answer.ts';
import { change } from './change-verb.ts';
import type { Context } from './context.ts';
import { planLines } from './plan-lines.ts';
import { say } from './say.ts';

export async function enableVerb(context: Context): Promise<void> {
  const preview = await planLines(context);
  const result = await change(context, { activate: true, edit: undefined });
  const headline = (plan: Plan): string =>
    plan.file.policy.defaults.incoming === 'allow'
      ? 'moat is active'
      : 'moat is active: what no rule allows is closed, IPv4 and IPv6, containers too';
  say(context, changeAnswer(result, headline, preview));
}
