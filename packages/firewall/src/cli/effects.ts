// What a change of moat's table does among the rules of everybody, as the machine is now.
import { hostOf, type Snapshot, snapshotRuleset, type Table } from '@moat/netfilter';
import { snapshotListeners } from '../kernel/snapshot-listeners.ts';
import { type Effects, effectsOf } from '../report/effects.ts';
import { withTable } from '../apply/whole-ruleset.ts';

/** Not known, and why. */
export interface NoEffects {
  readonly unknown: string;
}

/** Rules at most: more of them take too long for a command that people wait for. */
const MOST_RULES = 3000;
/** Steps of work for each family; a usual host takes a tenth of it. */
const EFFORT = 3_000_000;

/** From the table in force (in `snapshot`) to `table`. `moat plan` and `moat diff` have no bounds. */
export function changeEffects(
  snapshot: Snapshot,
  table: Table | undefined,
  bounds: { readonly rules: number; readonly effort: number } = { rules: MOST_RULES, effort: EFFORT },
): Effects | NoEffects {
  const { ruleset } = snapshotRuleset(snapshot);
  const count = ruleset.tables
    .flatMap(({ chains }) => chains)
    .reduce((sum, { rules }) => sum + rules.length, 0);
  if (count > bounds.rules) {
    return { unknown: `there are ${count} rules, too many to compare while you wait: \`moat plan\` does` };
  }
  if (snapshot.rulesets.nft === undefined) return { unknown: 'the rules of others could not be read' };
  return effectsOf({
    before: ruleset,
    after: withTable(ruleset, table),
    host: hostOf(snapshot),
    listeners: snapshotListeners(snapshot).listeners,
    effort: bounds.effort,
  });
}
