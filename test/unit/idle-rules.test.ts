// Rules that are said to do nothing, in random rulesets: without them every packet fares as with them.
import {
  beginAnalysis,
  type Chain,
  type IdleRule,
  idleRules,
  inSomeOrder,
  isEmpty,
  pairInput,
  type Rule,
  type Ruleset,
  readIptablesSave,
  rulesetDifferences,
  spaceFor,
} from '@moat/netfilter';
import { expect, test } from 'vitest';
import { randomFrom } from '../kernel/model/random.ts';
import { randomIptables } from '../kernel/model/random-iptables.ts';

function without(ruleset: Ruleset, gone: ReadonlySet<Rule>): Ruleset {
  const thinned = (chain: Chain): Chain => ({
    ...chain,
    rules: chain.rules.filter((rule) => !gone.has(rule)),
  });
  return {
    ...ruleset,
    tables: ruleset.tables.map((table) => ({ ...table, chains: table.chains.map(thinned) })),
  };
}

/** A few random rulesets write so much that they take long: they are left out. */
const BOUNDED = { effort: 300_000 };

function idleIn(ruleset: Ruleset): readonly IdleRule[] | undefined {
  const input = { family: 'ipv4', rulesets: [ruleset] } as const;
  const done = inSomeOrder({ ...spaceFor(input), ...BOUNDED }, (space) =>
    idleRules(beginAnalysis(space, input), ruleset),
  );
  return done.kind === 'done' ? done.value : undefined;
}

/** The roads on which packets fare otherwise for certain. */
function differ(before: Ruleset, after: Ruleset): string[] {
  const pair = { family: 'ipv4', before, after } as const;
  const done = inSomeOrder({ ...spaceFor(pairInput(pair)), ...BOUNDED }, (space) =>
    rulesetDifferences(space, pair).differences.flatMap(({ road, opened, closed, answered, silenced }) =>
      [opened, closed, answered, silenced].some(({ certain }) => !isEmpty(certain)) ? [road] : [],
    ),
  );
  return done.kind === 'done' ? done.value : [];
}

test('without an idle rule nothing is different', () => {
  const found: Record<IdleRule['kind'], number> = {
    contradiction: 0,
    hidden: 0,
    'not reached': 0,
    'no difference': 0,
  };
  for (let seed = 0; seed < 14; seed++) {
    const { ruleset } = readIptablesSave(randomIptables(randomFrom(seed + 500), 'ip'));
    const idle = idleIn(ruleset);
    if (idle === undefined) continue;
    for (const { kind } of idle) found[kind]++;
    // What can never match may go all at once; of what makes no difference each may be the reason of another.
    const never = idle.filter(({ kind }) => kind !== 'no difference' && kind !== 'not reached');
    expect(differ(ruleset, without(ruleset, new Set(never.map(({ rule }) => rule)))), `seed ${seed}`).toEqual(
      [],
    );
    for (const each of idle.filter(({ kind }) => kind === 'no difference').slice(0, 3)) {
      const place = `seed ${seed}: ${each.table.name} ${each.chain.name} ${each.number}`;
      expect(differ(ruleset, without(ruleset, new Set([each.rule]))), place).toEqual([]);
    }
  }
  for (const count of Object.values(found)) expect(count).toBeGreaterThan(1);
});
