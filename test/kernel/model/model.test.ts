// Model = kernel: every judge of the rules says of every packet what the kernel does. MOAT_MODEL_PACKETS=1000000 runs that many
// packets in all, MOAT_MODEL_SEED others, MOAT_RULESETS=FOLDER over other people's dumps.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assertPrivateNetwork } from '../../../lab/guard.ts';
import { buildInjector, type Injector, type InjectorProgram } from '../../../lab/inject.ts';
import { type ComparingResult, compareAll, summary } from './comparing.ts';
import type { Court } from './judge.ts';
import { randomRuleset } from './random-ruleset.ts';
import { type NamedRuleset, rulesetsToCompare } from './rulesets.ts';
import { SYMBOLIC_COURT } from './symbolic-court.ts';
import { WALKING_COURT } from './walking-court.ts';

assertPrivateNetwork();

const COURTS: readonly Court[] = [SYMBOLIC_COURT, WALKING_COURT];
const SEED = Number(process.env['MOAT_MODEL_SEED'] ?? 1);
/** In all; undefined: what a run of the suite has time for. */
const LONG =
  process.env['MOAT_MODEL_PACKETS'] === undefined ? undefined : Number(process.env['MOAT_MODEL_PACKETS']);
const TIMEOUT = LONG === undefined ? 600_000 : 3_600_000;

const REAL = { rulesets: 60, packets: 20_000 };
const RANDOM = { rulesets: 300, packets: 2000 };

let program: InjectorProgram;
let injector: Injector;
beforeAll(async () => {
  program = await buildInjector();
  injector = await program.start();
  await injector.addDevices(['eth0', 'eth1', 'br0', 'wlan0']);
});
afterAll(async () => {
  await injector.close();
  await program.remove();
});

async function run(
  what: string,
  rulesets: readonly NamedRuleset[],
  { rulesets: count, packets }: typeof REAL,
): Promise<ComparingResult> {
  const each = LONG === undefined ? packets : Math.ceil(LONG / count);
  const result = await compareAll(injector, COURTS, rulesets, { packets: each, seed: SEED, count });
  console.log([summary(what, SEED, result), ...result.stories].join('\n'));
  return result;
}

test(
  'rulesets of real tools',
  async () => {
    const result = await run('real rulesets', rulesetsToCompare(REAL.rulesets, SEED), REAL);
    if (process.env['MOAT_RULESETS'] === undefined) expect(result.refused).toEqual([]);
    expect(result.rulesets).toBe(REAL.rulesets);
    expect(result.stories).toEqual([]);
    expect(result.verdicts.get('lost')).toBeUndefined();
  },
  TIMEOUT,
);

test(
  'random rulesets of every construct',
  async () => {
    // A few of them nft itself refuses, or falls over.
    const many = Array.from({ length: Math.ceil(RANDOM.rulesets * 1.05) }, (_, i) => {
      const seed = SEED * 100_000 + i;
      return { name: `random ${seed}`, texts: randomRuleset(seed) };
    });
    const result = await run('random rulesets', many, RANDOM);
    expect(result.rulesets).toBe(RANDOM.rulesets);
    expect(result.stories).toEqual([]);
    expect(result.verdicts.get('lost')).toBeUndefined();
  },
  TIMEOUT,
);
