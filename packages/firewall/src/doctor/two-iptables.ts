// Rules in both backends of iptables, legacy and nft: both decide, and each tool shows one of them only.
import type { SnapshotRulesets } from '@moat/netfilter';
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';

export function twoIptables({ snapshot, machine }: Facts): Finding[] {
  if (snapshot === undefined) return [];
  const { iptables, ip6tables, iptablesLegacy, ip6tablesLegacy }: SnapshotRulesets = snapshot.rulesets;
  const modern = { iptables, ip6tables };
  const legacy = { iptables: iptablesLegacy, ip6tables: ip6tablesLegacy };
  if (!Object.values(modern).some(decides) || !Object.values(legacy).some(decides)) return [];
  const [used, left, rules] =
    machine?.iptables === 'legacy'
      ? (['legacy', 'nft', modern] as const)
      : (['nft', 'legacy', legacy] as const);
  return [
    {
      id: 'two-iptables',
      severity: 'medium',
      what: 'iptables has rules in both of its backends, legacy and nft',
      why: `both decide, and \`iptables -L\` shows those of ${used} only; the ones in ${left} are mostly left over from before a change of backend`,
      mend: Object.entries(rules).flatMap(([program, text]) => clearing(`${program}-${left}`, text ?? '')),
    },
  ];
}

/** Whether what iptables-save printed refuses, accepts or changes anything. */
function decides(text: string | undefined): boolean {
  return text !== undefined && /^(\[\d+:\d+\] )?-A |^:\S+ DROP/m.test(text);
}

/** What empties those tables; first nothing is refused by policy any more. */
function clearing(program: string, text: string): string[] {
  return text
    .split(/^\*/m)
    .slice(1)
    .filter(decides)
    .flatMap((table) => {
      const command = `${program} -t ${/^\w+/.exec(table)?.[0] ?? 'filter'}`;
      const dropping = [...table.matchAll(/^:(\S+) DROP/gm)].map(
        ([, chain]) => `${command} -P ${chain} ACCEPT`,
      );
      return [...dropping, `${command} -F`, `${command} -X`];
    });
}
