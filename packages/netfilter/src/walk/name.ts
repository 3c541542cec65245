// Tests of names of interfaces.
import type { Cell, Slots } from './cell.ts';
import { type KeyTest, lookupOne } from './lookup.ts';
import { BREAK, FORK, NEXT, type Outcome, type Part, type Walker } from './step.ts';

/** Holds for packets whose name passes one of the tests, or (`inverted`) none. */
export function namePart(slots: Slots, field: string, tests: readonly KeyTest[], inverted: boolean): Part {
  const slot = slots.of(field, 0);
  const [hit, miss]: [Outcome, Outcome] = inverted ? [BREAK, NEXT] : [NEXT, BREAK];
  const find = lookupOne(tests);
  const patterns = tests.map(patternOf);
  const [only, ...more] = tests;
  const single = only?.kind === 'exact' && more.length === 0 ? String(only.value) : undefined;
  const ofUnknown = (cell: Cell): Outcome => {
    if (tests.length === 0) return miss;
    if (tests.some(({ kind }) => kind === 'any')) return hit;
    const except = exceptOf(cell);
    return patterns.every((pattern) => pattern !== undefined && except.includes(pattern)) ? miss : FORK;
  };
  const step = ({ cells }: Walker): Outcome => {
    const value = cells[slot];
    if (typeof value !== 'string') return ofUnknown(value);
    if (single !== undefined) return value === single ? hit : miss;
    const at = find(value);
    return at === undefined ? FORK : at >= 0 ? hit : miss;
  };
  const ways = [
    {
      outcome: hit,
      narrow: ({ cells }: Walker): void => {
        if (single !== undefined) cells[slot] = single;
      },
    },
    {
      outcome: miss,
      narrow: ({ cells }: Walker): void => {
        if (typeof cells[slot] === 'string' || patterns.includes(undefined)) return;
        cells[slot] = { except: [...exceptOf(cells[slot]), ...(patterns as string[])] };
      },
    },
  ];
  return { step, ways: () => ways, why: { kind: 'field', field }, effect: false };
}

function exceptOf(cell: Cell): readonly string[] {
  return typeof cell === 'object' && 'except' in cell ? cell.except : [];
}

/** undefined: what it leaves out cannot be written down. */
function patternOf(test: KeyTest): string | undefined {
  if (test.kind === 'exact') return String(test.value);
  return test.kind === 'begins' ? `${test.text}*` : undefined;
}
