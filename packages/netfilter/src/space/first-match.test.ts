import { expect, test } from 'vitest';
import { always, decide, decideWhere } from './decision.ts';
import { firstMatch, type Row, readRow } from './first-match.ts';
import { intersectPackets, packetsWhere, samePackets } from './packet-set.ts';
import { packetSpace } from './packet-space.ts';

/** Numbers from 0 to 1 that look random and are the same each time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function intervals(random: () => number, bits: number): { first: bigint; last: bigint }[] {
  const values = Array.from({ length: random() < 0.3 ? 4 : 2 }, () =>
    BigInt(Math.floor(random() * 2 ** bits)),
  );
  values.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const [a, b, c, d] = values as [bigint, bigint, bigint | undefined, bigint | undefined];
  return c === undefined || d === undefined || c <= b + 1n
    ? [{ first: a, last: b }]
    : [
        { first: a, last: b },
        { first: c, last: d },
      ];
}

test.each(['F', 'B', 'A', 'G'] as const)(
  'many rows at once are as one after the other: order %s',
  (order) => {
    const random = numbers(7);
    let told = 0;
    for (let run = 0; run < 60; run++) {
      const options = { family: 'ipv4', interfaces: ['eth0', 'eth1'], order } as const;
      const space = packetSpace({ ...options, fields: [{ kind: 'number', name: 'free 1', bits: 1 }] });
      const rows = Array.from({ length: 1 + Math.floor(random() * 40) }, (): Row => {
        const match: Record<string, Row['match'][string]> = {};
        if (random() < 0.3) match['iif'] = random() < 0.5 ? ['eth0', '*'] : 'eth1';
        if (random() < 0.4) match['src'] = intervals(random, 32);
        if (random() < 0.3) match['dst'] = intervals(random, 32);
        if (random() < 0.5) match['proto'] = random() < 0.5 ? 6 : 17;
        if (random() < 0.3) match['dport'] = intervals(random, 16);
        else if (random() < 0.4) match['icmptype'] = intervals(random, 8);
        const sets = random() < 0.3 ? [packetsWhere(space, { 'free 1': 1 })] : [];
        return { match, sets, leaf: Math.floor(random() * 5) };
      });
      const read = rows.map((row) => readRow(space, row)!);
      const together = firstMatch(space, read, 6);
      const single = rows.reduceRight(
        (next, { match, sets, leaf }) =>
          decide(sets.reduce(intersectPackets, packetsWhere(space, match)), always(space, leaf), next),
        always(space, 6),
      );
      // In some orders so many overlap that it is not tried.
      if (together === undefined) continue;
      expect(samePackets(together, single)).toBe(true);
      if (together.node >= space.bdd.leaves) told++;
    }
    expect(told).toBeGreaterThan(40);
  },
);

test.each(['F', 'B', 'A', 'G'] as const)(
  'a verdict put where values match is as if the set had been made: order %s',
  (order) => {
    const random = numbers(11);
    const options = { family: 'ipv4', interfaces: ['eth0', 'eth1'], order } as const;
    const space = packetSpace({ ...options, fields: [{ kind: 'number', name: 'free 1', bits: 1 }] });
    const free = packetsWhere(space, { 'free 1': 1 });
    const ends = [
      always(space, 0),
      always(space, 3),
      decide(free, always(space, 1), always(space, 2)),
      decide(packetsWhere(space, { src: intervals(random, 32) }), always(space, 1), always(space, 4)),
    ];
    for (let run = 0; run < 200; run++) {
      const match: Record<string, Row['match'][string]> = {};
      if (random() < 0.3) match['iif'] = random() < 0.5 ? ['eth0', '*'] : 'eth1';
      if (random() < 0.6) match['src'] = intervals(random, 32);
      if (random() < 0.3)
        match['dst'] = random() < 0.5 ? intervals(random, 32) : { mask: 0xff00n, value: 0x1200n };
      if (random() < 0.5) match['dport'] = intervals(random, 16);
      const [then, otherwise] = [ends[Math.floor(random() * 4)]!, ends[Math.floor(random() * 4)]!];
      const made = decideWhere(space, match, then, otherwise);
      expect(samePackets(made, decide(packetsWhere(space, match), then, otherwise))).toBe(true);
    }
  },
);

test('rows that overlap in every field are too much for this way', () => {
  const random = numbers(3);
  const space = packetSpace({ family: 'ipv4' });
  const wide = (bits: number) => [
    {
      first: BigInt(Math.floor(random() * 2 ** (bits - 1))),
      last: BigInt(Math.floor((1 + random()) * 2 ** (bits - 1))),
    },
  ];
  const rows = Array.from({ length: 600 }, (_, n) =>
    readRow(space, { match: { src: wide(32), dst: wide(32), dport: wide(16) }, sets: [], leaf: n % 2 }),
  );
  expect(
    firstMatch(
      space,
      rows.map((row) => row!),
      3,
    ),
  ).toBeUndefined();
});

test('a part of a field that does not begin it cannot be a row', () => {
  const space = packetSpace({ family: 'ipv4' });
  expect(readRow(space, { match: { icmpcode: 3 }, sets: [], leaf: 1 })).toBeUndefined();
  expect(readRow(space, { match: { icmptype: 8 }, sets: [], leaf: 1 })).toBeDefined();
});
