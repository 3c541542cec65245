// A judge that shares nothing with the diagrams: Z3 is asked, in bit vectors, whether any packet is decided differently.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runs } from '../../../../test/runs.ts';
import { diagramTerm, leafVector, type Solver, startSolver } from '../../../../test/solver.ts';
import { parseAddress } from '../net/address.ts';
import { always, decide, LEAF, packetsDecided, thenDecide } from './decision.ts';
import { exchangeFields, fieldFrom, fixFields, forEvery, forSome } from './packet-fields.ts';
import { intersectPackets, packetsWhere, samePackets, subtractPackets, unionPackets } from './packet-set.ts';
import { type Decision, type Diagram, type PacketSet, packetSpace } from './packet-space.ts';

const BITS = { src: 32, dst: 32, proto: 8, sport: 16, dport: 16, mark: 4, unknown: 1 } as const;
type Name = keyof typeof BITS;
const NAMES = Object.keys(BITS) as Name[];

let solver: Solver;
beforeAll(async () => {
  solver = await startSolver();
});
afterAll(() => solver.stop());

const ask = (assertion: string): Promise<string> => solver.ask(BITS, assertion);

/** One condition on one field, in both languages. */
interface Atom {
  readonly name: Name;
  readonly kind: 'interval' | 'mask';
  readonly first: number;
  readonly last: number;
}

const atom = fc
  .constantFrom(...NAMES)
  .chain((name) => {
    const value = fc.integer({ min: 0, max: 2 ** BITS[name] - 1 });
    return fc.tuple(fc.constant(name), fc.constantFrom('interval' as const, 'mask' as const), value, value);
  })
  .map(([name, kind, a, b]): Atom => ({ name, kind, first: Math.min(a, b), last: Math.max(a, b) }));
const rule = fc.tuple(fc.array(atom, { maxLength: 3 }), fc.constantFrom(LEAF.accept, LEAF.drop, LEAF.fall));
type Rule = typeof rule extends fc.Arbitrary<infer T> ? T : never;

const FALLS = leafVector(LEAF.fall);
const vector = (value: number, name: Name): string => `(_ bv${value} ${BITS[name]})`;
const all = (terms: readonly string[]): string => (terms.length === 0 ? 'true' : `(and ${terms.join(' ')})`);
const masked = ({ first, last }: Atom) => ({ mask: last, value: Number(BigInt(first) & BigInt(last)) });

function inWords(of: Atom): string {
  const { name, kind, first, last } = of;
  if (kind === 'interval')
    return `(and (bvule ${vector(first, name)} ${name}) (bvule ${name} ${vector(last, name)}))`;
  const { mask, value } = masked(of);
  return `(= (bvand ${name} ${vector(mask, name)}) ${vector(value, name)})`;
}

const space = packetSpace({
  family: 'ipv4',
  fields: [
    { kind: 'number', name: 'mark', bits: BITS.mark },
    { kind: 'number', name: 'unknown', bits: BITS.unknown },
  ],
});

function inPackets(of: Atom): PacketSet {
  if (of.kind === 'interval') return packetsWhere(space, { [of.name]: { first: of.first, last: of.last } });
  const { mask, value } = masked(of);
  return packetsWhere(space, { [of.name]: { mask: BigInt(mask), value: BigInt(value) } });
}

const setOf = (atoms: readonly Atom[]): PacketSet =>
  atoms.map(inPackets).reduce(intersectPackets, packetsWhere(space, {}));
const decisionOf = (rules: readonly Rule[]): Decision =>
  rules.reduceRight(
    (rest, [atoms, leaf]) => decide(setOf(atoms), always(space, leaf), rest),
    always(space, LEAF.fall),
  );

/** The leaf in three bits, first match as nested conditions. */
const leafTerm = (rules: readonly Rule[], otherwise: string): string =>
  rules.reduceRight((rest, [atoms, leaf]) => {
    const then = leaf === LEAF.fall ? otherwise : leafVector(leaf);
    return `(ite ${all(atoms.map(inWords))} ${then} ${rest})`;
  }, otherwise);

/** Whether Z3 finds a packet for which the set or decision and the term are not the same. */
const differs = (diagram: Diagram, term: string): Promise<string> =>
  ask(`(not (= ${diagramTerm(diagram)} ${term}))`);
const asLeaf = (condition: string): string => `(ite ${condition} ${leafVector(1)} ${leafVector(0)})`;

const rules = (maxLength: number) => fc.array(rule, { minLength: 1, maxLength });

test('two chains in sequence decide every packet as nested conditions do', async () => {
  await fc.assert(
    fc.asyncProperty(rules(12), rules(12), async (first, second) => {
      const decision = thenDecide(decisionOf(first), decisionOf(second));
      expect(await differs(decision, leafTerm(first, leafTerm(second, FALLS)))).toBe('unsat');
    }),
    { numRuns: runs(50) },
  );
});

test('two rule lists are the same to Z3 when they are the same node', async () => {
  await fc.assert(
    fc.asyncProperty(rules(8), fc.nat(), fc.nat(), async (one, a, b) => {
      // Two rules exchanged: sometimes that matters.
      const other = [...one];
      const [i, j] = [a % one.length, b % one.length];
      [other[i], other[j]] = [other[j]!, other[i]!];
      const isSame = samePackets(decisionOf(one), decisionOf(other));
      const answer = await ask(`(not (= ${leafTerm(one, FALLS)} ${leafTerm(other, FALLS)}))`);
      expect(answer).toBe(isSame ? 'unsat' : 'sat');
    }),
    { numRuns: runs(50) },
  );
});

test('the solver is no yes-man: a decision with one rule more or less is told apart', async () => {
  const [list, less]: Rule[][] = [
    [
      [[{ name: 'dport', kind: 'interval', first: 22, last: 22 }], LEAF.accept],
      [[{ name: 'src', kind: 'interval', first: 0, last: 9 }], LEAF.drop],
    ],
    [[[{ name: 'dport', kind: 'interval', first: 22, last: 22 }], LEAF.accept]],
  ];
  expect(await differs(decisionOf(list!), leafTerm(list!, FALLS))).toBe('unsat');
  expect(await differs(decisionOf(less!), leafTerm(list!, FALLS))).toBe('sat');
});

test('translations, marks, replies and unknowns are what Z3 makes of them', async () => {
  const destination = parseAddress('10.0.0.5')!;
  await fc.assert(
    fc.asyncProperty(rules(6), fc.array(atom, { minLength: 1, maxLength: 3 }), async (list, atoms) => {
      const accepted = packetsDecided(decisionOf(list), LEAF.accept);
      const accepts = `(= ${leafVector(LEAF.accept)} ${leafTerm(list, FALLS)})`;
      const when = setOf(atoms);
      const isWhen = all(atoms.map(inWords));
      const given = (values: string): string => `(let (${values}) ${accepts})`;
      const bit = (i: number): string => `((_ extract ${i} ${i}) mark)`;
      const marked = (set: string) => `(concat ${set} ${bit(2)} ${bit(1)} ${set})`;
      const translation = `(dst ${vector(Number(destination.value), 'dst')}) (dport ${vector(80, 'dport')})`;
      const pairs = [
        ['src', 'dst'],
        ['sport', 'dport'],
      ] as const;
      const cases: (readonly [PacketSet, string])[] = [
        [fixFields(accepted, { dst: destination, dport: 80 }), given(translation)],
        [exchangeFields(accepted, pairs), given('(src dst) (dst src) (sport dport) (dport sport)')],
        // Bits 3 and 0 of the mark are what a rule sets, the others stay.
        [
          fieldFrom(accepted, { mark: [when, undefined, undefined, when] }),
          given(`(mark (ite ${isWhen} ${marked('#b1')} ${marked('#b0')}))`),
        ],
        [forSome(accepted, ['unknown']), `(or ${given('(unknown #b0)')} ${given('(unknown #b1)')})`],
        [forEvery(accepted, ['unknown']), `(and ${given('(unknown #b0)')} ${given('(unknown #b1)')})`],
        [unionPackets(space, [accepted, when]), `(or ${accepts} ${isWhen})`],
        [subtractPackets(when, accepted), `(and ${isWhen} (not ${accepts}))`],
      ];
      for (const [set, term] of cases)
        expect([term, await differs(set, asLeaf(term))]).toEqual([term, 'unsat']);
    }),
    { numRuns: runs(50) },
  );
});
