// Random ruleset: what is loaded for one case of the comparison with the kernel, out of a number.
import type { RulesetText } from './kernel-ruleset.ts';
import { randomFrom } from './random.ts';
import { randomIptables } from './random-iptables.ts';
import { randomNft } from './random-nft.ts';

/** Half are nft's, the rest iptables of either backend and family; some are both at once, as on real machines. */
export function randomRuleset(seed: number): readonly RulesetText[] {
  const random = randomFrom(seed);
  const iptables = (): RulesetText => {
    const family = random.pick(['ip', 'ip', 'ip6'] as const);
    const backend = random.pick(['nft', 'nft', 'legacy'] as const);
    return { tool: `${family}tables-${backend}`, text: randomIptables(random, family) };
  };
  const at = random.int(10);
  if (at < 5) return [{ tool: 'nft', text: randomNft(random) }];
  return at < 9 ? [iptables()] : [{ tool: 'nft', text: randomNft(random) }, iptables()];
}
