// Does a change take anything away? Certain in one direction only: "no" can be relied on.
import { isEmptyMatch, type Match, matchCovers, matchesOverlap, matchOf } from './match.ts';
import type { Policy, RuleSentence, Traffic } from './model.ts';
import { formatMatch } from './print.ts';

interface Placed {
  readonly index: number;
  readonly rule: RuleSentence;
  readonly match: Match;
  readonly key: string;
}

interface Side {
  readonly rules: readonly Placed[];
  readonly byKey: ReadonlyMap<string, Placed>;
  /** Rules that do not accept everything they match. */
  readonly blockers: readonly Placed[];
}

function sideOf(policy: Policy, direction: 'in' | 'out'): Side {
  const rules = policy.rules
    .filter((rule) => rule.direction === direction)
    .map((rule, index) => ({ index, rule, match: matchOf(rule, policy.groups), key: formatMatch(rule) }))
    .filter(({ match }) => !isEmptyMatch(match));
  const byKey = new Map<string, Placed>();
  for (const placed of rules) if (!byKey.has(placed.key)) byKey.set(placed.key, placed);
  return { rules, byKey, blockers: rules.filter(({ rule }) => rule.action !== 'allow') };
}

/** A rule of the side, before `end`, that covers the match. */
function coveredBefore(side: Side, end: number, { match, key }: Placed): boolean {
  const twin = side.byKey.get(key);
  if (twin !== undefined && twin.index < end && matchCovers(twin.match, match)) return true;
  return side.rules.some((rule) => rule.index < end && matchCovers(rule.match, match));
}

/** Whether `rule` lets everything through that `old` let through. A limit may refuse, unless it is the same one. */
function standsFor(rule: Placed, old: Placed): boolean {
  if (!matchCovers(rule.match, old.match)) return false;
  if (rule.rule.action === 'allow') return true;
  return rule.rule.action === 'limit' && old.rule.action === 'limit' && matchCovers(old.match, rule.match);
}

/** The first rule of `after` before `end` that may refuse what `old` accepted in `before`. */
function inTheWay(before: Side, after: Side, old: Placed, end: number): Placed | undefined {
  return after.blockers.find(
    (blocker) =>
      blocker.index < end &&
      matchesOverlap(blocker.match, old.match) &&
      // Whatever the blocker matches had been decided before `old` came to it.
      !coveredBefore(before, old.index, blocker),
  );
}

function reasonFor(before: Side, after: Side, old: Placed, fallsThrough: boolean): string | undefined {
  const name = `\`${old.rule.action} ${old.key}\``;
  let reason: string | undefined;
  const successors = [after.byKey.get(old.key) ?? [], after.rules].flat();
  for (const successor of successors) {
    if (successor.rule.action !== 'allow' && successor.rule.action !== 'limit') continue;
    if (!standsFor(successor, old)) continue;
    const blocker = inTheWay(before, after, old, successor.index);
    if (blocker === undefined) return undefined;
    reason ??= `\`${blocker.rule.action} ${blocker.key}\` now comes before ${name}`;
  }
  if (fallsThrough && inTheWay(before, after, old, Number.POSITIVE_INFINITY) === undefined) return undefined;
  if (coveredBefore(before, old.index, old)) return undefined;
  if (reason !== undefined) return reason;
  const twin = after.byKey.get(old.key);
  if (twin === undefined) return `${name} is gone`;
  if (twin.rule.action !== old.rule.action) return `${name} is now \`${twin.rule.action}\``;
  return `${name} matches less`;
}

function rank(policy: Policy, traffic: Traffic): 'open' | 'closed' {
  return policy.defaults[traffic] === 'allow' ? 'open' : 'closed';
}

function narrowsDirection(
  before: Policy,
  after: Policy,
  direction: 'in' | 'out',
  traffic: Traffic,
): string[] {
  const old = sideOf(before, direction);
  const now = sideOf(after, direction);
  const stillOpen = rank(after, traffic) === 'open';
  const reasons: string[] = [];
  if (rank(before, traffic) === 'open' && stillOpen) {
    for (const blocker of now.blockers) {
      if (coveredBefore(old, Number.POSITIVE_INFINITY, blocker)) continue;
      reasons.push(`\`${blocker.rule.action} ${blocker.key}\` is new or matches more`);
    }
  }
  for (const placed of old.rules) {
    if (placed.rule.action !== 'allow' && placed.rule.action !== 'limit') continue;
    const reason = reasonFor(old, now, placed, stillOpen);
    if (reason !== undefined) reasons.push(reason);
  }
  return reasons;
}

/**
 * Reasons why `after` may refuse some flow that `before` accepts, in words; none means that it certainly accepts
 * every one of them: incoming, outgoing and routed. A limit counts as refusing where nothing or an `allow` stood.
 *
 * Why none is certain: take a flow that rule `r` of `before` accepts as the first that matches. A rule of `after`
 * stands for `r` and matches it too. Were a refusing rule `x` first, it would overlap `r` and stand before; then
 * some rule before `r` covers `x`, so it would have matched in `before`, and `r` would not have been the first.
 */
export function narrows(before: Policy, after: Policy): string[] {
  const reasons: string[] = [];
  for (const traffic of ['incoming', 'outgoing', 'routed'] as const) {
    if (rank(before, traffic) === 'open' && rank(after, traffic) === 'closed') {
      reasons.push(`default ${traffic} is now ${after.defaults[traffic]}`);
    }
  }
  reasons.push(...narrowsDirection(before, after, 'in', 'incoming'));
  reasons.push(...narrowsDirection(before, after, 'out', 'outgoing'));
  return reasons;
}
