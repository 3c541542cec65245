// Rule lists as packet sets, judged by rectangles: made lists in the shapes of real ones, in every variable order.
import { expect, test } from 'vitest';
import { firstMatchRectangles, type Rectangle, volumeOf } from '../../../../test/rectangles.ts';
import { bitsOf } from '../net/address.ts';
import { inconsistencies } from './collect.ts';
import { always, decide, decideByField, LEAF, packetsDecided, renameLeaves, thenDecide } from './decision.ts';
import { VARIABLE_ORDERS, type VariableOrder } from './fields.ts';
import { forEvery, forSome } from './packet-fields.ts';
import {
  allPackets,
  complementPackets,
  countPackets,
  isEmpty,
  leafFor,
  packetsCover,
  packetsWhere,
  samePackets,
} from './packet-set.ts';
import {
  collectSpace,
  type Decision,
  hold,
  inSomeOrder,
  type PacketSpace,
  packetSpace,
  release,
  spaceSize,
  tidySpace,
} from './packet-space.ts';

const FIELDS = ['src', 'dst', 'proto', 'dport'] as const;
const ORDERS = Object.keys(VARIABLE_ORDERS) as VariableOrder[];

interface Rule {
  readonly match: Readonly<Partial<Record<(typeof FIELDS)[number], { first: bigint; last: bigint }>>>;
  readonly leaf: number;
}

/** Numbers that look random and are the same each time. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** `count` rules over some networks, hosts and services, as people write them; `bits` of addresses. */
function rulesOf(seed: number, count: number, bits: 32 | 128): Rule[] {
  const below = numbers(seed);
  const address = (): bigint =>
    Array.from({ length: bits / 16 }, () => below(65_536)).reduce(
      (sum, part) => (sum << 16n) | BigInt(part),
      0n,
    );
  const network = (length: number) => {
    const host = BigInt(bits - length);
    const first = (address() >> host) << host;
    return { first, last: first | ((1n << host) - 1n) };
  };
  const nets = Array.from({ length: 8 }, (_, i) => network([0, 4, 8, 16, 20, 24, 30, bits][i]!));
  const one = <T>(of: readonly T[]): T => of[below(of.length)]!;
  return Array.from({ length: count }, () => {
    const port = BigInt(one([22, 80, 443, 1024, 8000, 0]));
    return {
      match: {
        ...(below(4) > 0 && { src: one(nets) }),
        ...(below(3) === 0 && { dst: one(nets) }),
        ...(below(4) > 0 && { proto: one([6n, 17n, 1n].map((proto) => ({ first: proto, last: proto }))) }),
        ...(below(3) > 0 && { dport: { first: port, last: port + BigInt(one([0, 0, 10, 57_000])) } }),
      },
      leaf: one([LEAF.accept, LEAF.accept, LEAF.drop, LEAF.reject]),
    };
  });
}

/** Back to front: each rule before what comes after it. */
function compiled(space: PacketSpace, rules: readonly Rule[], otherwise: number): Decision {
  return [...rules]
    .reverse()
    .reduce(
      (rest, { match, leaf }) => decide(packetsWhere(space, match), always(space, leaf), rest),
      always(space, otherwise),
    );
}

function boxOf({ match }: Rule, bits: number): Rectangle {
  const whole = { src: bits, dst: bits, proto: 8, dport: 16 };
  return FIELDS.map((name) => [
    match[name]?.first ?? 0n,
    match[name]?.last ?? (1n << BigInt(whole[name])) - 1n,
  ]);
}

for (const family of ['ipv4', 'ipv6'] as const) {
  test(`rule lists of ${family} mean what rectangles say, in every order of variables`, () => {
    const bits = bitsOf(family);
    for (let seed = 1; seed <= 12; seed++) {
      const rules = rulesOf(seed, 5 + seed * 3, bits);
      const rectangles = firstMatchRectangles(
        boxOf({ match: {}, leaf: 0 }, bits),
        rules.map((rule) => ({ box: boxOf(rule, bits), leaf: rule.leaf })),
        LEAF.drop,
      );
      for (const order of ORDERS) {
        const space = packetSpace({ family, order });
        const decision = compiled(space, rules, LEAF.drop);
        for (const leaf of [LEAF.drop, LEAF.accept, LEAF.reject]) {
          const set = packetsDecided(decision, leaf);
          const mine = rectangles.filter((each) => each.leaf === leaf);
          // All rectangles are inside and there is room for no more: the set is exactly their union.
          for (const { box } of mine) {
            const match = Object.fromEntries(
              FIELDS.map((name, i) => [name, { first: box[i]![0], last: box[i]![1] }]),
            );
            expect(packetsCover(set, packetsWhere(space, match))).toBe(true);
          }
          expect(countPackets(set, FIELDS)).toBe(mine.reduce((sum, { box }) => sum + volumeOf(box), 0n));
        }
        for (const { box, leaf } of rectangles.slice(0, 50)) {
          const corner = Object.fromEntries(FIELDS.map((name, i) => [name, box[i]![seed % 2]!]));
          expect(leafFor(decision, corner)).toBe(leaf);
        }
      }
    }
  });
}

test('a list cut anywhere, its parts composed as chains, is the same decision', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const space = packetSpace({ family: 'ipv4' });
    const rules = rulesOf(seed, 40, 32);
    const whole = compiled(space, rules, LEAF.drop);
    const cut = (seed * 7) % 40;
    const chain = (part: readonly Rule[]): Decision => compiled(space, part, LEAF.fall);
    const [first, second] = [chain(rules.slice(0, cut)), chain(rules.slice(cut))];
    const policy = always(space, LEAF.drop);
    expect(samePackets(thenDecide(first, thenDecide(second, policy)), whole)).toBe(true);
    expect(samePackets(thenDecide(thenDecide(first, second), policy), whole)).toBe(true);
    expect(samePackets(renameLeaves(thenDecide(first, second), { [LEAF.fall]: LEAF.drop }), whole)).toBe(
      true,
    );
  }
});

test('a rule that jumps decides by its chain, and by what follows where the chain returns', () => {
  const space = packetSpace({ family: 'ipv4' });
  const rules = rulesOf(3, 30, 32);
  const [jump, ...rest] = rules;
  const chain = rulesOf(4, 10, 32);
  const followed = compiled(space, rest, LEAF.drop);
  const jumping = decide(
    packetsWhere(space, jump!.match),
    thenDecide(compiled(space, chain, LEAF.fall), followed),
    followed,
  );
  // The chain in line: each of its rules with the match of the jump as well.
  const inline = chain.reduceRight((after, { match, leaf }) => {
    const inner = decide(packetsWhere(space, match), always(space, leaf), after);
    return decide(packetsWhere(space, jump!.match), inner, after);
  }, followed);
  expect(samePackets(jumping, inline)).toBe(true);
});

test('a verdict map is the first of its cases, with chains to go to and without, in any order', () => {
  const space = packetSpace({ family: 'ipv4' });
  const chains = [1, 2, 3].map((seed) => compiled(space, rulesOf(seed, 8, 32), LEAF.fall));
  const fall = always(space, LEAF.fall);
  for (const name of ['src', 'dst', 'proto', 'dport']) {
    const cases = [
      { values: 9, decision: chains[0]! },
      { values: { first: 2, last: 6 }, decision: always(space, LEAF.accept) },
      { values: [{ mask: 3n, value: 1n }, 12], decision: chains[1]! },
      { values: 4, decision: chains[2]! },
    ];
    const simple = [cases[1]!, { values: 9, decision: always(space, LEAF.drop) }];
    for (const some of [cases, cases.slice(0, 2), simple]) {
      for (const otherwise of [fall, chains[2]!]) {
        const expected = some.reduceRight(
          (rest, { values, decision }) => decide(packetsWhere(space, { [name]: values }), decision, rest),
          otherwise,
        );
        expect(samePackets(decideByField(space, name, some, otherwise), expected)).toBe(true);
      }
    }
  }
});

test('collecting between rules changes no result, and gives the room back', () => {
  const rules = rulesOf(8, 150, 32);
  const plain = packetSpace({ family: 'ipv4' });
  const tidy = packetSpace({ family: 'ipv4' });
  let acc = hold(always(tidy, LEAF.drop));
  for (const { match, leaf } of [...rules].reverse()) {
    const next = hold(decide(packetsWhere(tidy, match), always(tidy, leaf), acc));
    release(acc);
    acc = next;
    if (spaceSize(tidy) > 400) collectSpace(tidy);
  }
  const expected = compiled(plain, rules, LEAF.drop);
  collectSpace(tidy);
  expect(spaceSize(tidy)).toBeLessThan(spaceSize(plain));
  expect(inconsistencies(tidy.bdd)).toEqual([]);
  for (const leaf of [LEAF.drop, LEAF.accept, LEAF.reject]) {
    expect(countPackets(packetsDecided(acc, leaf))).toBe(countPackets(packetsDecided(expected, leaf)));
  }
  expect(samePackets(acc, compiled(tidy, rules, LEAF.drop))).toBe(true);
});

test('tidying waits until it is worth it, and keeps within a budget what fits into it', () => {
  const rules = rulesOf(5, 150, 32);
  const plain = packetSpace({ family: 'ipv4' });
  const expected = compiled(plain, rules, LEAF.drop);
  expect(tidySpace(plain)).toBe(false);
  const budget = Math.floor(spaceSize(plain) / 2);
  expect(
    inSomeOrder({ family: 'ipv4', budget }, (space) => compiled(space, rules, LEAF.drop), { orders: ['F'] })
      .kind,
  ).toBe('too large');
  const small = packetSpace({ family: 'ipv4', budget });
  let collections = 0;
  let all = hold(always(small, LEAF.drop));
  for (const { match, leaf } of [...rules].reverse()) {
    const next = hold(decide(packetsWhere(small, match), always(small, leaf), all));
    release(all);
    all = next;
    if (tidySpace(small)) collections++;
  }
  expect(collections).toBeGreaterThan(0);
  expect(collections).toBeLessThan(50);
  const accepted = (of: Decision) => countPackets(packetsDecided(of, LEAF.accept));
  expect(accepted(all)).toBe(accepted(expected));
});

test('when one order is too large the next one is tried, and when none will do that is the result', () => {
  // Sources and destinations paired: far apart or not is what the orders differ in.
  const pairs = (space: PacketSpace): number => {
    const rules = Array.from({ length: 300 }, (_, i) => ({
      match: {
        src: { first: BigInt(i * 7919), last: BigInt(i * 7919 + 400) },
        dport: { first: BigInt(i * 200), last: BigInt(i * 200 + 90) },
      },
      leaf: i % 2,
    }));
    compiled(space, rules, LEAF.drop);
    return spaceSize(space);
  };
  const sizes = new Map(ORDERS.map((order) => [order, pairs(packetSpace({ family: 'ipv4', order }))]));
  const ranked = [...ORDERS].sort((a, b) => sizes.get(b)! - sizes.get(a)!);
  const [largest, , , smallest] = ranked as [VariableOrder, VariableOrder, VariableOrder, VariableOrder];
  expect(sizes.get(largest)!).toBeGreaterThan(sizes.get(smallest)!);
  const budget = sizes.get(smallest)!;
  expect(inSomeOrder({ family: 'ipv4', budget }, pairs, { orders: [largest, smallest] })).toEqual({
    kind: 'done',
    order: smallest,
    value: budget,
  });
  expect(inSomeOrder({ family: 'ipv4', budget: 1000 }, pairs)).toEqual({ kind: 'too large' });
  // Within the effort of the first round one order is quick enough; without it the first one is taken.
  const inRounds = (efforts: readonly number[]) =>
    inSomeOrder({ family: 'ipv4' }, pairs, { orders: [largest, smallest], efforts });
  expect(inRounds([budget])).toMatchObject({ kind: 'done', order: smallest });
  expect(inRounds([1000, sizes.get(largest)!])).toMatchObject({ kind: 'done', order: largest });
  expect(inRounds([])).toMatchObject({ kind: 'done', order: largest });
  expect(inSomeOrder({ family: 'ipv4', effort: 1000 }, pairs)).toEqual({ kind: 'too large' });
  const bug = () => {
    throw new RangeError('not about size');
  };
  expect(() => inSomeOrder({ family: 'ipv4' }, bug)).toThrow('not about size');
});

test('what may and what must be: an unknown is a bit that is quantified away', () => {
  const space = packetSpace({ family: 'ipv4', fields: [{ kind: 'number', name: 'limit', bits: 1 }] });
  const ssh = packetsWhere(space, { proto: 'tcp', dport: 22 });
  const limited = packetsWhere(space, { proto: 'tcp', dport: 22, limit: 1 });
  const decision = decide(limited, always(space, LEAF.accept), always(space, LEAF.drop));
  const accepted = packetsDecided(decision, LEAF.accept);
  const dropped = packetsDecided(decision, LEAF.drop);
  expect(samePackets(forSome(accepted, ['limit']), ssh)).toBe(true);
  expect(isEmpty(forEvery(accepted, ['limit']))).toBe(true);
  expect(samePackets(forEvery(dropped, ['limit']), complementPackets(ssh))).toBe(true);
  expect(samePackets(forSome(dropped, ['limit']), allPackets(space))).toBe(true);
});
