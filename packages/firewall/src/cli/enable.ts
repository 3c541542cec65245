// moat enable

import { firstTrial } from '../apply/first-trial.ts';
import type { PeerChangeResult } from '../apply/peer-confirm.ts';
import type { Plan } from '../apply/plan.ts';
import type { SelfTest } from '../apply/self-test.ts';
import { changeAnswer } from './change-answer.ts';
import { change } from './change-verb.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { type Answer, failure, say } from './say.ts';

export async function enableVerb(context: Context): Promise<void> {
  const { dryRun, confirm } = context.options;
  // What does not wait for a confirmation needs no way back.
  const tried = dryRun || confirm === 0 ? undefined : await firstTrial(context.paths);
  if (tried?.kind === 'failed') return say(context, noWayBack(tried));
  const result = await change(context, { activate: true, edit: undefined });
  const headline = (plan: Plan): string =>
    plan.file.policy.defaults.incoming === 'allow'
      ? 'moat is active'
      : 'moat is active: what no rule allows is closed, IPv4 and IPv6, containers too';
  say(context, changeAnswer(withNote(result, tried), headline, { keeps: true }));
}

function noWayBack({ step, why }: Extract<SelfTest, { kind: 'failed' }>): Answer {
  const message = [
    `the way back does not work on this machine (${step}): ${why}`,
    'A change that locks you out would not be undone, so nothing was changed. What mends it: moat doctor',
    'To go on without a way back: moat enable --confirm 0',
  ].join('\n');
  return failure(ExitCode.refused, 'no-way-back', message, { step, why });
}

function withNote(result: PeerChangeResult, tried: SelfTest | undefined): PeerChangeResult {
  if (result.kind !== 'done' || tried?.kind !== 'impossible') return result;
  const note = `the way back could not be tried on this machine first: ${tried.why}`;
  return { ...result, notes: [...result.notes, note] };
}
