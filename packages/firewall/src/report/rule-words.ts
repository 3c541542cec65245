// Which rule it is that decided: where it stands, whose it is, what it says.
import {
  ownerOfChain,
  ownerOfRule,
  type Rule,
  type Ruleset,
  ruleWords,
  type Table,
  type WalkStep,
} from '@moat/netfilter';

export interface RuleTold {
  readonly owner: string;
  /** `ip filter INPUT rule 3`, `ip filter INPUT policy`. */
  readonly place: string;
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** Counted from 1; absent: the policy. */
  readonly rule?: number;
  readonly words: string;
  readonly comment?: string;
  readonly handle?: number;
  readonly line?: number;
}

/** A rule of the ruleset; no rule: the policy of the chain. */
export function tellRule(
  ruleset: Ruleset,
  table: Table,
  chainName: string,
  rule: Rule | undefined,
): RuleTold | undefined {
  const chain = table.chains.find(({ name }) => name === chainName);
  if (chain === undefined) return undefined;
  const at = `${table.family} ${table.name} ${chain.name}`;
  const where = { family: table.family, table: table.name, chain: chain.name };
  if (rule === undefined) {
    const words = `what no rule decides → ${chain.base?.policy ?? 'return'}`;
    return { owner: ownerOfChain(ruleset, table, chain).name, place: `${at} policy`, ...where, words };
  }
  const number = chain.rules.indexOf(rule) + 1;
  const handle = rule.handle ?? rule.origin?.handle;
  return {
    owner: ownerOfRule(ruleset, table, chain, rule).name,
    place: `${at} rule ${number}`,
    ...where,
    rule: number,
    words: ruleWords(rule, table, ruleset.ipsets),
    ...(rule.comment === undefined ? {} : { comment: rule.comment }),
    ...(handle === undefined ? {} : { handle }),
    ...(rule.origin?.line === undefined ? {} : { line: rule.origin.line }),
  };
}

export function tellStep(ruleset: Ruleset, step: WalkStep): RuleTold | undefined {
  return tellRule(ruleset, step.table, step.chain, step.rule);
}

/** `docker (ip nat DOCKER rule 2): tcp to port 80 → …`. */
export function toldText({ owner, place, words }: RuleTold): string {
  return `${owner} (${place}): ${words}`;
}
