// Minimise: the few lines of a ruleset without which a judge and the kernel would agree about a packet.
import type { Injector } from '../../../lab/inject.ts';
import { type Court, compare, type Difference } from './judge.ts';
import { loadRuleset, type RulesetText } from './kernel-ruleset.ts';

/** Leaves out lines, many at once and then fewer, as long as what remains loads and the judge is still wrong. */
export async function minimise(
  injector: Injector,
  texts: readonly RulesetText[],
  { packet }: Difference,
  court: Court,
  mostTrials = 300,
): Promise<readonly RulesetText[]> {
  let trials = 0;
  const isWrong = async (candidate: readonly RulesetText[]): Promise<boolean> => {
    trials += 1;
    const loaded = await loadRuleset(injector, candidate);
    if (loaded.kind === 'refused') return false;
    const { differences } = await compare(injector, loaded.ruleset, [court], [packet]);
    return differences.length > 0;
  };
  let kept = texts;
  for (const place of texts.keys()) {
    let lines = texts[place]!.text.split('\n');
    for (
      let size = Math.ceil(lines.length / 2);
      size >= 1 && trials < mostTrials;
      size = Math.floor(size / 2)
    ) {
      for (let at = 0; at < lines.length && trials < mostTrials; ) {
        const fewer = [...lines.slice(0, at), ...lines.slice(at + size)];
        const candidate = kept.with(place, { ...kept[place]!, text: fewer.join('\n') });
        if (await isWrong(candidate)) {
          kept = candidate;
          lines = fewer;
        } else at += size;
      }
    }
  }
  return kept;
}
