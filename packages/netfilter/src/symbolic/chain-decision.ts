// Chains as decisions: backwards, rule by rule, each before what comes after it.
//
//   rule 1:  match A → accept        decision = A ? accept
//   rule 2:  match B → jump c                 : (B ? (c, and where c returns: rest) : rest)
//   …                                rest     = rule 3 and so on
import type { Chain, Rule, Table } from '../model/ruleset.ts';
import type { Statement } from '../model/statement.ts';
import type { Verdict } from '../model/verdict.ts';
import { type Place, rejectNeeds } from '../semantics/reading.ts';
import { always, decide, isConstant, LEAF, thenDecide } from '../space/decision.ts';
import { isEmpty, samePackets } from '../space/packet-set.ts';
import { type Decision, hold, release, tidySpace } from '../space/packet-space.ts';
import { ALWAYS, both, type Condition, conditionSet, decideIf } from './condition.ts';
import { effectOf, writtenField } from './effect.ts';
import type { Ends, Mapped } from './ends.ts';
import { mappedDecision } from './mapping.ts';
import { keysCondition } from './match-condition.ts';
import { needed } from './need.ts';
import { freeSet, type RulesetView, type Scope } from './scope.ts';
import {
  ACCEPTED,
  isInert,
  NEXT,
  ofOneProtocol,
  rowsDecision,
  ruleBlocks,
  simpleRows,
} from './simple-rules.ts';
import { statementCondition } from './statement-condition.ts';
import { verdictEntries } from './verdict-map.ts';

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
  /** Base chains that were looked at. */
  readonly base: Set<string>;
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
    base: new Set(),
    open: [],
  };
}

/** The chain with what comes after it. */
export function chainDecision(run: ChainRun, name: string, ends: Ends): Decision {
  const { space } = run.view.analysis;
  const chain = run.chains.get(name);
  // The kernel has no loops; a file may.
  if (chain === undefined || run.open.includes(name)) return always(space, LEAF.unknown);
  const alone = isCheaperAtOnce(run, name, ends) ? undefined : knownChain(run, name, ends);
  return alone === undefined ? rulesDecision(run, chain, ends) : followedBy(alone, ends);
}

/** Before one verdict for all packets a chain is no larger than alone. Who is called again is worth to be remembered. */
function isCheaperAtOnce(run: ChainRun, name: string, { accept, fall }: Ends): boolean {
  if (run.open.length > 0 || run.alone.has(name) || run.base.has(name)) return false;
  run.base.add(name);
  return isConstant(accept) && isConstant(fall);
}

/** The chain alone; undefined if there is no such chain or what it does depends on what comes after it. */
function knownChain(run: ChainRun, name: string, ends: Ends): Decision | undefined {
  const chain = run.chains.get(name);
  if (chain === undefined || run.open.includes(name) || run.writing.has(name)) return undefined;
  const kept = [ends.accept, ends.fall];
  for (const each of kept) hold(each);
  const alone = aloneDecision(run, chain);
  for (const each of kept) release(each);
  return alone;
}

/** A chain that was looked at alone, before what comes after it. */
function followedBy(alone: Decision, ends: Ends): Decision {
  // In this order the second pass is over the chain alone and not over all that comes after it, too.
  return thenDecide(thenDecide(alone, ends.accept, ACCEPTED), ends.fall, LEAF.fall);
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
  for (const { from, to, isSimple } of ruleBlocks(chain.rules).reverse()) {
    let simple = isSimple;
    for (let end = to; end > from; ) {
      hold(decision);
      const scope = { view: run.view, table: run.table, chain: chain.name, place: run.place };
      const rows = simple ? simpleRows(scope, chain.rules, from, end, ends) : undefined;
      let before = rows && rowsDecision(space, rows.rows, ends);
      let begin = rows?.from ?? end - 1;
      if (!simple || (rows !== undefined && before === undefined)) {
        simple = false;
        begin = Math.max(from, isLong ? end - PART : 0);
      }
      const after = isLong || before !== undefined ? always(space, NEXT) : decision;
      before ??= partDecision(run, chain, begin, end, ends, after);
      release(decision);
      decision = after === decision ? before : thenDecide(before, decision, NEXT);
      hold(decision);
      tidySpace(space);
      release(decision);
      end = begin;
    }
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
  const { space } = view.analysis;
  const scope: Scope = { view, table, chain: chain.name, rule, place };
  hold(next);
  let then = next;
  /** Conditions to the right of which `then` stands and that were not applied yet. */
  let condition: Condition = ALWAYS;
  /** A chain that is called, for the packets that come to it: FALL for all others. It is put before `next` only then. */
  let called: Decision | undefined;
  const settle = (): void => {
    if (condition === ALWAYS) return;
    if (called !== undefined) {
      const fall = always(space, LEAF.fall);
      called = decideIf(space, condition, called, fall);
    } else if (!samePackets(then, next)) {
      // Without a difference there is nothing to ask; this is what most rules that only log come to.
      then = decideIf(space, condition, then, next);
    }
    condition = ALWAYS;
  };
  const call = (): void => {
    settle();
    if (called !== undefined) then = followedBy(called, { ...ends, fall: next });
    called = undefined;
  };
  const statements = ofOneProtocol(rule.statements);
  for (let i = statements.length - 1; i >= 0; i--) {
    const statement = statements[i]!;
    const part = String(i);
    const asked =
      called === undefined && samePackets(then, next) && condition === ALWAYS
        ? undefined
        : statementCondition(scope, statement, part);
    if (asked !== undefined) {
      condition = both(asked, condition);
      continue;
    }
    if (isCondition(statement) || isInert(statement)) continue;
    if (statement.kind === 'verdict' && statement.verdict.kind === 'jump') {
      called = knownChain(run, statement.verdict.chain, ends);
      condition = ALWAYS;
      if (called !== undefined) continue;
    }
    call();
    then = actionDecision(run, scope, statement, part, then, next, ends);
  }
  call();
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
