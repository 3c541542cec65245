// Which base chains the kernel calls at a hook, and in which order.
import type { Chain, Hook, Ruleset, Table } from '../model/ruleset.ts';

/** A base chain with the table that it stands in. */
export interface BaseAt {
  readonly table: Table;
  readonly chain: Chain;
  /** Where the kernel really calls it: chains of NAT all stand where the kernel's own NAT does (nf_nat_proto.c). */
  readonly priority: number;
}

export const NAT_PRIORITY: Readonly<Partial<Record<Hook, number>>> = {
  prerouting: -100,
  output: -100,
  input: 100,
  postrouting: 100,
};
/** NF_IP_PRI_CONNTRACK. */
export const CONNTRACK_PRIORITY = -200;

/** The base chains that the kernel calls at a hook for packets of the family, in its order. */
export function baseChains(ruleset: Ruleset, hook: Hook, family: 'ipv4' | 'ipv6'): BaseAt[] {
  const own = family === 'ipv4' ? 'ip' : 'ip6';
  const found: BaseAt[] = [];
  for (const table of ruleset.tables) {
    if (table.dormant === true || (table.family !== own && table.family !== 'inet')) continue;
    for (const chain of table.chains) {
      if (chain.base?.hook !== hook) continue;
      const priority =
        chain.base.type === 'nat' ? (NAT_PRIORITY[hook] ?? chain.base.priority) : chain.base.priority;
      found.push({ table, chain, priority });
    }
  }
  // Of two at one place the one that was registered later comes first (net/netfilter/core.c nf_hook_entries_grow).
  return found
    .reverse()
    .sort((a, b) => a.priority - b.priority || a.chain.base!.priority - b.chain.base!.priority);
}
