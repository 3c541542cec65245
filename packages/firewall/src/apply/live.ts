// Which sentences the loaded rules were made from: what has ended since is still among them, and says nothing.
import type { Table } from '@moat/netfilter';
import { gateName } from '../compile/gate.ts';
import type { Policy } from '../policy/model.ts';

/** The policy as it was compiled for `table`: sentences that ended later are in it, behind gates that are shut by now. */
export function compiledInto(policy: Policy, table: Table): Policy {
  const sets = new Set(table.sets.map(({ name }) => name));
  const rules = policy.rules.filter(({ until }) => until === undefined || sets.has(gateName(until)));
  return rules.length === policy.rules.length ? policy : { ...policy, rules };
}
