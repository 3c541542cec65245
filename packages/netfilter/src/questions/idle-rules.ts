// Rules that do nothing: those that no packet can come to or match, with the rules that hide them, and those without
// which every packet would fare the same.
import type { Chain, Rule, Ruleset, Table } from '../model/ruleset.ts';
import { calledChains } from '../owner/owner.ts';
import { baseChains, CONNTRACK_PRIORITY } from '../semantics/base-chains.ts';
import type { Place } from '../semantics/reading.ts';
import { always, decide, LEAF } from '../space/decision.ts';
import {
  allPackets,
  isEmpty,
  noPackets,
  packetsOverlap,
  samePackets,
  unionPackets,
} from '../space/packet-set.ts';
import { hold, type PacketSet, release } from '../space/packet-space.ts';
import type { Analysis } from '../symbolic/analysis.ts';
import { ACCEPTED, type ChainRun, chainRun, ruleDecision } from '../symbolic/chain-decision.ts';
import { ALWAYS, both, type Condition, conditionSet } from '../symbolic/condition.ts';
import { sendThrough, type Traffic } from '../symbolic/forward-pass.ts';
import { type RulesetView, type Scope, viewOf } from '../symbolic/scope.ts';
import { statementCondition } from '../symbolic/statement-condition.ts';

/** A rule with its place, counted from 1. */
export interface RuleAt {
  readonly table: Table;
  readonly chain: Chain;
  readonly rule: Rule;
  readonly number: number;
}

export type IdleRule = RuleAt &
  (
    | { readonly kind: 'contradiction' }
    /** Rules before it in its chain decide all that it could match. */
    | { readonly kind: 'hidden'; readonly by: readonly RuleAt[] }
    /** The packets that it is about never come to its chain. */
    | { readonly kind: 'not reached' }
    /** What it decides, the rules and the policy after it decide as well. */
    | { readonly kind: 'no difference' }
  );

/** Rules of the ruleset that do nothing for packets of the analysis' family. */
export function idleRules(analysis: Analysis, ruleset: Ruleset): IdleRule[] {
  const view = viewOf(analysis, ruleset);
  const { family, space } = analysis;
  const traffic: Traffic = { rules: new Map(), visited: new Map() };
  const runs = new Map<string, ChainRun>();
  for (const hook of ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const)
    for (const { table, chain, priority } of baseChains(ruleset, hook, family)) {
      const early = (hook === 'prerouting' || hook === 'output') && priority < CONNTRACK_PRIORITY;
      const place: Place = { family, hook, early };
      const key = `${ruleset.tables.indexOf(table)} ${hook} ${early}`;
      const run = runs.get(key) ?? chainRun(view, table, place);
      runs.set(key, run);
      sendThrough(run, chain, allPackets(space), traffic);
    }
  const own = family === 'ipv4' ? 'ip' : 'ip6';
  return ruleset.tables.flatMap((table) =>
    table.family !== own && table.family !== 'inet'
      ? []
      : table.chains.flatMap((chain) => {
          const places = [...runs.values()].filter((run) => traffic.visited.get(run)?.has(chain) === true);
          return idleInChain(view, table, chain, places, traffic);
        }),
  );
}

/** A rule is idle if it is so at all places where packets come to its chain. */
function idleInChain(
  view: RulesetView,
  table: Table,
  chain: Chain,
  places: readonly ChainRun[],
  traffic: Traffic,
): IdleRule[] {
  const [first] = chain.rules;
  if (first === undefined) return [];
  if (places.length === 0) return [{ table, chain, rule: first, number: 1, kind: 'not reached' }];
  const makesDifference = new Set(places.flatMap((run) => [...differences(run, chain, traffic)]));
  return chain.rules.flatMap((rule, i): IdleRule[] => {
    const at: RuleAt = { table, chain, rule, number: i + 1 };
    const here = traffic.rules.get(rule);
    if (here !== undefined && !isEmpty(here.matched)) {
      return makesDifference.has(rule) ? [] : [{ ...at, kind: 'no difference' }];
    }
    return [whyNever(view, places[0]!.place, at, traffic)];
  });
}

function whyNever(view: RulesetView, place: Place, at: RuleAt, traffic: Traffic): IdleRule {
  const wanted = conditionPackets({ view, table: at.table, chain: at.chain.name, rule: at.rule, place });
  if (isEmpty(wanted)) return { ...at, kind: 'contradiction' };
  const by = at.chain.rules.slice(0, at.number - 1).flatMap((rule, i): RuleAt[] => {
    const kept = traffic.rules.get(rule)?.kept;
    return kept !== undefined && packetsOverlap(kept, wanted) ? [{ ...at, rule, number: i + 1 }] : [];
  });
  return by.length === 0 ? { ...at, kind: 'not reached' } : { ...at, kind: 'hidden', by };
}

function wantedBy({ view, table, place }: ChainRun, chain: Chain, rule: Rule): PacketSet {
  return conditionPackets({ view, table, chain: chain.name, rule, place });
}

/** The packets that fulfil all conditions of the rule. */
function conditionPackets(scope: Scope): PacketSet {
  const condition = scope.rule.statements.reduce(
    (all: Condition, statement, i) => both(all, statementCondition(scope, statement, String(i)) ?? ALWAYS),
    ALWAYS,
  );
  return conditionSet(scope.view.analysis.space, condition);
}

/** The rules without which some packet that comes to them would fare otherwise, and those that do more than decide. */
function differences(run: ChainRun, chain: Chain, traffic: Traffic): ReadonlySet<Rule> {
  const { space } = run.view.analysis;
  const found = new Set<Rule>();
  const accept = hold(always(space, ACCEPTED));
  const policy = chain.base === undefined ? LEAF.fall : chain.base.policy === 'drop' ? LEAF.drop : ACCEPTED;
  const fall = hold(always(space, policy));
  const busy = busyChains(run.table);
  const isBusy = (rule: Rule): boolean =>
    doesMore(rule) || calledChains(rule, run.table).some((name) => busy.has(name));
  /** Packets that are what a later rule of that kind is about, if they come to it. */
  let later = hold(noPackets(space));
  let next = fall;
  for (let i = chain.rules.length - 1; i >= 0; i--) {
    const rule = chain.rules[i]!;
    hold(next);
    const before = hold(ruleDecision(run, chain, rule, next, { accept, fall }));
    const matched = traffic.rules.get(rule)?.matched;
    const isSame =
      matched !== undefined &&
      samePackets(decide(matched, before, next), next) &&
      !packetsOverlap(matched, later);
    if (!isSame || isBusy(rule)) found.add(rule);
    if (isBusy(rule)) {
      const both = hold(unionPackets(space, [later, wantedBy(run, chain, rule)]));
      release(later);
      later = both;
    }
    release(before);
    release(next);
    next = before;
  }
  release(accept);
  release(fall);
  release(later);
  return found;
}

/** Chains with a rule that does more than decide, or that calls such a chain. */
function busyChains(table: Table): ReadonlySet<string> {
  const busy = new Set(table.chains.filter(({ rules }) => rules.some(doesMore)).map(({ name }) => name));
  for (let before = -1; before !== busy.size; ) {
    before = busy.size;
    for (const { name, rules } of table.chains) {
      if (rules.some((rule) => calledChains(rule, table).some((called) => busy.has(called)))) busy.add(name);
    }
  }
  return busy;
}

/** Rules that log, count on purpose, write or translate are there for that. */
function doesMore({ statements }: Rule): boolean {
  const decides = statements.some(({ kind }) => kind === 'verdict' || kind === 'reject' || kind === 'vmap');
  return !decides || statements.some(({ kind }) => MORE.has(kind));
}

const MORE: ReadonlySet<string> = new Set([
  'log',
  'mangle',
  'nat',
  'tproxy',
  'dynset',
  'notrack',
  'queue',
  'dup',
  'fwd',
  'flow',
  'object',
  'effect',
  'ipset change',
  'free',
  'limit',
  'quota',
  'ct count',
  'unknown',
]);
