// Differences of random rulesets, held against walks of single packets through both.
import {
  type FieldValue,
  inSomeOrder,
  interfaceWord,
  type PacketFields,
  type PacketSpace,
  pairInput,
  possibleLeaves,
  prepareWalk,
  type Ruleset,
  readIptablesSave,
  rulesetDifferences,
  spaceFor,
} from '@moat/netfilter';
import { expect, test } from 'vitest';
import { type Random, randomFrom } from '../kernel/model/random.ts';
import { randomIptables } from '../kernel/model/random-iptables.ts';
import { INTERFACES, PORTS, V4 } from '../kernel/model/random-values.ts';

const KINDS = ['opened', 'closed', 'answered', 'silenced'] as const;
type Kind = (typeof KINDS)[number];
const ROADS = ['input', 'forward', 'output'] as const;

/** The same dump with a line less, twice, changed or elsewhere. */
function edited(random: Random, text: string): string {
  const lines = text.split('\n');
  const rules = lines.flatMap((line, i) => (line.startsWith('-A') ? [i] : []));
  const at = random.pick(rules);
  const line = lines[at]!;
  const changed = [
    [],
    [line.replace(/-j (ACCEPT|DROP)/, (_, verdict) => (verdict === 'DROP' ? '-j ACCEPT' : '-j DROP'))],
    [line.replace(/--dport (\d+)/, '--dport 443')],
    [line.replace(/-j .*/, '-j DROP')],
  ];
  lines.splice(at, 1, ...random.pick(changed));
  return lines.join('\n');
}

function randomPacket(random: Random, road: (typeof ROADS)[number]): PacketFields {
  const interfaces = [...INTERFACES, 'other0'].filter((name) => !/[*+]|^lo$/.test(name));
  // Neither martians nor groups.
  const addresses = V4.map((network) => network.split('/')[0]!).filter((text) => !/^(127|224)/.test(text));
  const ipv4 = (text: string): FieldValue => ({
    family: 'ipv4',
    value: text.split('.').reduce((all, part) => all * 256n + BigInt(part), 0n) + BigInt(random.int(2)),
  });
  return {
    state: random.pick(['new', 'new', 'new', 'invalid', 'untracked']),
    iif: road === 'output' ? '-' : random.pick(interfaces),
    oif: road === 'input' ? '-' : random.pick(interfaces),
    src: ipv4(random.pick(addresses)),
    dst: ipv4(random.pick(addresses)),
    proto: random.pick([1, 6, 6, 6, 17, 17, 47]),
    sport: Number(random.pick(['40000', ...PORTS])),
    dport: Number(random.pick(['7', ...PORTS])),
    tcpflags: random.pick([2, 2, 16, 18]),
  };
}

/** As the words and the missing fields of this space have it. */
function inSpace(space: PacketSpace, fields: PacketFields): PacketFields {
  const known: Record<string, FieldValue> = {};
  for (const field of space.layout.fields) {
    const value = fields[field.name];
    if (value === undefined) continue;
    const isInterface = (field.name === 'iif' || field.name === 'oif') && value !== '-';
    known[field.name] = isInterface ? interfaceWord(space, String(value)) : value;
  }
  return known;
}

const KIND_OF: Readonly<Record<string, Kind | undefined>> = {
  'drop accept': 'opened',
  'reject accept': 'opened',
  'accept drop': 'closed',
  'accept reject': 'closed',
  'drop reject': 'answered',
  'reject drop': 'silenced',
};

test('what a difference says of a packet, two walks say', () => {
  const counted = { packets: 0, differ: 0, unsure: 0 };
  for (let seed = 0; seed < 24; seed++) {
    const random = randomFrom(seed);
    const text = randomIptables(random, 'ip');
    const [before, after] = [text, edited(random, text)].map((each) => readIptablesSave(each).ruleset) as [
      Ruleset,
      Ruleset,
    ];
    const walks = [prepareWalk(before), prepareWalk(after)] as const;
    const pair = { family: 'ipv4', before, after } as const;
    const done = inSomeOrder(spaceFor(pairInput(pair)), (space) => {
      const { differences } = rulesetDifferences(space, pair);
      for (let i = 0; i < 240; i++) {
        const road = ROADS[i % 3]!;
        const fields = randomPacket(random, road);
        const [was, is] = walks.map(
          (walk) => walk({ family: 'ipv4', hook: road, fields }, { path: false }).verdict,
        );
        if (was === 'unknown' || is === 'unknown') continue;
        // What a rule sends elsewhere goes on by another road than the walk was asked for.
        if (road === 'input' && /-j (DNAT|REDIRECT|NETMAP|TPROXY)/.test(text)) continue;
        counted.packets++;
        const expected = KIND_OF[`${was} ${is}`];
        const difference = differences.find((each) => each.road === road);
        const told = (kind: Kind): string =>
          `seed ${seed} packet ${i} ${road} ${was} → ${is}: ${kind} ${JSON.stringify(fields, (_, v) => (typeof v === 'bigint' ? v.toString(16) : v))}`;
        for (const kind of KINDS) {
          const { certain, possible } = difference?.[kind] ?? {};
          const packet = inSpace(space, fields);
          const must = certain === undefined ? [0] : possibleLeaves(certain, packet);
          const may = possible === undefined ? [0] : possibleLeaves(possible, packet);
          if (kind === expected && !may.includes(1)) throw new Error(`not possible: ${told(kind)}`);
          if (kind !== expected && !must.includes(0)) throw new Error(`certain: ${told(kind)}`);
          if (kind !== expected && !may.includes(0)) counted.unsure++;
        }
        if (expected !== undefined) counted.differ++;
      }
    });
    expect(done.kind).toBe('done');
  }
  expect(counted.packets).toBeGreaterThan(3000);
  expect(counted.differ).toBeGreaterThan(30);
});
