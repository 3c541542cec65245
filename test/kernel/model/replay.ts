// Replay: the same packets through two rulesets in a kernel, to see which of them fare differently.
import type { Injector, KernelVerdict } from '../../../lab/inject.ts';
import type { KernelPacket } from '../../../lab/probe.ts';
import { loadRuleset, type RulesetText } from './kernel-ruleset.ts';

export type Replayed = {
  readonly packet: KernelPacket;
  readonly before: KernelVerdict;
  readonly after: KernelVerdict;
};

/**
 * What the kernel does with each packet under the first and under the second ruleset. The interfaces of the packets are
 * made; `*`, any interface that no rule names, is `other0`. A ruleset that does not load throws.
 */
export async function replay(
  injector: Injector,
  before: readonly RulesetText[],
  after: readonly RulesetText[],
  packets: readonly KernelPacket[],
): Promise<Replayed[]> {
  const real = packets.map(onRealInterfaces);
  const names = real.flatMap(({ fields }) => [String(fields['iif'] ?? '-'), String(fields['oif'] ?? '-')]);
  await injector.addDevices(names.filter((name) => name !== '-'));
  const verdicts: KernelVerdict[][] = [];
  for (const texts of [before, after]) {
    const loaded = await loadRuleset(injector, texts);
    if (loaded.kind === 'refused') throw new Error(`the ruleset does not load: ${loaded.message}`);
    verdicts.push(await injector.inject(real));
  }
  return packets.map((packet, i) => ({ packet, before: verdicts[0]![i]!, after: verdicts[1]![i]! }));
}

function onRealInterfaces({ family, hook, fields }: KernelPacket): KernelPacket {
  const name = (field: 'iif' | 'oif'): string =>
    fields[field] === '*' ? 'other0' : String(fields[field] ?? '-');
  return { family, hook, fields: { ...fields, iif: name('iif'), oif: name('oif') } };
}
