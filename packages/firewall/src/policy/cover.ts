// Rules that stand in each other's way: one that never decides, two that contradict each other.
import { type Groups, isEmptyMatch, matchCovers, matchesOverlap, matchOf } from './match.ts';
import type { Policy, RuleSentence } from './model.ts';
import { formatEndpointAddress, formatMatch, formatSentence } from './print.ts';

/** A remark about the rule with this number (rules count from 1, in file order), because of another one. */
export interface RuleWarning {
  readonly code: 'shadowed' | 'contradicts' | 'matches-nothing';
  readonly rule: number;
  readonly because: number | undefined;
  readonly message: string;
  readonly hint: string | undefined;
}

/** Whether `a` matches everything that `b` matches; groups count by their members. */
export function covers(a: RuleSentence, b: RuleSentence, groups: Groups): boolean {
  return matchCovers(matchOf(a, groups), matchOf(b, groups));
}

/** The rule as one would name it, without its comment. */
export function ruleName(rule: RuleSentence): string {
  return `\`${rule.action} ${formatMatch(rule)}\``;
}

function samePlaces(a: RuleSentence, b: RuleSentence): boolean {
  return (
    a.interface === b.interface &&
    formatEndpointAddress(a.from) === formatEndpointAddress(b.from) &&
    formatEndpointAddress(a.to) === formatEndpointAddress(b.to)
  );
}

function namesNoPorts({ from, to }: RuleSentence): boolean {
  return from.ports === undefined && to.ports === undefined;
}

function shadowed(rule: RuleSentence, number: number, other: RuleSentence, because: number): RuleWarning {
  const message = `number ${number}, ${ruleName(rule)}, never decides: number ${because}, ${ruleName(other)}, comes first and covers it`;
  const hint = `moat insert ${because} ${formatSentence(rule)}`;
  return { code: 'shadowed', rule: number, because, message, hint };
}

function contradicts(rule: RuleSentence, number: number, other: RuleSentence, because: number): RuleWarning {
  const message = `number ${number}, ${ruleName(rule)}, decides only where number ${because}, ${ruleName(other)}, does not match`;
  const hint = `if ${ruleName(rule)} shall hold for all of it: moat insert ${because} ${formatSentence(rule)}`;
  return { code: 'contradicts', rule: number, because, message, hint };
}

/**
 * What is odd about the rule at `index` (from 0) because of earlier rules that act differently: one of them covers
 * it, so that it never decides; or some overlap with it in ports or protocol between the same places. A rule for
 * a part of the addresses before one for all of them is how exceptions are written, and is not remarked upon;
 * nor is a rule for all ports after rules for some.
 * Only single rules are looked at, not what several cover together.
 */
export function shadowWarnings(policy: Policy, index: number): RuleWarning[] {
  const rule = policy.rules[index];
  if (rule === undefined) return [];
  const number = index + 1;
  const match = matchOf(rule, policy.groups);
  if (isEmptyMatch(match)) {
    const message = `number ${number}, ${ruleName(rule)}, matches nothing: no address fits both sides`;
    return [{ code: 'matches-nothing', rule: number, because: undefined, message, hint: undefined }];
  }
  const warnings: RuleWarning[] = [];
  for (const [at, other] of policy.rules.slice(0, index).entries()) {
    // It stands in the way for a time only.
    if (other.until !== undefined) continue;
    const earlier = matchOf(other, policy.groups);
    if (matchCovers(earlier, match)) {
      return other.action === rule.action ? warnings : [shadowed(rule, number, other, at + 1)];
    }
    if (other.action === rule.action || !samePlaces(other, rule) || namesNoPorts(rule)) continue;
    if (matchesOverlap(earlier, match)) {
      warnings.push(contradicts(rule, number, other, at + 1));
    }
  }
  return warnings;
}
