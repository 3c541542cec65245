// Does a change take anything away? Certain in one direction only: "no" can be relied on.
import { isEmptyMatch, type Match, matchCovers, matchesOverlap, matchOf } from './match.ts';
import type { Policy, RuleSentence, Traffic } from './model.ts';
import { formatMatch } from './print.ts';
import { sharedFront } from './shared-front.ts';

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
    .map((rule) => ({ rule, match: matchOf(rule, policy.groups), key: formatMatch(rule) }))
    .filter(({ match }) => !isEmptyMatch(match))
    .map((placed, index) => ({ ...placed, index }));
  const byKey = new Map<string, Placed>();
  for (const placed of rules) if (!byKey.has(placed.key)) byKey.set(placed.key, placed);
  return { rules, byKey, blockers: rules.filter(({ rule }) => rule.action !== 'allow') };
}

/** A rule of the side, before `end`, that covers the match and does not end by itself. */
function coveredBefore(side: Side, end: number, { match, key }: Placed): boolean {
  const twin = side.byKey.get(key);
  const lasts = ({ rule }: Placed): boolean => rule.until === undefined;
  if (twin !== undefined && lasts(twin) && twin.index < end && matchCovers(twin.match, match)) return true;
  return side.rules.some((rule) => lasts(rule) && rule.index < end && matchCovers(rule.match, match));
}

/** Whether `rule` lets everything through that `old` let through. A limit may refuse, unless it is the same one. */
function standsFor(rule: Placed, old: Placed): boolean {
  if (!matchCovers(rule.match, old.match) || endsBefore(rule.rule, old.rule)) return false;
  if (rule.rule.action === 'allow') return true;
  return rule.rule.action === 'limit' && old.rule.action === 'limit' && matchCovers(old.match, rule.match);
}

function endsBefore({ until }: RuleSentence, other: RuleSentence): boolean {
  return until !== undefined && (other.until === undefined || until < other.until);
}

/** Two sides, and how many rules they share at the front and at the end: a change touches what is between. */
interface Change {
  readonly before: Side;
  readonly after: Side;
  readonly front: number;
  readonly tail: number;
}

function unchanged(a: Placed | undefined, b: Placed | undefined): boolean {
  if (a === undefined || b === undefined || a.rule.action !== b.rule.action || a.key !== b.key) return false;
  if (a.rule.until !== b.rule.until) return false;
  if (a.match === b.match) return true;
  return matchCovers(a.match, b.match) && matchCovers(b.match, a.match);
}

function changeOf(before: Side, after: Side): Change {
  const [old, now] = [before.rules, after.rules];
  const least = Math.min(old.length, now.length);
  let front = 0;
  while (front < least && unchanged(old[front], now[front])) front++;
  let tail = 0;
  while (tail < least - front && unchanged(old.at(-1 - tail), now.at(-1 - tail))) tail++;
  return { before, after, front, tail };
}

/** The first rule of `after` before `end` that may refuse what `old` accepted in `before`. */
function inTheWay({ before, after, front }: Change, old: Placed, end: number): Placed | undefined {
  return after.blockers.find(
    (blocker) =>
      blocker.index >= front &&
      blocker.index < end &&
      matchesOverlap(blocker.match, old.match) &&
      // Whatever the blocker matches had been decided before `old` came to it.
      !coveredBefore(before, old.index, blocker),
  );
}

/** Whether `old` is among the shared rules and nothing that changed before it is in its way. */
function isUntouched(change: Change, old: Placed): boolean {
  if (old.index < change.front) return true;
  if (old.index < change.before.rules.length - change.tail) return false;
  return inTheWay(change, old, change.after.rules.length - change.tail) === undefined;
}

function reasonFor(change: Change, old: Placed, fallsThrough: boolean): string | undefined {
  if (isUntouched(change, old)) return undefined;
  const { before, after } = change;
  const name = `\`${old.rule.action} ${old.key}\``;
  let reason: string | undefined;
  for (const successor of after.rules) {
    if (successor.rule.action !== 'allow' && successor.rule.action !== 'limit') continue;
    if (!standsFor(successor, old)) continue;
    const blocker = inTheWay(change, old, successor.index);
    if (blocker === undefined) return undefined;
    reason ??= `\`${blocker.rule.action} ${blocker.key}\` now comes before ${name}`;
  }
  if (fallsThrough && inTheWay(change, old, Number.POSITIVE_INFINITY) === undefined) return undefined;
  if (coveredBefore(before, old.index, old)) return undefined;
  if (reason !== undefined) return reason;
  const twin = after.byKey.get(old.key);
  if (twin === undefined) return `${name} is gone`;
  if (twin.rule.action !== old.rule.action) return `${name} is now \`${twin.rule.action}\``;
  if (endsBefore(twin.rule, old.rule))
    return `${name} ends ${old.rule.until === undefined ? 'by itself' : 'earlier'}`;
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
  const change = changeOf(old, now);
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
    const reason = reasonFor(change, placed, stillOpen);
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
 * Rules that both share at the front or at the end are their own such covers, which spares comparing them.
 */
export function narrows(before: Policy, after: Policy): string[] {
  const reasons: string[] = [];
  for (const traffic of ['incoming', 'outgoing', 'routed'] as const) {
    if (rank(before, traffic) === 'open' && rank(after, traffic) === 'closed') {
      reasons.push(`default ${traffic} is now ${after.defaults[traffic]}`);
    }
  }
  // What the shared front decides is decided alike, so the rest alone may settle it, and cheaply. Where it finds
  // a reason, a rule of the front may still have covered it.
  const front = sharedFront(before, after);
  const restOf = (policy: Policy): Policy => ({ ...policy, rules: policy.rules.slice(front) });
  if (front > 0 && narrowedRules(restOf(before), restOf(after)).length === 0) return reasons;
  return [...reasons, ...narrowedRules(before, after)];
}

function narrowedRules(before: Policy, after: Policy): string[] {
  return [
    ...narrowsDirection(before, after, 'in', 'incoming'),
    ...narrowsDirection(before, after, 'out', 'outgoing'),
  ];
}
