// Sentences that say nothing, because others before them or after them say it.
import {
  intersectPackets,
  isEmpty,
  noPackets,
  type PacketSet,
  packetsOverlap,
  samePackets,
  subtractPackets,
  unionPackets,
} from '@moat/netfilter';
import type { Policy, RuleSentence } from '../policy/model.ts';
import { ruleFlows } from './flows.ts';
import type { MachineFacts } from './machine-facts.ts';
import { meaningSpace } from './meaning-space.ts';
import { policyMeaning } from './policy-meaning.ts';

/** A sentence by its number, as `moat status numbered` counts. */
export interface IdleSentence {
  readonly number: number;
  readonly rule: RuleSentence;
  /**
   * `nobody`: it is about no packet (a group without addresses). `said`: those in `by` say the same before it.
   * `contradicted`: one of them says something else about all or some of it, so that it never decides. `no difference`: without
   * it every flow would fare the same, by later sentences or the default.
   */
  readonly kind: 'nobody' | 'said' | 'contradicted' | 'no difference';
  readonly by: readonly number[];
}

/** For both families together: a sentence that decides in one of them is not idle. */
export function idleSentences(policy: Policy, facts: MachineFacts): IdleSentence[] {
  const perFamily = (['ipv4', 'ipv6'] as const).map((family) => idleIn(policy, facts, family));
  return policy.rules.flatMap((rule, i): IdleSentence[] => {
    const found = perFamily.map((each) => each[i]);
    if (found.some((each) => each === undefined)) return [];
    // What it is about nobody in one family says nothing of the other.
    const about = found.filter((each) => each!.kind !== 'nobody');
    const told = about[0] ?? found[0]!;
    if (about.some((each) => each!.kind !== told.kind && each!.kind === 'contradicted')) {
      return [{ number: i + 1, rule, kind: 'contradicted', by: byOf(about) }];
    }
    return [{ number: i + 1, rule, kind: told.kind, by: byOf(about) }];
  });
}

type Found = Pick<IdleSentence, 'kind' | 'by'>;

function byOf(found: readonly (Found | undefined)[]): number[] {
  return [...new Set(found.flatMap((each) => each?.by ?? []))].sort((a, b) => a - b);
}

/** By the sentences' places; undefined: it decides about something. */
function idleIn(policy: Policy, facts: MachineFacts, family: 'ipv4' | 'ipv6'): (Found | undefined)[] {
  const space = meaningSpace(family, policy, facts);
  const meaning = policyMeaning(space, policy, facts);
  const flows = policy.rules.map((rule) => ruleFlows(space, rule, policy));
  return policy.rules.map((rule, i): Found | undefined => {
    const own = flows[i]!;
    if (isEmpty(own)) return { kind: 'nobody', by: [] };
    const earlier = policy.rules.flatMap((each, n) =>
      n < i && each.direction === rule.direction && packetsOverlap(flows[n]!, own) ? [n] : [],
    );
    const before: PacketSet = unionPackets(space, [noPackets(space), ...earlier.map((n) => flows[n]!)]);
    if (isEmpty(subtractPackets(own, before))) {
      const deciding = decidingOf(own, earlier, flows);
      const same = deciding.every((n) => policy.rules[n]!.action === rule.action);
      return { kind: same ? 'said' : 'contradicted', by: deciding.map((n) => n + 1) };
    }
    const rules = policy.rules.filter((each) => each !== rule);
    const without = policyMeaning(space, { ...policy, rules }, facts);
    const isSame = (['incoming', 'outgoing', 'routed'] as const).every((traffic) =>
      samePackets(meaning[traffic], without[traffic]),
    );
    return isSame ? { kind: 'no difference', by: [] } : undefined;
  });
}

/** Those of the earlier ones that take something of it. */
function decidingOf(own: PacketSet, earlier: readonly number[], flows: readonly PacketSet[]): number[] {
  let left = own;
  return earlier.filter((n) => {
    const takes = packetsOverlap(left, flows[n]!);
    left = subtractPackets(left, intersectPackets(left, flows[n]!));
    return takes;
  });
}
