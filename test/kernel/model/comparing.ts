// Comparing: rulesets by the dozen, packets by the thousand, and a report that a person can act on.
import { type Address, formatAddress } from '@moat/netfilter';
import type { Injector, KernelVerdict } from '../../../lab/inject.ts';
import type { KernelPacket } from '../../../lab/probe.ts';
import { edgeDevices, edgePackets, mixFor } from './edge-packets.ts';
import { type Court, compare, type Difference } from './judge.ts';
import { loadRuleset, type RulesetText } from './kernel-ruleset.ts';
import { minimise } from './minimise.ts';
import { randomFrom } from './random.ts';
import type { NamedRuleset } from './rulesets.ts';

export type ComparingResult = {
  readonly rulesets: number;
  readonly packets: number;
  readonly refused: readonly string[];
  /** Court → packets of which it does not know. */
  readonly unknown: ReadonlyMap<string, number>;
  readonly verdicts: ReadonlyMap<KernelVerdict, number>;
  /** Of all courts. */
  readonly differences: number;
  /** The first difference of each of the first rulesets that have any, in words, with the few lines that it takes. */
  readonly stories: readonly string[];
};

/** A differing ruleset is made small only so often: it takes seconds. */
const MOST_STORIES = 3;

/** `packets` are those for each ruleset. At most `count` rulesets that load are compared. */
export async function compareAll(
  injector: Injector,
  courts: readonly Court[],
  rulesets: readonly NamedRuleset[],
  options: { readonly packets: number; readonly seed: number; readonly count: number },
): Promise<ComparingResult> {
  const refused: string[] = [];
  const unknown = new Map<string, number>();
  const verdicts = new Map<KernelVerdict, number>();
  const stories: string[] = [];
  let [done, packets, differences] = [0, 0, 0];
  for (const { name, texts } of rulesets) {
    if (done === options.count) break;
    const loaded = await loadRuleset(injector, texts);
    if (loaded.kind === 'refused') {
      refused.push(`${name}: ${loaded.message.split('\n')[0]}`);
      continue;
    }
    done += 1;
    const { ruleset } = loaded;
    const random = randomFrom(options.seed + done);
    await injector.addDevices(edgeDevices(ruleset, random));
    const made = edgePackets(ruleset, injector.devices, mixFor(ruleset), random, options.packets);
    const found = await compare(injector, ruleset, courts, made);
    packets += found.packets;
    differences += found.differences.length;
    for (const [court, times] of found.unknown) unknown.set(court, (unknown.get(court) ?? 0) + times);
    for (const [verdict, times] of found.verdicts)
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + times);
    const first = found.differences[0];
    if (first !== undefined && stories.length < MOST_STORIES) {
      const small = await minimise(
        injector,
        texts,
        first,
        courts.find(({ name: court }) => court === first.court)!,
      );
      stories.push(story(name, options.seed, found.differences, small));
    }
  }
  return { rulesets: done, packets, refused, unknown, verdicts, differences, stories };
}

/** The line that a run prints. */
export function summary(what: string, seed: number, result: ComparingResult): string {
  const { rulesets, packets, refused, unknown, verdicts, differences } = result;
  const counts = (of: ReadonlyMap<string, number>): string =>
    Array.from(of, ([word, times]) => `${word} ${times}`).join(', ') || 'none';
  return `${what}: ${rulesets} rulesets, ${packets} packets (${counts(verdicts)}), ${differences} differences, not known: ${counts(unknown)}, ${refused.length} not loaded, seed ${seed}`;
}

function story(
  name: string,
  seed: number,
  differences: readonly Difference[],
  small: readonly RulesetText[],
): string {
  const { court, packet, kernel, judged } = differences[0]!;
  return [
    `${name}, seed ${seed}: ${differences.length} differences; the first: ${court} says ${judged}, the kernel says ${kernel} of`,
    packetText(packet),
    ...small.map(({ tool, text }) => `with (${tool}):\n${text}`),
  ].join('\n');
}

function packetText({ family, hook, fields }: KernelPacket): string {
  const words = Object.entries(fields).map(
    ([field, value]) =>
      `${field} ${typeof value === 'object' ? formatAddress(value as Address) : String(value)}`,
  );
  return `  ${family} ${hook}: ${words.join(', ')}`;
}
