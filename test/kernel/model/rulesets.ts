// Rulesets: what the comparison with the kernel is run over: dumps of real tools, other people's if there are any, and more
// of realistic shape.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type RulesetText, rulesetText } from './kernel-ruleset.ts';
import { randomFrom } from './random.ts';
import { realisticRuleset } from './realistic-ruleset.ts';

const OWN = fileURLToPath(new URL('../../rulesets', import.meta.url));

export type NamedRuleset = { readonly name: string; readonly texts: readonly RulesetText[] };

/**
 * Dumps in the folder that MOAT_RULESETS names, and without it those in test/rulesets, each iptables dump once for either
 * backend, with generated ones up to `count`.
 */
export function rulesetsToCompare(count: number, seed: number): NamedRuleset[] {
  const folder = process.env['MOAT_RULESETS'];
  if (folder !== undefined) {
    // Some more than are compared: not all of them load.
    return randomFrom(seed).some(dumpsIn(folder, ['nft']), 2 * count);
  }
  const own = dumpsIn(OWN, ['nft', 'legacy']);
  const more = Array.from({ length: Math.max(0, count - own.length) }, (_, seed) => realisticRuleset(seed));
  return [...own, ...more];
}

function dumpsIn(folder: string, backends: readonly ('nft' | 'legacy')[]): NamedRuleset[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name))
    .sort();
  return files.flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    const found = backends.flatMap((backend) => rulesetText(text, backend) ?? []);
    const different = found.filter(({ tool }, i) => found.findIndex((each) => each.tool === tool) === i);
    return different.map((each) => ({ name: `${basename(file)} (${each.tool})`, texts: [each] }));
  });
}
