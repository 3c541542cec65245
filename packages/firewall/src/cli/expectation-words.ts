// An expectation or a proof that fails, for people and for scripts.
import { formatAddress, type PacketFields } from '@moat/netfilter';
import type { Decider } from '../meaning/decided-by.ts';
import { type Counterexample, counterexampleText, type ExpectationResult } from '../meaning/expectation.ts';
import { formatSentence } from '../policy/print.ts';
import type { Difference } from '../proof/prove-policy.ts';

/** One line for each counterexample, indented. */
export function failureLines({ counterexamples }: ExpectationResult): string[] {
  return [...new Set(counterexamples.map((each) => `      ${counterexampleText(each)}`))];
}

export function expectationJson({ expectation, counterexamples, empty }: ExpectationResult): object {
  return {
    sentence: formatSentence(expectation),
    holds: counterexamples.length === 0,
    empty,
    counterexamples: counterexamples.map(counterexampleJson),
  };
}

function counterexampleJson(counterexample: Counterexample): object {
  const { family, verdict, decidedBy, packet, all } = counterexample;
  return {
    text: counterexampleText(counterexample),
    family,
    verdict,
    decidedBy: deciderJson(decidedBy),
    packet: packetJson(packet),
    all,
  };
}

function deciderJson(decider: Decider): object {
  return decider.kind === 'rule'
    ? { kind: 'rule', number: decider.number, sentence: formatSentence(decider.rule) }
    : decider;
}

/** What a proof found: `policy` and `table` are what may become of the packet by each. */
export function differenceJson(difference: Difference): object {
  const { decidedBy, witness, ...rest } = difference;
  return {
    ...rest,
    decidedBy: decidedBy === undefined ? null : deciderJson(decidedBy),
    packet: packetJson(witness),
  };
}

function packetJson(packet: PacketFields): object {
  return Object.fromEntries(
    Object.entries(packet).flatMap(([name, value]) => {
      if (name.startsWith('free ')) return [];
      return [
        [
          name,
          typeof value === 'object' ? formatAddress(value) : typeof value === 'bigint' ? `${value}` : value,
        ],
      ];
    }),
  );
}
