// Four judges of the same rules, made independently of each other: the walk of one packet, packet sets, rectangles and Z3.
// And what is not understood only ever widens: an accept is never lost.
import {
  beginAnalysis,
  countPackets,
  type Decision,
  fixFields,
  forEvery,
  forSome,
  hold,
  LEAF,
  type PacketFields,
  type PacketSet,
  packetSpace,
  packetsCover,
  packetsDecided,
  packetsWhere,
  prepareWalk,
  type Rule,
  type Ruleset,
  roadDecision,
  type Statement,
  spaceFor,
  viewOf,
} from '@moat/netfilter';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chainsTerm, rectanglesOf, SIDES } from '../chain-judges.ts';
import { type RandomChains, randomChains, rulesetOf } from '../random-chains.ts';
import { type Rectangle, volumeOf } from '../rectangles.ts';
import { diagramTerm, type Solver, startSolver } from '../solver.ts';

/** `MOAT_JUDGED=1000` for the long run, `MOAT_SEED` for the same one again. */
const JUDGED = Number(process.env['MOAT_JUDGED'] ?? 60);
const SEED = Number(process.env['MOAT_SEED'] ?? 1 + Math.floor(Math.random() * 2 ** 31));

let solver: Solver;
beforeAll(async () => {
  solver = await startSolver();
});
afterAll(() => solver.stop());

const PROTOCOLS = { tcp: 6, udp: 17 } as const;
type Protocol = keyof typeof PROTOCOLS;
const COMMON = { state: 'new', iif: '*', oif: '-', mark: 0 } as const;

/** What the symbolic analysis decides about new flows to this host, and the names of what nobody knows. */
function decided(ruleset: Ruleset): { decision: Decision; free: string[] } {
  const input = { family: 'ipv4', rulesets: [ruleset] } as const;
  const space = packetSpace(spaceFor(input));
  const view = viewOf(beginAnalysis(space, input), ruleset);
  const decision = hold(roadDecision(view, 'input'));
  const known: Record<string, string | number> = { ...COMMON };
  if (!space.layout.fields.some(({ name }) => name === 'mark')) delete known['mark'];
  const free = space.layout.fields.map(({ name }) => name).filter((name) => name.startsWith('free '));
  return { decision: fixFields(decision, known), free };
}

/** A packet at each end of each side of the rectangle, and with all sides at one end. */
function corners(box: Rectangle): PacketFields[] {
  const at = (which: readonly number[]): PacketFields =>
    Object.fromEntries(
      SIDES.map((name, i) => {
        const value = box[i]![which[i]!]!;
        return [name, i < 2 ? { family: 'ipv4' as const, value } : Number(value)];
      }),
    );
  return [
    [0, 0, 0, 0],
    [1, 1, 1, 1],
    [0, 1, 0, 1],
    [1, 0, 1, 0],
  ].map(at);
}

const NAMES = ['drop', 'accept', 'reject'] as const;

test(`walk, packet sets, rectangles and Z3 agree about all packets of ${JUDGED} rulesets (seed ${SEED})`, {
  timeout: 600_000,
}, async () => {
  const seen = { drop: 0, accept: 0, reject: 0 };
  await fc.assert(
    fc.asyncProperty(randomChains, fc.constantFrom<Protocol>('tcp', 'udp'), async (chains, protocol) => {
      const ruleset = rulesetOf(chains);
      const { decision, free } = decided(ruleset);
      expect(free).toEqual([]);
      const proto = PROTOCOLS[protocol];
      const mine = fixFields(decision, { proto });
      const boxes = rectanglesOf(chains, protocol);

      for (const [leaf, name] of NAMES.entries()) {
        const ours = packetsDecided(mine, leaf);
        const theirs = boxes.filter((each) => each.leaf === leaf);
        const size = theirs.reduce((sum, { box }) => sum + volumeOf(box), 0n);
        if (size > 0n) seen[name]++;
        expect(`${name} ${countPackets(ours, SIDES)}`).toBe(`${name} ${size}`);
        // As many packets, so it is enough that none of theirs is missing.
        for (const { box } of theirs) {
          const match = SIDES.map((side, i) => [side, { first: box[i]![0], last: box[i]![1] }]);
          expect(packetsCover(ours, packetsWhere(mine.space, Object.fromEntries(match)))).toBe(true);
        }
      }

      const walk = prepareWalk(ruleset);
      for (const { box, leaf } of boxes)
        for (const packet of corners(box)) {
          const fields = { ...COMMON, iif: 'eth0', proto, ...packet };
          const { verdict } = walk({ family: 'ipv4', hook: 'input', fields }, { path: false });
          if (verdict !== NAMES[leaf]) throw new Error(`${verdict}, not ${NAMES[leaf]}: ${told(fields)}`);
        }

      const variables = { src: 32, dst: 32, sport: 16, dport: 16 };
      const term = chainsTerm(chains, protocol);
      expect(await solver.ask(variables, `(not (= ${diagramTerm(mine)} ${term}))`)).toBe('unsat');
    }),
    { numRuns: JUDGED, seed: SEED, endOnFailure: true },
  );
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(JUDGED / 30);
});

function told(value: unknown): string {
  return JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? `${each}` : each));
}

const UNKNOWN: Statement = { kind: 'unknown', raw: 'what nobody understands' };
const FREE: Statement = { kind: 'free', reason: 'memory', extension: 'recent', options: [] };

/** The ruleset with one statement replaced, once for each that there is: by UNKNOWN, conditions also by a free one. */
function blurred(ruleset: Ruleset): Ruleset[] {
  return ruleset.tables.flatMap((table, t) =>
    table.chains.flatMap((chain, c) =>
      chain.rules.flatMap((rule, r) =>
        rule.statements.flatMap((statement, s) =>
          (statement.kind === 'match' ? [UNKNOWN, FREE] : [UNKNOWN]).map((other): Ruleset => {
            const statements = rule.statements.map((each, i) => (i === s ? other : each));
            const rules = chain.rules.map((each, i): Rule => (i === r ? { statements } : each));
            const all = table.chains.map((each, i) => (i === c ? { ...chain, rules } : each));
            return {
              tables: ruleset.tables.map((each, i) => (i === t ? { ...table, chains: all } : each)),
            };
          }),
        ),
      ),
    ),
  );
}

const PACKET = [...SIDES, 'proto'];

/** The packets of one space in another, whose order of these fields is the same. */
function accepted({ decision, free }: ReturnType<typeof decided>): { may: PacketSet; must: PacketSet } {
  return {
    may: forSome(packetsDecided(decision, LEAF.accept, LEAF.unknown), free),
    must: forEvery(packetsDecided(decision, LEAF.accept), free),
  };
}

test('an accept is never lost: whatever is not understood, must ⊆ what is accepted ⊆ may', {
  timeout: 600_000,
}, () => {
  let wider = 0;
  fc.assert(
    fc.property(randomChains, fc.nat(), (chains: RandomChains, which) => {
      const ruleset = rulesetOf(chains);
      const others = blurred(ruleset);
      if (others.length === 0) return;
      const other = others[which % others.length]!;
      const [exact, loose] = [accepted(decided(ruleset)).may, accepted(decided(other))];
      const packets = rectanglesOf(chains, 'tcp').flatMap(({ box }) => corners(box));
      const walks = [prepareWalk(ruleset), prepareWalk(other)] as const;
      for (const packet of packets) {
        const fields = { ...packet, proto: 6 };
        const is = contains(exact, fields);
        if (is && !contains(loose.may, fields)) throw new Error(`lost: ${told(fields)}`);
        if (!is && contains(loose.must, fields)) throw new Error(`made up: ${told(fields)}`);
        const [one, two] = walks.map(
          (walk) =>
            walk(
              { family: 'ipv4', hook: 'input', fields: { ...COMMON, iif: 'eth0', ...fields } },
              { path: false },
            ).verdict,
        );
        if (two !== 'unknown' && two !== one) throw new Error(`${one}, then ${two}: ${told(fields)}`);
      }
      // For all packets by number: the sets live in spaces of their own.
      const sizes = [loose.must, exact, loose.may].map((set) => countPackets(set, PACKET));
      expect(sizes).toEqual([...sizes].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
      if (sizes[2]! > sizes[0]!) wider++;
    }),
    { numRuns: JUDGED * 2, seed: SEED, endOnFailure: true },
  );
  expect(wider).toBeGreaterThan(JUDGED / 2);
});

function contains(set: PacketSet, fields: PacketFields): boolean {
  return packetsCover(set, packetsWhere(set.space, fields as Parameters<typeof packetsWhere>[1]));
}
