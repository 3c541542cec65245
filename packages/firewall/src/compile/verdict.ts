// The four actions and the three defaults as netfilter verdicts.
import type { Verdict } from '@moat/netfilter';
import type { DefaultVerdict, RuleSentence } from '../policy/model.ts';
import { limitVerdict } from './limit.ts';
import { REFUSE_CHAIN } from './refuse.ts';

export function actionVerdict(action: RuleSentence['action'], ruleId: string): Verdict {
  return action === 'limit' ? limitVerdict(ruleId) : defaultVerdict(action);
}

export function defaultVerdict(verdict: DefaultVerdict): Verdict {
  switch (verdict) {
    case 'allow':
      return { kind: 'accept' };
    case 'deny':
      return { kind: 'drop' };
    case 'reject':
      return { kind: 'goto', chain: REFUSE_CHAIN };
    default:
      throw new Error(verdict satisfies never);
  }
}
