// A machine that passes on IPv6 for everybody, since no rule says for whom.
import { type Chain, calledChains, type Table } from '@moat/netfilter';
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';

export function ipv6Forwarding({ snapshot, ruleset }: Facts): Finding[] {
  const sysctls = snapshot?.sysctls;
  // Not known which rules there are.
  if (sysctls === undefined || snapshot?.rulesets.nft === undefined) return [];
  const on = Object.keys(sysctls).filter(
    (path) => /^net\/ipv6\/conf\/[^/]+\/forwarding$/.test(path) && sysctls[path] === '1',
  );
  const links = on.map((path) => path.split('/')[3] ?? '').filter((name) => name !== 'default');
  if (links.length === 0) return [];
  const isDecided = ruleset.tables.some(
    (table) =>
      (table.family === 'inet' || table.family === 'ip6') &&
      table.chains.some(
        (chain) => chain.base?.hook === 'forward' && (chain.base.policy === 'drop' || decides(table, chain)),
      ),
  );
  if (isDecided) return [];
  return [
    {
      id: 'ipv6-forwarding',
      severity: 'medium',
      what: `IPv6 forwarding is on (${links.includes('all') ? 'everywhere' : links.join(', ')}), and no rule is about what is forwarded`,
      why: 'whoever reaches this machine reaches the networks and containers behind it, which IPv6 gives public addresses',
      mend: ['moat enable'],
    },
  ];
}

/** Whether there is a rule in it, or in what it calls: programs leave empty chains behind. */
function decides(table: Table, chain: Chain): boolean {
  return chain.rules.some((rule) => {
    const called = calledChains(rule, table);
    return (
      called.length === 0 ||
      table.chains.some((other) => called.includes(other.name) && decides(table, other))
    );
  });
}
