// What a change of moat's table does among the rules of everybody, as the machine was just before it.
import { hostOf, snapshotRuleset, type Table, tableDifferences } from '@moat/netfilter';
import type { Plan } from '../apply/plan.ts';
import { withTable } from '../apply/whole-ruleset.ts';
import { snapshotListeners } from '../kernel/snapshot-listeners.ts';
import { type Effects, effectsOf } from '../report/effects.ts';
import { effectLines, effectsJson } from '../report/effects-text.ts';

export interface Bounds {
  /** Rules of all owners. */
  readonly rules: number;
  /** Steps of work for each family; a usual host takes a tenth of the usual bound. */
  readonly effort: number;
}

/** For commands that people wait for. */
const QUICK: Bounds = { rules: 2000, effort: 3_000_000 };

/** As lines of a plan (`keeps`: with what stays as it is) and as JSON; nothing where no rule changes. */
export function planEffects(
  plan: Plan,
  bounds: Bounds = QUICK,
): { readonly lines: (keeps: boolean) => string[]; readonly json: object | null } {
  const effects = effectsOfPlan(plan, bounds);
  if (effects === undefined) return { lines: () => [], json: null };
  if (typeof effects === 'string') {
    return { lines: () => [`note: ${effects}`], json: { noEffect: null, unknown: effects } };
  }
  return { lines: (keeps) => effectLines(effects, { keeps }), json: effectsJson(effects) };
}

/** Text: why it is not known. */
function effectsOfPlan(
  { snapshot, table, current, change }: Plan,
  bounds: Bounds,
): Effects | string | undefined {
  if (table === undefined || change === undefined) return undefined;
  if (snapshot === undefined)
    return 'what changes for packets was not worked out: the sets are too large for that while you wait';
  if (snapshot.rulesets.nft === undefined) return 'what changes is not known: the rules could not be read';
  const { ruleset } = snapshotRuleset(snapshot);
  const count = ruleset.tables
    .flatMap(({ chains }) => chains)
    .reduce((sum, { rules }) => sum + rules.length, 0);
  if (count > bounds.rules)
    return `there are ${count} rules, too many to compare while you wait: \`moat plan\` does`;
  return effectsOf({
    before: withTable(ruleset, current),
    after: withTable(ruleset, current === undefined ? table : sharing(table, current)),
    host: hostOf(snapshot),
    listeners: snapshotListeners(snapshot).listeners,
    effort: bounds.effort,
  });
}

/** The new table with the old one's chains where they say the same, so that what is unknown in them is the same. */
function sharing(table: Table, current: Table): Table {
  const changed = new Set(tableDifferences(table, current).map(({ object }) => object));
  const chains = table.chains.map((chain) => {
    const old = current.chains.find(({ name }) => name === chain.name);
    return old === undefined || changed.has(`chain ${chain.name}`) ? chain : old;
  });
  return { ...table, chains };
}
