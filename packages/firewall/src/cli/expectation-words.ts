// An expectation that fails, for people and for scripts.
import { formatAddress, type PacketFields } from '@moat/netfilter';
import { type Counterexample, counterexampleText, type ExpectationResult } from '../meaning/expectation.ts';
import { formatSentence } from '../policy/print.ts';

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
    decidedBy:
      decidedBy.kind === 'rule'
        ? { kind: 'rule', number: decidedBy.number, sentence: formatSentence(decidedBy.rule) }
        : decidedBy,
    packet: packetJson(packet),
    all,
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
