// An explanation for programs: docs/JSON.md says what its fields mean.
import { type Address, formatAddress, type PacketFields } from '@moat/netfilter';
import type { Explanation } from './explain.ts';

export function explanationJson(explanation: Explanation, advice: readonly string[]): object {
  const { journey, verdict, withinLimits, path, because, unknown, answers, allowed } = explanation;
  const { packet, translated } = journey;
  return {
    verdict,
    ...(withinLimits === undefined ? {} : { withinLimits }),
    family: packet.family,
    hook: packet.hook,
    packet: packetJson(packet.fields),
    answers: answers ?? null,
    sentTo:
      translated === undefined
        ? null
        : {
            dst: translated.dst === undefined ? null : formatAddress(translated.dst),
            dport: translated.dport ?? null,
          },
    endedByRouting: journey.ended ?? null,
    why: because.map(({ words }) => words.why),
    path: path.map(({ step: _, words, ...told }) => ({
      ...told,
      text: words.rule,
      ...(words.sentence === undefined ? {} : { sentence: words.sentence }),
    })),
    unknown,
    allowedSources: allowed ?? null,
    toChange: advice,
  };
}

const TOLD = {
  iif: 'in',
  oif: 'out',
  src: 'src',
  dst: 'dst',
  proto: 'proto',
  sport: 'sport',
  dport: 'dport',
} as const;

/** What the packet was taken to be, in the words of `--packets`. */
function packetJson(fields: PacketFields): object {
  const known = Object.entries({ ...TOLD, state: 'state', icmptype: 'icmptype' }).flatMap(([name, key]) => {
    const value = fields[name];
    if (value === undefined || value === '-') return [];
    return [[key, typeof value === 'object' ? formatAddress(value as Address) : value]];
  });
  return Object.fromEntries(known);
}
