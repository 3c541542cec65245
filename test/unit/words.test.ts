// Every extension of iptables that real rulesets use has words, and an owner.
import { ownerOfRule, readIptablesSave, ruleWords } from '@moat/netfilter';
import { expect, test } from 'vitest';
import { restoreText } from '../kernel/iptables-rules.ts';

test.each(['ip', 'ip6'] as const)('the rules of %stables', (family) => {
  const { ruleset } = readIptablesSave(restoreText(family), { family });
  const told = ruleset.tables.flatMap((table) =>
    table.chains.flatMap((chain) =>
      chain.rules.map((rule) => ({
        words: ruleWords(rule, table),
        owner: ownerOfRule(ruleset, table, chain, rule).name,
      })),
    ),
  );
  expect(told.length).toBeGreaterThan(75);
  for (const { words, owner } of told) {
    expect(words).toMatch(/^.+ → .+$/);
    expect(words).not.toMatch(/\[object|undefined|NaN|UNKNOWN/);
    expect(owner).toBe('iptables (by hand)');
  }
  // Rules that say something different are told differently.
  expect(new Set(told.map(({ words }) => words)).size).toBeGreaterThan(70);
});
