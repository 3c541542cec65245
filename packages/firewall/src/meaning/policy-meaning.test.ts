// Three opinions on random policies: the meaning as packet sets, the first sentence that fits, and the compiled table.
import { formatAddress, LEAF, leafFor, type PacketFields } from '@moat/netfilter';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { arrivals, FACTS, fieldsOfArrival, trafficOf, walked } from '../../../../test/random-packets.ts';
import {
  flows,
  flowText,
  meaning,
  policies,
  policyText,
  WIDE_WORLD,
} from '../../../../test/random-policy.ts';
import { runs } from '../../../../test/runs.ts';
import { compileTable } from '../compile/table.ts';
import { parsePolicyFile } from '../policy/file.ts';
import type { Policy } from '../policy/model.ts';
import { parseServices } from '../policy/services.ts';
import type { MachineFacts } from './machine-facts.ts';
import { meaningSpace, TOO_MANY } from './meaning-space.ts';
import { type PolicyMeaning, policyMeaning } from './policy-meaning.ts';

const SERVICES = parseServices('');
const NO_FACTS: MachineFacts = { containers: [], others: [], bridges: [] };
const WORDS = new Map<number, string>(Object.entries(LEAF).map(([word, leaf]) => [leaf, word]));

function parsed(text: string): Policy {
  const result = parsePolicyFile(text, SERVICES);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.file.policy;
}

/** The meanings of both families. */
function meanings(policy: Policy, facts: MachineFacts): Record<'ipv4' | 'ipv6', PolicyMeaning> {
  const of = (family: 'ipv4' | 'ipv6') => policyMeaning(meaningSpace(family, policy, facts), policy, facts);
  return { ipv4: of('ipv4'), ipv6: of('ipv6') };
}

const NUMBERS = { tcp: 6, udp: 17, esp: 50, gre: 47, igmp: 2, ah: 51 } as const;

test('as the first sentence that fits: 250 policies, 40 flows each', () => {
  const counts = new Map<string, number>();
  const some = fc.array(flows(WIDE_WORLD, WIDE_WORLD.protocols), { minLength: 40, maxLength: 40 });
  fc.assert(
    fc.property(policies(WIDE_WORLD, 10), some, (random, list) => {
      const of = meanings(parsed(policyText(random)), NO_FACTS);
      const { layout } = of.ipv4.incoming.space;
      const iif = layout.fields.find(({ name }) => name === 'iif')!;
      const words = iif.kind === 'words' ? iif.words : [];
      for (const flow of list) {
        const known = words.includes(flow.interface) ? flow.interface : undefined;
        const word = known ?? (flow.interface.startsWith('eth') && words.includes('eth*') ? 'eth*' : '*');
        const packet: PacketFields = {
          state: 'new',
          iif: flow.direction === 'in' ? word : '-',
          oif: flow.direction === 'in' ? '-' : word,
          src: flow.source,
          dst: flow.destination,
          proto: NUMBERS[flow.protocol],
          sport: flow.sourcePort,
          dport: flow.destinationPort,
          [TOO_MANY]: 0,
        };
        const mine = of[flow.source.family];
        const got = WORDS.get(leafFor(flow.direction === 'in' ? mine.incoming : mine.outgoing, packet))!;
        const wanted = meaning(random, flow);
        if (got !== wanted)
          throw new Error(`${flowText(flow)}: wanted ${wanted}, got ${got}\n${policyText(random)}`);
        counts.set(got, (counts.get(got) ?? 0) + 1);
      }
    }),
    { numRuns: 250, endOnFailure: true },
  );
  expect(Math.min(...['accept', 'drop', 'reject'].map((word) => counts.get(word) ?? 0))).toBeGreaterThan(
    2000,
  );
});

test(`as the compiled table is walked, in every state, hook and with containers: ${runs(200)} policies, 60 packets each`, () => {
  const counts = new Map<string, number>();
  const some = fc.array(arrivals(WIDE_WORLD), { minLength: 60, maxLength: 60 });
  fc.assert(
    fc.property(policies(WIDE_WORLD, 8), fc.constantFrom(...FACTS), some, (random, facts, list) => {
      const policy = parsed(policyText(random));
      const table = compileTable(policy, facts);
      const of = meanings(policy, facts);
      for (const arrival of list) {
        const mine = of[arrival.source.family];
        const fields = fieldsOfArrival(arrival, mine.incoming.space);
        const traffic = trafficOf(arrival, facts);
        const got = WORDS.get(leafFor(mine[traffic], { ...fields, [TOO_MANY]: 0 }))!;
        const wanted = walked(table, arrival);
        // The walk knows ICMP types by name, and cannot tell whether one that has none is in a set.
        if (wanted === 'unknown' && arrival.protocol === 'ipv6-icmp') continue;
        if (got !== wanted) {
          const told = {
            ...arrival,
            source: formatAddress(arrival.source),
            destination: formatAddress(arrival.destination),
          };
          throw new Error(
            `${traffic} ${JSON.stringify(told)}: table ${wanted}, meaning ${got}\n${JSON.stringify(facts)}\n${policyText(random)}`,
          );
        }
        const key = `${traffic} ${got}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }),
    { numRuns: runs(200), endOnFailure: true },
  );
  // Every kind of traffic meets every verdict.
  expect([...counts.keys()].sort()).toEqual(
    ['incoming', 'outgoing', 'routed'].flatMap((traffic) =>
      ['accept', 'drop', 'reject'].map((verdict) => `${traffic} ${verdict}`),
    ),
  );
});
