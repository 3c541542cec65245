// Sentences that have ended say nothing any more, though they stand in the file.
import type { Policy, RuleSentence } from './model.ts';

/** `now`: seconds since 1970. */
export function hasEnded({ until }: Pick<RuleSentence, 'until'>, now: number): boolean {
  return until !== undefined && until <= now;
}

/** The policy without what has ended. */
export function liveAt(policy: Policy, now: number): Policy {
  const rules = policy.rules.filter((rule) => !hasEnded(rule, now));
  return rules.length === policy.rules.length ? policy : { ...policy, rules };
}
