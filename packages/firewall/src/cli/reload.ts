// moat reload

import { changeAnswer } from './change-answer.ts';
import { change } from './change-verb.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { say } from './say.ts';

export async function reloadVerb(context: Context): Promise<void> {
  const result = await change(context, { activate: false, edit: undefined });
  if ((result.kind === 'done' || result.kind === 'planned') && result.plan.table === undefined) {
    const text = 'moat is not active: nothing to reload. The policy file has no mistakes. (moat enable)';
    return say(context, { code: ExitCode.done, text, json: { active: false, applied: false } });
  }
  const same = 'The policy file says what is in force already: nothing to do';
  const headline = (changed: boolean) => (changed ? 'The policy file is in force' : same);
  say(
    context,
    changeAnswer(result, (plan) => headline(plan.change !== undefined), { keeps: true }),
  );
}
