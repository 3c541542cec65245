// Who decides about a new flow: something built in, a sentence, or the default.
import { containsPacket, type PacketFields } from '@moat/netfilter';
import type { DefaultVerdict, Policy, RuleSentence, Traffic } from '../policy/model.ts';
import { formatSentence } from '../policy/print.ts';
import { ruleFlows } from './flows.ts';
import type { PolicyMeaning } from './policy-meaning.ts';

/** `number` counts from 1, as `moat status numbered` does. */
export type Decider =
  | { readonly kind: 'built in'; readonly says: string }
  | { readonly kind: 'rule'; readonly number: number; readonly rule: RuleSentence }
  | { readonly kind: 'default'; readonly traffic: Traffic; readonly verdict: DefaultVerdict };

/** The one that decides about the packet, which begins a flow of this kind and has every field of the meaning's space. */
export function decidedBy(
  policy: Policy,
  meaning: PolicyMeaning,
  traffic: Traffic,
  packet: PacketFields,
): Decider {
  const builtIn = meaning.always[traffic].find(({ packets }) => containsPacket(packets, packet));
  if (builtIn !== undefined) return { kind: 'built in', says: builtIn.says };
  const direction = traffic === 'incoming' ? 'in' : 'out';
  const { space } = meaning.incoming;
  const index = policy.rules.findIndex(
    (rule) =>
      traffic !== 'routed' &&
      rule.direction === direction &&
      containsPacket(ruleFlows(space, rule, policy), packet),
  );
  if (index < 0) return { kind: 'default', traffic, verdict: policy.defaults[traffic] };
  return { kind: 'rule', number: index + 1, rule: policy.rules[index]! };
}

/** `rule 3, \`allow 80/tcp\``, `the default, \`deny incoming\``, `what is built in: loopback`. */
export function deciderText(decider: Decider): string {
  switch (decider.kind) {
    case 'built in':
      return `what is built in: ${decider.says}`;
    case 'rule':
      return `rule ${decider.number}, \`${formatSentence({ ...decider.rule, comment: undefined })}\``;
    case 'default':
      return `the default, \`${decider.verdict} ${decider.traffic}\``;
    default:
      return decider satisfies never;
  }
}
