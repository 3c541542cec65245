// Against the kernel: rulesets, with all judges of the rules, for as long as a run of the suite has time or as it was told.
// MOAT_MODEL_PACKETS=1000000 runs that many packets of each kind of rulesets, MOAT_MODEL_SEED others.
import { expect } from 'vitest';
import { assertPrivateNetwork } from '../../../lab/guard.ts';
import { buildInjector } from '../../../lab/inject.ts';
import { compareAll, summary } from './comparing.ts';
import type { Court } from './judge.ts';
import type { NamedRuleset } from './rulesets.ts';
import { SYMBOLIC_COURT } from './symbolic-court.ts';
import { WALKING_COURT } from './walking-court.ts';

const COURTS: readonly Court[] = [SYMBOLIC_COURT, WALKING_COURT];
export const SEED = Number(process.env['MOAT_MODEL_SEED'] ?? 1);
/** Of one kind; undefined: what a run of the suite has time for. */
const LONG =
  process.env['MOAT_MODEL_PACKETS'] === undefined ? undefined : Number(process.env['MOAT_MODEL_PACKETS']);
export const TIMEOUT = 3_600_000;

/**
 * Expects of `count` of the rulesets, with so many packets each, that nobody differs from the kernel. Prints the figures.
 * @returns the rulesets that no program would load
 */
export async function expectAsKernel(
  what: string,
  rulesets: readonly NamedRuleset[],
  { count, packets }: { readonly count: number; readonly packets: number },
): Promise<readonly string[]> {
  assertPrivateNetwork();
  const program = await buildInjector();
  const injector = await program.start();
  try {
    await injector.addDevices(['eth0', 'eth1', 'br0', 'wlan0']);
    const each = LONG === undefined ? packets : Math.ceil(LONG / count);
    const result = await compareAll(injector, COURTS, rulesets, { packets: each, seed: SEED, count });
    console.log([summary(what, SEED, result), ...result.stories].join('\n'));
    expect(result.rulesets).toBe(count);
    expect(result.stories).toEqual([]);
    expect(result.verdicts.get('lost')).toBeUndefined();
    return result.refused;
  } finally {
    await injector.close();
    await program.remove();
  }
}
