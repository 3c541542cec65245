// Symbolic court: the packet sets of the analysis, asked for single packets.
import {
  type Decision,
  type FieldValue,
  type IpFamily,
  packetSpace,
  possibleLeaves,
  type Ruleset,
} from '@moat/netfilter';
import type { KernelPacket, ProbeDevice } from '../../../lab/probe.ts';
import { LEAF } from '../../../packages/netfilter/src/space/decision.ts';
import { hold } from '../../../packages/netfilter/src/space/packet-space.ts';
import { beginAnalysis, interfaceWord, spaceFor } from '../../../packages/netfilter/src/symbolic/analysis.ts';
import { roadDecision } from '../../../packages/netfilter/src/symbolic/road.ts';
import { viewOf } from '../../../packages/netfilter/src/symbolic/scope.ts';
import type { Court, Judgement } from './judge.ts';
import { probeHost } from './probe-host.ts';

const VERDICTS: ReadonlyMap<number, Judgement> = new Map([
  [LEAF.drop, 'drop'],
  [LEAF.accept, 'accept'],
  [LEAF.reject, 'reject'],
]);

/** Knows rules and interfaces; where packets are routed to is part of the question. */
export const SYMBOLIC_COURT: Court = {
  name: 'symbolic',
  judge: (ruleset, devices) => {
    const families = {
      ipv4: familyJudge(ruleset, 'ipv4', devices),
      ipv6: familyJudge(ruleset, 'ipv6', devices),
    };
    return (packet) => families[packet.family](packet);
  },
};

function familyJudge(
  ruleset: Ruleset,
  family: IpFamily,
  devices: readonly ProbeDevice[],
): (packet: KernelPacket) => Judgement {
  const input = { family, rulesets: [ruleset], host: probeHost(devices) };
  let run: { decisions: Map<string, Decision>; decide(hook: KernelPacket['hook']): Decision } | undefined;
  const begin = (): NonNullable<typeof run> => {
    const space = packetSpace(spaceFor(input));
    const view = viewOf(beginAnalysis(space, input), ruleset);
    const decisions = new Map<string, Decision>();
    return {
      decisions,
      decide: (hook) => {
        const known = decisions.get(hook);
        if (known !== undefined) return known;
        const decision = hold(roadDecision(view, hook, { mark: 'any' }));
        decisions.set(hook, decision);
        return decision;
      },
    };
  };
  return ({ hook, fields }) => {
    run ??= begin();
    const decision = run.decide(hook);
    const { layout } = decision.space;
    const known: Record<string, FieldValue> = {};
    for (const field of layout.fields) {
      const value = fields[field.name];
      if (value === undefined) continue;
      if (field.kind === 'number') known[field.name] = value;
      else if (field.name === 'iif' || field.name === 'oif')
        known[field.name] = value === '-' ? value : interfaceWord(decision.space, String(value));
      else known[field.name] = field.words.includes(String(value)) ? value : field.words.at(-1)!;
    }
    const leaves = possibleLeaves(decision, known);
    return leaves.length === 1 ? (VERDICTS.get(leaves[0]!) ?? 'unknown') : 'unknown';
  };
}
