// Packets on their way through a chain, rule by rule: which of them each rule is asked about, matches, and keeps.
//
//   all ──▶ rule 1 ──onward──▶ rule 2 ──onward──▶ … ──▶ what comes to the chain's end or returns
//             │ kept             │ kept
import type { Chain, Rule } from '../model/ruleset.ts';
import type { Statement } from '../model/statement.ts';
import type { Verdict } from '../model/verdict.ts';
import { rejectNeeds } from '../semantics/reading.ts';
import { hasField } from '../space/fields.ts';
import { forEvery, forSome } from '../space/packet-fields.ts';
import { intersectPackets, isEmpty, noPackets, subtractPackets, unionPackets } from '../space/packet-set.ts';
import { hold, type PacketSet, release } from '../space/packet-space.ts';
import type { ChainRun } from './chain-decision.ts';
import { ALWAYS, conditionSet } from './condition.ts';
import { headerCondition, writtenField } from './effect.ts';
import { keysCondition } from './match-condition.ts';
import { needed } from './need.ts';
import type { Scope } from './scope.ts';
import { statementCondition } from './statement-condition.ts';
import { verdictEntries } from './verdict-map.ts';

/** What happened at a rule, over all ways that lead to it. The sets are held. */
export interface RuleTraffic {
  /** Packets that came to it. */
  readonly asked: PacketSet;
  /** Those of them that may fulfil its conditions. */
  readonly matched: PacketSet;
  /** Those that certainly went no further than this rule. */
  readonly kept: PacketSet;
}

export interface Traffic {
  readonly rules: Map<Rule, RuleTraffic>;
  /** The chains that packets came to, at each place. */
  readonly visited: Map<ChainRun, Set<Chain>>;
}

/**
 * Sends the packets through the chain and all that it calls, and gives those that may come out of it again. What is
 * unknown goes both ways; after a rule that writes a field the field may be anything.
 */
export function sendThrough(run: ChainRun, chain: Chain, packets: PacketSet, traffic: Traffic): PacketSet {
  const { space } = run.view.analysis;
  if (isEmpty(packets) || run.open.includes(chain.name)) return packets;
  run.open.push(chain.name);
  const visited = traffic.visited.get(run) ?? new Set();
  traffic.visited.set(run, visited.add(chain));
  let left = packets;
  let returned = noPackets(space);
  for (const rule of chain.rules) {
    const passage = throughRule(run, chain, rule, left, traffic);
    returned = unionPackets(space, [returned, passage.returned]);
    note(traffic, rule, {
      asked: left,
      matched: passage.matched,
      kept: subtractPackets(subtractPackets(left, passage.onward), passage.returned),
    });
    left = passage.onward;
    if (isEmpty(left)) break;
  }
  run.open.pop();
  return unionPackets(space, [returned, left]);
}

function note(traffic: Traffic, rule: Rule, now: RuleTraffic): void {
  const before = traffic.rules.get(rule);
  const { space } = now.asked;
  const join = (key: keyof RuleTraffic): PacketSet =>
    hold(before === undefined ? now[key] : unionPackets(space, [before[key], now[key]]));
  const joined = { asked: join('asked'), matched: join('matched'), kept: join('kept') };
  if (before !== undefined) for (const set of Object.values(before)) release(set);
  traffic.rules.set(rule, joined);
}

interface Passage {
  readonly matched: PacketSet;
  /** To the next rule. */
  readonly onward: PacketSet;
  /** Out of the chain. */
  readonly returned: PacketSet;
}

function throughRule(run: ChainRun, chain: Chain, rule: Rule, packets: PacketSet, traffic: Traffic): Passage {
  const { view, table, place } = run;
  const { space, free } = view.analysis;
  const scope: Scope = { view, table, chain: chain.name, rule, place };
  let here = packets;
  let onward = noPackets(space);
  let returned = noPackets(space);
  let matched: PacketSet | undefined;
  const goOn = (set: PacketSet): void => {
    onward = unionPackets(space, [onward, set]);
  };
  const follow = (verdict: Verdict, set: PacketSet): PacketSet => {
    switch (verdict.kind) {
      case 'continue':
        return set;
      case 'accept':
      case 'drop':
        return noPackets(space);
      case 'return':
        returned = unionPackets(space, [returned, set]);
        return noPackets(space);
      case 'jump':
      case 'goto': {
        const target = run.chains.get(verdict.chain);
        const out = target === undefined ? set : sendThrough(run, target, set, traffic);
        if (verdict.kind === 'jump') goOn(out);
        else returned = unionPackets(space, [returned, out]);
        return noPackets(space);
      }
      default:
        throw new Error(verdict satisfies never);
    }
  };
  for (const [i, statement] of rule.statements.entries()) {
    const condition = statementCondition(scope, statement, String(i));
    if (condition !== undefined) {
      const set = conditionSet(space, condition);
      const unknowns = [...free.keys()];
      goOn(subtractPackets(here, forEvery(set, unknowns)));
      here = intersectPackets(here, forSome(set, unknowns));
      continue;
    }
    if (statement.kind === 'vmap') {
      const entries = verdictEntries(table, statement.map) ?? [];
      let missed = here;
      let stays = noPackets(space);
      const keys = entries.map(({ key, verdict }, n) => {
        const set = conditionSet(space, keysCondition(scope, statement.key, [key], `${i} ${n}`));
        return { set: intersectPackets(here, set), verdict, isRest: key.kind === 'any' };
      });
      for (const { set, verdict, isRest } of keys) {
        const now = isRest ? intersectPackets(missed, set) : set;
        missed = subtractPackets(missed, now);
        stays = unionPackets(space, [stays, follow(verdict, now)]);
      }
      matched ??= subtractPackets(here, missed);
      goOn(missed);
      here = stays;
      continue;
    }
    if (isAction(statement)) matched ??= here;
    here = acted(scope, statement, here, goOn, follow);
  }
  goOn(here);
  return { matched: matched ?? here, onward, returned };
}

function isAction({ kind }: Statement): boolean {
  return kind !== 'counter' && kind !== 'log' && kind !== 'last';
}

/** The packets that go on to the next statement. */
function acted(
  scope: Scope,
  statement: Statement,
  packets: PacketSet,
  goOn: (set: PacketSet) => void,
  follow: (verdict: Verdict, set: PacketSet) => PacketSet,
): PacketSet {
  const { space } = scope.view.analysis;
  switch (statement.kind) {
    case 'verdict':
      return follow(statement.verdict, packets);
    case 'reject': {
      const needs = rejectNeeds(statement, scope.place);
      const told =
        needs === 'nothing' ? noPackets(space) : conditionSet(space, needed(scope, needs, ALWAYS, 'reject'));
      goOn(subtractPackets(packets, told));
      return noPackets(space);
    }
    case 'mangle': {
      // A map may have nothing for a packet, which then goes on.
      if (statement.value.kind === 'expression') goOn(packets);
      const set = conditionSet(space, headerCondition(scope, statement.key));
      goOn(subtractPackets(packets, set));
      return written(scope, statement, intersectPackets(packets, set));
    }
    case 'fwd':
      return noPackets(space);
    case 'queue':
    case 'nat':
      // A map may have nothing for a packet, which then goes on.
      if (statement.kind === 'nat' && statement.address?.kind === 'expression') goOn(packets);
      return noPackets(space);
    case 'unknown':
    case 'tproxy':
    case 'synproxy':
      goOn(packets);
      return packets;
    default:
      return written(scope, statement, packets);
  }
}

function written({ view }: Scope, statement: Statement, packets: PacketSet): PacketSet {
  const field = writtenField(statement);
  const isThere = field !== undefined && hasField(view.analysis.space.layout, field);
  return isThere ? forSome(packets, [field]) : packets;
}
