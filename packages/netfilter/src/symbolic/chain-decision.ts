// Chains as decisions: backwards, rule by rule, each before what comes after it.
//
//   rule 1:  match A → accept        decision = A ? accept
//   rule 2:  match B → jump c                 : (B ? (c, and where c returns: rest) : rest)
//   …                                rest     = rule 3 and so on
import type { Chain, Rule, Table } from '../model/ruleset.ts';
import type { Statement } from '../model/statement.ts';
import type { Verdict } from '../model/verdict.ts';
import { type Place, rejectNeeds } from '../semantics/reading.ts';
import { always, decide, LEAF, thenDecide } from '../space/decision.ts';
import { isEmpty, samePackets } from '../space/packet-set.ts';
import { type Decision, hold, release, tidySpace } from '../space/packet-space.ts';
import { ALWAYS, both, type Condition, conditionSet, isNever } from './condition.ts';
import { effectOf, writtenField } from './effect.ts';
import type { Ends, Mapped } from './ends.ts';
import { mappedDecision } from './mapping.ts';
import { keysCondition } from './match-condition.ts';
import { needed } from './need.ts';
import { freeSet, type RulesetView, type Scope } from './scope.ts';
import { statementCondition } from './statement-condition.ts';
import { verdictEntries } from './verdict-map.ts';

/** In a chain that is looked at alone: its base chain accepted. */
export const ACCEPTED = 5;

/** The chains of one table at one place. */
export interface ChainRun {
  readonly view: RulesetView;
  readonly table: Table;
  readonly place: Place;
  readonly chains: ReadonlyMap<string, Chain>;
  /** Chains in which something is written that rules read: what comes after them has to be known. */
  readonly writing: ReadonlySet<string>;
  /** Decisions of the other chains, where they return FALL and where they accept ACCEPTED; held. */
  readonly alone: Map<string, Decision>;
  /** Chains that are being looked at, outermost first. */
  readonly open: string[];
}

export function chainRun(view: RulesetView, table: Table, place: Place): ChainRun {
  const chains = new Map(table.chains.map((chain) => [chain.name, chain]));
  return {
    view,
    table,
    place,
    chains,
    writing: writingChains(view, table),
    alone: new Map(),
    open: [],
  };
}

/** The chain with what comes after it. */
export function chainDecision(run: ChainRun, name: string, ends: Ends): Decision {
  const { space } = run.view.analysis;
  const chain = run.chains.get(name);
  // The kernel has no loops; a file may.
  if (chain === undefined || run.open.includes(name)) return always(space, LEAF.unknown);
  if (run.writing.has(name)) return rulesDecision(run, chain, ends);
  const kept = [ends.accept, ends.fall];
  for (const each of kept) hold(each);
  const alone = aloneDecision(run, chain);
  for (const each of kept) release(each);
  const returned = thenDecide(alone, ends.fall, LEAF.fall);
  return thenDecide(returned, ends.accept, ACCEPTED);
}

/** What the chain decides, whatever comes after it. */
function aloneDecision(run: ChainRun, chain: Chain): Decision {
  const known = run.alone.get(chain.name);
  if (known !== undefined) return known;
  const { space } = run.view.analysis;
  const found = hold(
    rulesDecision(run, chain, { accept: always(space, ACCEPTED), fall: always(space, LEAF.fall) }),
  );
  run.alone.set(chain.name, found);
  return found;
}

function rulesDecision(run: ChainRun, chain: Chain, ends: Ends): Decision {
  const { space } = run.view.analysis;
  run.open.push(chain.name);
  const { accept, fall, mapped } = ends;
  const kept = [accept, fall, ...(mapped === undefined ? [] : [mapped.elsewhere, mapped.here])];
  for (const each of kept) hold(each);
  let decision = fall;
  // A rule before much else is dear where it is about many packets, so long chains are put together from parts.
  const isLong = chain.rules.length > 2 * PART && !run.writing.has(chain.name);
  const part = isLong ? PART : chain.rules.length;
  for (let end = chain.rules.length; end > 0; end -= part) {
    hold(decision);
    const own = isLong ? { ...ends, fall: always(space, LEAF.fall) } : ends;
    const before = partDecision(run, chain, Math.max(0, end - part), end, own, isLong ? own.fall : decision);
    release(decision);
    decision = isLong ? thenDecide(before, decision, LEAF.fall) : before;
    hold(decision);
    tidySpace(space);
    release(decision);
  }
  for (const each of kept) release(each);
  run.open.pop();
  return decision;
}

/** Rules that are put together before they are put before the rest; between 256 and 1,024 it makes no difference. */
const PART = 512;

/** The rules of the chain from one up to another, before `after`. */
function partDecision(
  run: ChainRun,
  chain: Chain,
  from: number,
  to: number,
  ends: Ends,
  after: Decision,
): Decision {
  const { space } = run.view.analysis;
  let decision = after;
  for (let i = to - 1; i >= from; i--) {
    decision = ruleDecision(run, chain, chain.rules[i]!, decision, ends);
    if ((i & 31) === 0) {
      hold(decision);
      tidySpace(space);
      release(decision);
    }
  }
  return decision;
}

/** The rule before `next`, which is what the rules after it decide. */
export function ruleDecision(run: ChainRun, chain: Chain, rule: Rule, next: Decision, ends: Ends): Decision {
  const { view, table, place } = run;
  const scope: Scope = { view, table, chain: chain.name, rule, place };
  hold(next);
  let then = next;
  /** Conditions to the right of which `then` stands and that were not applied yet. */
  let condition: Condition = ALWAYS;
  const settle = (): void => {
    if (condition === ALWAYS) return;
    // Without a difference there is nothing to ask; this is what most rules that only log come to.
    if (!samePackets(then, next)) {
      then = isNever(condition) ? next : decide(conditionSet(view.analysis.space, condition), then, next);
    }
    condition = ALWAYS;
  };
  for (let i = rule.statements.length - 1; i >= 0; i--) {
    const statement = rule.statements[i]!;
    const part = String(i);
    const asked =
      samePackets(then, next) && condition === ALWAYS
        ? undefined
        : statementCondition(scope, statement, part);
    if (asked !== undefined) {
      condition = both(asked, condition);
      continue;
    }
    if (isCondition(statement)) continue;
    settle();
    then = actionDecision(run, scope, statement, part, then, next, ends);
  }
  settle();
  release(next);
  return then;
}

function same(decision: Decision): Mapped {
  return { elsewhere: decision, here: decision };
}

/** What only lets packets on or not, and so makes no difference before two equal ends. */
function isCondition({ kind }: Statement): boolean {
  return (
    kind === 'match' ||
    kind === 'or' ||
    kind === 'limit' ||
    kind === 'quota' ||
    kind === 'ct count' ||
    kind === 'ipset' ||
    kind === 'free'
  );
}

/** A statement before what comes after it in the rule (`then`) and after the rule (`next`). */
function actionDecision(
  run: ChainRun,
  scope: Scope,
  statement: Statement,
  part: string,
  then: Decision,
  next: Decision,
  ends: Ends,
): Decision {
  const { space } = scope.view.analysis;
  switch (statement.kind) {
    case 'verdict':
      return verdictDecision(run, statement.verdict, then, next, ends);
    case 'reject': {
      const needs = rejectNeeds(statement, scope.place);
      if (needs === 'nothing') return next;
      return decide(
        conditionSet(space, needed(scope, needs, ALWAYS, part)),
        always(space, LEAF.reject),
        next,
      );
    }
    case 'vmap':
      return vmapDecision(run, scope, statement, part, then, next, ends);
    case 'nat':
      return mappedDecision(scope, statement, part, ends.mapped ?? same(ends.accept), next);
    case 'tproxy': {
      const missing = statement.missing === 'drop' ? always(space, LEAF.drop) : next;
      return decide(freeSet(scope, part, 'socket'), then, missing);
    }
    case 'queue': {
      // A program answers; without one it is a drop, or with `bypass` an accept.
      const accepted = freeSet(scope, part, 'host');
      return decide(accepted, ends.accept, always(space, LEAF.drop));
    }
    case 'synproxy':
      return decide(freeSet(scope, part, 'host'), then, always(space, LEAF.drop));
    case 'fwd':
      return always(space, LEAF.unknown);
    case 'unknown':
      return decide(freeSet(scope, part, 'not understood'), always(space, LEAF.unknown), then);
    default:
      return effectOf(scope, statement, part, then, next);
  }
}

function verdictDecision(
  run: ChainRun,
  verdict: Verdict,
  then: Decision,
  next: Decision,
  ends: Ends,
): Decision {
  const { space } = run.view.analysis;
  switch (verdict.kind) {
    case 'accept':
      return ends.accept;
    case 'drop':
      return always(space, LEAF.drop);
    case 'continue':
      return then;
    case 'return':
      return ends.fall;
    case 'jump':
      return chainDecision(run, verdict.chain, { ...ends, fall: next });
    case 'goto':
      return chainDecision(run, verdict.chain, ends);
    default:
      throw new Error(verdict satisfies never);
  }
}

/** A hit is a verdict, and a miss ends the rule. Keys of one map do not overlap, but for a last one that is for the rest. */
function vmapDecision(
  run: ChainRun,
  scope: Scope,
  statement: Statement & { readonly kind: 'vmap' },
  part: string,
  then: Decision,
  next: Decision,
  ends: Ends,
): Decision {
  const { space } = scope.view.analysis;
  const { key } = statement;
  const entries = verdictEntries(scope.table, statement.map);
  if (entries === undefined) return always(space, LEAF.unknown);
  hold(then);
  const groups = new Map<string, { verdict: Verdict; keys: (typeof entries)[number]['key'][] }>();
  const rest = entries.find((entry) => entry.key.kind === 'any');
  for (const { key: value, verdict } of entries) {
    if (value.kind === 'any') continue;
    const name = `${verdict.kind} ${'chain' in verdict ? verdict.chain : ''}`;
    const group = groups.get(name) ?? { verdict, keys: [] };
    group.keys.push(value);
    groups.set(name, group);
  }
  let decision =
    rest === undefined
      ? next
      : decide(
          conditionSet(space, keysCondition(scope, key, [rest.key], `${part} rest`)),
          verdictDecision(run, rest.verdict, then, next, ends),
          next,
        );
  for (const [name, { verdict, keys }] of groups) {
    hold(decision);
    const target = hold(verdictDecision(run, verdict, then, next, ends));
    const set = conditionSet(space, keysCondition(scope, key, keys, `${part} ${name}`));
    release(decision);
    release(target);
    if (!isEmpty(set)) decision = decide(set, target, decision);
  }
  release(then);
  return decision;
}

/** Chains that write what some rule reads, rewrite addresses, or call such a chain. */
function writingChains(view: RulesetView, table: Table): ReadonlySet<string> {
  const writing = new Set<string>();
  const calls = new Map<string, string[]>();
  for (const chain of table.chains) {
    const targets: string[] = [];
    for (const rule of chain.rules)
      for (const statement of rule.statements) {
        if (statement.kind === 'verdict' && 'chain' in statement.verdict)
          targets.push(statement.verdict.chain);
        if (statement.kind === 'vmap') {
          for (const { verdict } of verdictEntries(table, statement.map) ?? [])
            if ('chain' in verdict) targets.push(verdict.chain);
        }
        const field = writtenField(statement);
        if (field === 'address' || (field !== undefined && view.analysis.read.has(field)))
          writing.add(chain.name);
      }
    calls.set(chain.name, targets);
  }
  for (let before = -1; before !== writing.size; ) {
    before = writing.size;
    for (const [name, targets] of calls) if (targets.some((target) => writing.has(target))) writing.add(name);
  }
  return writing;
}
