// Model = kernel on rulesets of real tools. MOAT_RULESETS=FOLDER: on other people's dumps.
import { expect, test } from 'vitest';
import { expectAsKernel, SEED, TIMEOUT } from './against-kernel.ts';
import { rulesetsToCompare } from './rulesets.ts';

const REAL = { count: 60, packets: 20_000 };

test(
  'rulesets of real tools',
  async () => {
    const refused = await expectAsKernel('real rulesets', rulesetsToCompare(REAL.count, SEED), REAL);
    if (process.env['MOAT_RULESETS'] === undefined) expect(refused).toEqual([]);
  },
  TIMEOUT,
);
