// moat enable
import type { Plan } from '../apply/plan.ts';
import { changeAnswer } from './change-answer.ts';
import { change } from './change-verb.ts';
import type { Context } from './context.ts';
import { say } from './say.ts';

export async function enableVerb(context: Context): Promise<void> {
  const result = await change(context, { activate: true, edit: undefined });
  const headline = (plan: Plan): string =>
    plan.file.policy.defaults.incoming === 'allow'
      ? 'moat is active'
      : 'moat is active: what no rule allows is closed, IPv4 and IPv6, containers too';
  say(context, changeAnswer(result, headline, { keeps: true }));
}
