// A rule in plain English.
import type { Ipset } from '../../model/ipset.ts';
import type { BaseChain, Rule, Table } from '../../model/ruleset.ts';
import type { Statement } from '../../model/statement.ts';
import { conditionPhrases, conditionWords } from './condition.ts';
import { doneWords } from './effect.ts';
import type { Surroundings } from './value.ts';

/**
 * `tcp to port 80 arriving on eth0 → accept`. Every statement is in it but counters, in the order in which the kernel
 * goes through them: conditions behind an effect come after `; then, if`. What was not understood stands there as
 * it is written, after UNKNOWN. `ipsets`: those that iptables rules ask for; without them their size is not told.
 */
export function ruleWords(rule: Rule, table: Table, ipsets?: readonly Ipset[]): string {
  const around: Surroundings = ipsets === undefined ? { table } : { table, ipsets };
  const base = table.chains.find(({ name }) => name === rule.origin?.chain)?.base;
  return stepsOf(rule.statements, around)
    .map(({ conditions, effects }, i) => {
      const when = conditionWords(conditions, around);
      const done = doneOf(effects, around, base);
      if (i === 0) return `${when} → ${done}`;
      return conditions.length === 0 ? done : `then, if ${when} → ${done}`;
    })
    .join('; ');
}

/** Conditions, and what is done when they hold. */
interface Step {
  readonly conditions: Statement[];
  readonly effects: Statement[];
}

function stepsOf(statements: readonly Statement[], around: Surroundings): readonly Step[] {
  const steps: Step[] = [{ conditions: [], effects: [] }];
  const told = statements.filter(({ kind }) => kind !== 'counter' && kind !== 'last');
  for (const [i, statement] of told.entries()) {
    const last = steps.at(-1)!;
    // What was not understood and stands at the end may decide.
    const decides = statement.kind === 'unknown' && i === told.length - 1;
    if (decides || conditionPhrases(statement, around) === undefined) last.effects.push(statement);
    else if (last.effects.length === 0) last.conditions.push(statement);
    else steps.push({ conditions: [statement], effects: [] });
  }
  return steps;
}

function doneOf(effects: readonly Statement[], around: Surroundings, base: BaseChain | undefined): string {
  const done = effects.flatMap((effect) => doneWords(effect, around, base) ?? []);
  return done.length === 0 ? 'only count' : done.join(', ');
}
