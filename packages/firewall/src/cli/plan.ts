// moat plan: what `moat enable` or `moat reload` would do now

import { changeAnswer, planJson, remarks, sessionLines } from './change-answer.ts';
import { change } from './change-verb.ts';
import type { Context } from './context.ts';
import { planEffects } from './effects.ts';
import { ExitCode } from './exit-code.ts';
import { say } from './say.ts';

/** Nobody waits for this one in the middle of something. */
const PATIENT = { rules: 50_000, effort: 200_000_000 };

export async function planVerb(context: Context): Promise<void> {
  const options = { ...context.options, dryRun: true, allowLockout: true };
  const result = await change({ ...context, options }, { activate: true, edit: undefined });
  if (result.kind !== 'planned')
    return say(
      context,
      changeAnswer(result, () => ''),
    );
  const { plan } = result;
  const effects = planEffects(plan, PATIENT);
  const verb = plan.current === undefined ? 'enable' : 'reload';
  const lines = [
    ...effects.lines(true),
    ...sessionLines(plan),
    ...remarks(plan, plan.notes),
    plan.change === undefined
      ? 'The policy file says what is in force already: nothing to do'
      : `Nothing is changed. To make it so, and only if nothing has changed by then: moat ${verb} --if-state ${plan.basis}`,
  ];
  say(context, {
    code: ExitCode.done,
    text: lines.join('\n'),
    json: { ...planJson(plan), effects: effects.json, notes: plan.notes },
  });
}
