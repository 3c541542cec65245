// Every operation against truth tables: random programs over a few variables, and the same function is the same node.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runs } from '../../../../test/runs.ts';
import { type Bdd, createBdd, TooLarge } from './bdd.ts';
import { collect, inconsistencies } from './collect.ts';
import { countAssignments, someAssignment } from './count.ts';
import {
  ANY_BIT,
  and,
  disjoint,
  ite,
  leafSet,
  leavesOf,
  leavesUnder,
  mapLeaves,
  not,
  or,
  seq,
  sizeOf,
  subtract,
  supportOf,
  unionAll,
  xor,
} from './operations.ts';
import {
  cube,
  exists,
  forall,
  restrict,
  substitute,
  substitution,
  variable,
  variableSet,
} from './variables.ts';

const LEVELS = 6;
const ROWS = 1 << LEVELS;
const ALL = Array.from({ length: LEVELS }, (_, level) => level);
const FALL = 3;

/** The leaf of each assignment; row bit `LEVELS - 1 - level` is the variable of that level. */
type Truth = readonly number[];

const bitOf = (row: number, level: number): number => (row >> (LEVELS - 1 - level)) & 1;
const withBit = (row: number, level: number, bit: number): number =>
  (row & ~(1 << (LEVELS - 1 - level))) | (bit << (LEVELS - 1 - level));
const table = (leaf: (row: number) => number): Truth => Array.from({ length: ROWS }, (_, row) => leaf(row));
const bitsOf = (row: number): Uint8Array => Uint8Array.from(ALL, (level) => bitOf(row, level));

interface Both {
  readonly node: number;
  readonly truth: Truth;
}

/** What a step of a program may use: operands from what is there, some levels, some bits. */
interface Operands {
  readonly bdd: Bdd;
  readonly a: Both;
  readonly b: Both;
  readonly c: Both;
  readonly d: Both;
  readonly e: Both;
  readonly levels: readonly number[];
  readonly bits: readonly (0 | 1)[];
}

/** `a`, `b` and `c` are sets, `d` and `e` decisions. */
const SETS: Readonly<Record<string, (given: Operands) => Both>> = {
  and: ({ bdd, a, b }) => ({
    node: and(bdd, a.node, b.node),
    truth: table((row) => a.truth[row]! & b.truth[row]!),
  }),
  or: ({ bdd, a, b }) => ({
    node: or(bdd, a.node, b.node),
    truth: table((row) => a.truth[row]! | b.truth[row]!),
  }),
  not: ({ bdd, a }) => ({ node: not(bdd, a.node), truth: table((row) => 1 - a.truth[row]!) }),
  xor: ({ bdd, a, b }) => ({
    node: xor(bdd, a.node, b.node),
    truth: table((row) => a.truth[row]! ^ b.truth[row]!),
  }),
  subtract: ({ bdd, a, b }) => ({
    node: subtract(bdd, a.node, b.node),
    truth: table((row) => a.truth[row]! & (1 - b.truth[row]!)),
  }),
  unionAll: ({ bdd, a, b, c }) => ({
    node: unionAll(bdd, [a.node, b.node, c.node]),
    truth: table((row) => a.truth[row]! | b.truth[row]! | c.truth[row]!),
  }),
  ite: ({ bdd, a, b, c }) => ({
    node: ite(bdd, a.node, b.node, c.node),
    truth: table((row) => (a.truth[row] === 1 ? b : c).truth[row]!),
  }),
  exists: ({ bdd, a, levels }) => ({
    node: exists(bdd, a.node, variableSet(bdd, levels)),
    truth: quantified(a.truth, levels, Math.max),
  }),
  forall: ({ bdd, a, levels }) => ({
    node: forall(bdd, a.node, variableSet(bdd, levels)),
    truth: quantified(a.truth, levels, Math.min),
  }),
  restrict: ({ bdd, a, levels, bits }) => ({
    node: restrict(bdd, a.node, cube(bdd, levels, bits)),
    truth: restricted(a.truth, levels, bits),
  }),
  substitute: (given) => substituted(given, given.a),
  leafSet: ({ bdd, d, levels }) => ({
    node: leafSet(bdd, d.node, levels.length % 4),
    truth: table((row) => (d.truth[row] === levels.length % 4 ? 1 : 0)),
  }),
};

const DECISIONS: Readonly<Record<string, (given: Operands) => Both>> = {
  decide: ({ bdd, a, d, e }) => ({
    node: ite(bdd, a.node, d.node, e.node),
    truth: table((row) => (a.truth[row] === 1 ? d : e).truth[row]!),
  }),
  seq: ({ bdd, d, e }) => ({
    node: seq(bdd, d.node, e.node, FALL),
    truth: table((row) => (d.truth[row] === FALL ? e : d).truth[row]!),
  }),
  mapLeaves: ({ bdd, d, bits }) => {
    const leaves = bits[0] === 1 ? [3, 0, 2, 1] : [0, 1, 0, 2];
    return { node: mapLeaves(bdd, d.node, leaves), truth: table((row) => leaves[d.truth[row]!]!) };
  },
  restrict: ({ bdd, d, levels, bits }) => ({
    node: restrict(bdd, d.node, cube(bdd, levels, bits)),
    truth: restricted(d.truth, levels, bits),
  }),
  substitute: (given) => substituted(given, given.d),
};

function quantified(truth: Truth, levels: readonly number[], join: (a: number, b: number) => number): Truth {
  return levels.reduce<Truth>(
    (now, level) => table((row) => join(now[withBit(row, level, 0)]!, now[withBit(row, level, 1)]!)),
    truth,
  );
}

function restricted(truth: Truth, levels: readonly number[], bits: readonly (0 | 1)[]): Truth {
  return table((row) => truth[levels.reduce((at, level, i) => withBit(at, level, bits[i]!), row)]!);
}

/** The levels get `b` and `c` by turns, all at once. */
function substituted({ bdd, b, c, levels }: Operands, of: Both): Both {
  const functions = levels.map((level, i) => [level, i % 2 === 0 ? b : c] as const);
  const by = substitution(bdd, new Map(functions.map(([level, { node }]) => [level, node])));
  return {
    node: substitute(bdd, of.node, by),
    truth: table(
      (row) => of.truth[functions.reduce((at, [level, { truth }]) => withBit(at, level, truth[row]!), row)]!,
    ),
  };
}

const step = fc.record({
  operation: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...Object.keys(SETS).map((name) => `set ${name}`)) },
    { weight: 4, arbitrary: fc.constantFrom(...Object.keys(DECISIONS).map((name) => `decision ${name}`)) },
    { weight: 1, arbitrary: fc.constant('collect') },
  ),
  picks: fc.array(fc.nat(), { minLength: 5, maxLength: 5 }),
  levels: fc.uniqueArray(fc.nat(LEVELS - 1), { maxLength: 4 }),
  bits: fc.array(fc.constantFrom(0 as const, 1 as const), { minLength: 4, maxLength: 4 }),
});

/** Runs the program; gives all sets and decisions that it made and still has. */
function run(bdd: Bdd, steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) {
  let sets: Both[] = [0, 1].map((leaf) => ({ node: leaf, truth: table(() => leaf) }));
  for (const level of ALL)
    sets.push({ node: variable(bdd, level), truth: table((row) => bitOf(row, level)) });
  let decisions: Both[] = [0, 1, 2, FALL].map((leaf) => ({ node: leaf, truth: table(() => leaf) }));
  for (const { operation, picks, levels, bits } of steps) {
    if (operation === 'collect') {
      const keep = (all: Both[]): Both[] => all.filter((_, i) => (picks[0]! >> (i % 16)) % 2 === 0 || i < 2);
      [sets, decisions] = [keep(sets), keep(decisions)];
      const renumbered = collect(
        bdd,
        [...sets, ...decisions].map(({ node }) => node),
      );
      const moved = ({ node, truth }: Both): Both => ({ node: renumbered(node), truth });
      [sets, decisions] = [sets.map(moved), decisions.map(moved)];
      continue;
    }
    const [kind, name] = operation.split(' ') as [string, string];
    const pick = (from: Both[], i: number): Both => from[picks[i]! % from.length]!;
    const given = {
      bdd,
      a: pick(sets, 0),
      b: pick(sets, 1),
      c: pick(sets, 2),
      d: pick(decisions, 3),
      e: pick(decisions, 4),
      levels,
      bits,
    };
    if (kind === 'set') sets.push(SETS[name]!(given));
    else decisions.push(DECISIONS[name]!(given));
  }
  return { sets, decisions };
}

test(`${runs(3000)} random programs: each result has its truth table, and equal functions are equal nodes`, () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 30 }), (steps) => {
      const bdd = createBdd({ leaves: 4 });
      const { sets, decisions } = run(bdd, steps);
      const nodes = new Map<string, number>();
      for (const { node, truth } of [...sets, ...decisions]) {
        for (let row = 0; row < ROWS; row++)
          if (leavesUnder(bdd, node, bitsOf(row))[0] !== truth[row]) expect.fail(`row ${row} of ${node}`);
        const key = truth.join('');
        if (nodes.has(key)) expect(nodes.get(key)).toBe(node);
        nodes.set(key, node);
      }
      expect(new Set(nodes.values()).size).toBe(nodes.size);
      expect(inconsistencies(bdd)).toEqual([]);
    }),
    { numRuns: runs(3000) },
  );
});

test('counts, examples, support, leaves and disjointness are those of the truth table', () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 5, maxLength: 30 }),
      fc.nat(ROWS - 1),
      fc.nat(ROWS - 1),
      (steps, at, free) => {
        const bdd = createBdd({ leaves: 4 });
        const { sets, decisions } = run(bdd, steps);
        for (const { node, truth } of sets) {
          expect(countAssignments(bdd, node, ALL)).toBe(BigInt(truth.filter((leaf) => leaf === 1).length));
          const found = someAssignment(bdd, node, LEVELS);
          const row = found && [...found].reduce((sum, bit) => sum * 2 + Math.max(bit, 0), 0);
          const smallest = truth.indexOf(1);
          expect(row).toBe(smallest < 0 ? undefined : smallest);
          if (found !== undefined) {
            const like = table((each) =>
              ALL.every((level) => found[level] === -1 || found[level] === bitOf(each, level)) ? 1 : 0,
            );
            expect(truth.filter((leaf, each) => like[each] === 1 && leaf === 0)).toEqual([]);
          }
          const other = sets.at(-1)!;
          expect(disjoint(bdd, node, other.node)).toBe(
            !truth.some((leaf, each) => leaf === 1 && other.truth[each] === 1),
          );
        }
        for (const { node, truth } of decisions) {
          expect(leavesOf(bdd, node)).toEqual([...new Set(truth)].sort());
          const matters = ALL.filter((level) =>
            truth.some((leaf, row) => leaf !== truth[withBit(row, level, 1)]),
          );
          expect(supportOf(bdd, node)).toEqual(matters);
          // Bits of `free` are left open, the others are those of `at`.
          const bits = bitsOf(at).map((bit, level) => (bitOf(free, level) === 1 ? ANY_BIT : bit));
          const rows = truth.filter((_, row) => ((row ^ at) & ~free) === 0);
          expect(leavesUnder(bdd, node, bits)).toEqual([...new Set(rows)].sort());
        }
      },
    ),
    { numRuns: runs(500) },
  );
});

test('a count over some levels only refuses a set that depends on others', () => {
  const bdd = createBdd();
  const set = and(bdd, variable(bdd, 3), variable(bdd, 7));
  expect(countAssignments(bdd, set, [1, 3, 5, 7])).toBe(4n);
  expect(() => countAssignments(bdd, set, [1, 3, 5])).toThrow('level 7');
});

test('a collection keeps what the roots reach and nothing else', () => {
  const bdd = createBdd();
  const parity = (levels: number): number =>
    ALL.slice(0, levels).reduce((sum, level) => xor(bdd, sum, variable(bdd, level)), 0);
  const kept = parity(6);
  const gone = and(bdd, variable(bdd, 40), variable(bdd, 41));
  const size = sizeOf(bdd, kept);
  expect(size).toBe(11);
  const renumbered = collect(bdd, [kept, 1]);
  expect(bdd.used).toBe(bdd.leaves + size);
  expect(renumbered(gone)).toBe(-1);
  expect(renumbered(1)).toBe(1);
  expect(inconsistencies(bdd)).toEqual([]);
  // Canonical as before: made again it is the same node, and makes no more.
  expect(parity(6)).toBe(renumbered(kept));
  collect(bdd, []);
  expect(bdd.used).toBe(bdd.leaves);
});

test('a substitution from before a collection is refused, since its nodes have moved', () => {
  const bdd = createBdd();
  const by = substitution(bdd, new Map([[0, variable(bdd, 1)]]));
  collect(bdd, []);
  expect(() => substitute(bdd, variable(bdd, 0), by)).toThrow('before the last collection');
});

test('tables grow, and everything is found again', () => {
  const bdd = createBdd();
  /** x0 = x20 and x1 = x21 and …: needs 3 × 2^15 nodes with the pairs so far apart. */
  const pairs = (): number =>
    Array.from({ length: 15 }, (_, i) => not(bdd, xor(bdd, variable(bdd, i), variable(bdd, i + 20)))).reduce(
      (all, each) => and(bdd, all, each),
      1,
    );
  const node = pairs();
  expect(sizeOf(bdd, node)).toBe(3 * 2 ** 15 - 2 - 1);
  expect(inconsistencies(bdd)).toEqual([]);
  expect(pairs()).toBe(node);
  expect(
    countAssignments(
      bdd,
      node,
      Array.from({ length: 40 }, (_, i) => i),
    ),
  ).toBe(2n ** (40n - 15n));
});

test('a budget ends in TooLarge before the memory does, and leaves the manager sound', () => {
  const bdd = createBdd({ budget: 5000 });
  const grow = (): number =>
    Array.from({ length: 15 }, (_, i) => not(bdd, xor(bdd, variable(bdd, i), variable(bdd, i + 20)))).reduce(
      (all, each) => and(bdd, all, each),
      1,
    );
  expect(grow).toThrow(TooLarge);
  expect(bdd.used).toBe(5000);
  expect(bdd.nodes.length / 4).toBeLessThanOrEqual(8192);
  expect(inconsistencies(bdd)).toEqual([]);
  collect(bdd, []);
  const few = and(bdd, variable(bdd, 2), variable(bdd, 1));
  expect(sizeOf(bdd, few)).toBe(2);
});

test('an effort counts nodes that are gone again', () => {
  const bdd = createBdd({ effort: 1000 });
  const pairsMade = (): number => {
    let made = 0;
    for (let a = 0; a < 20; a++) {
      for (let b = a + 1; b < 20; b++) {
        and(bdd, variable(bdd, a), variable(bdd, b));
        made++;
      }
      collect(bdd, []);
    }
    return made;
  };
  expect(pairsMade()).toBe(190);
  expect(() => Array.from({ length: 10 }, pairsMade)).toThrow('more than 1000 nodes in all');
  expect(bdd.used).toBeLessThan(100);
  expect(inconsistencies(bdd)).toEqual([]);
});

test('a decision is no set', () => {
  const bdd = createBdd();
  const decision = ite(bdd, variable(bdd, 0), 2, 3);
  expect(() => and(bdd, decision, variable(bdd, 1))).toThrow('where a set was expected');
});
