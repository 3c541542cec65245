// How long sentences that end will still say something.
import type { Table } from '@moat/netfilter';
import { gateName } from '../compile/gate.ts';
import type { RuleSentence } from '../policy/model.ts';

/**
 * For a rule, the whole seconds until it ends: as the kernel has it (`loaded`), else by the clock (`now`, seconds since
 * 1970). 0: it has ended; undefined: it does not end.
 */
export function timeLeftIn(
  loaded: Table | undefined,
  now: number,
): (rule: Pick<RuleSentence, 'until'>) => number | undefined {
  const gates = new Map(loaded?.sets.map((set) => [set.name, set]));
  return ({ until }) => {
    if (until === undefined) return undefined;
    const gate = gates.get(gateName(until));
    return gate === undefined ? Math.max(0, until - now) : (gate.expires?.[0] ?? 0);
  };
}
