// Model = kernel on random rulesets, of every construct there is.
import { test } from 'vitest';
import { expectAsKernel, SEED, TIMEOUT } from './against-kernel.ts';
import { randomRuleset } from './random-ruleset.ts';

const RANDOM = { count: 300, packets: 2000 };

test(
  'random rulesets of every construct',
  async () => {
    // A few of them nft itself refuses, or falls over.
    const many = Array.from({ length: Math.ceil(RANDOM.count * 1.05) }, (_, i) => {
      const seed = SEED * 100_000 + i;
      return { name: `random ${seed}`, texts: randomRuleset(seed) };
    });
    await expectAsKernel('random rulesets', many, RANDOM);
  },
  TIMEOUT,
);
