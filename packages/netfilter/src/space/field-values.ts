// Diagrams over one field: from sorted intervals in one pass, and from masks.
import type { Interval, IntervalSet } from '../net/interval.ts';
import { type Bdd, levelOf, makeNode } from './bdd.ts';

/** Where a field or a part of one stands: the level of its most significant bit, and how many bits it has. */
export interface Bits {
  readonly first: number;
  readonly bits: number;
}

/** What is decided for the values of an interval. */
export interface Case extends Interval<bigint> {
  readonly target: number;
}

/** `target` for the packets with a value of these in the field, else 0; see `fieldSwitch`. Throws TooLarge. */
export function valuesSwitch(bdd: Bdd, field: Bits, values: IntervalSet<bigint>, target: number): number {
  return fieldSwitch(
    bdd,
    field,
    values.map(({ first, last }) => ({ first, last, target })),
    0,
  );
}

/** The set of packets whose bits under `mask` are those of `value`. Throws TooLarge. */
export function maskSet(bdd: Bdd, field: Bits, mask: bigint, value: bigint): number {
  if ((value & ~mask) !== 0n) return 0;
  let node = 1;
  for (let i = 0; i < field.bits; i++) {
    if (((mask >> BigInt(i)) & 1n) === 0n) continue;
    const level = field.first + field.bits - 1 - i;
    node = ((value >> BigInt(i)) & 1n) === 1n ? makeNode(bdd, level, 0, node) : makeNode(bdd, level, node, 0);
  }
  return node;
}

/** Whether the diagram looks at nothing above or in the field: whether `fieldSwitch` takes it. */
export function isBelow(bdd: Bdd, node: number, field: Bits): boolean {
  return levelOf(bdd, node) >= field.first + field.bits;
}

/**
 * The diagram that is `target` for the values of each case and `otherwise` for all others. The cases are sorted and
 * disjoint, and everything that they lead to is below the field (`isBelow`). It is built from the top without any
 * if-then-else, so 100,000 addresses cost what their nodes cost. Throws TooLarge.
 */
export function fieldSwitch(bdd: Bdd, field: Bits, cases: readonly Case[], otherwise: number): number {
  const { edges, aligned } = edgesOf(field, cases);
  const width = wordsOf(field);

  /** Among the cases `from`..`to` the first whose first (`side` 0) or last (`side` 1) value has the bit set, or to + 1. */
  const firstWithBit = (from: number, to: number, side: 0 | 1, position: number): number => {
    const fromRight = field.bits - 1 - position;
    const word = side * width + (fromRight >>> 5);
    const shift = fromRight & 31;
    let low = from;
    let high = to + 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((edges[middle * 2 * width + word]! >>> shift) & 1) high = middle;
      else low = middle + 1;
    }
    return low;
  };

  /**
   * The values that agree in the bits before `position`. Cases `from`..`to` reach among them; `left` and `right` say
   * that the first of these begins, that the last of these ends outside.
   */
  const block = (position: number, from: number, to: number, left: boolean, right: boolean): number => {
    if (from > to) return otherwise;
    if (
      from === to &&
      (left || position >= aligned[from * 2]!) &&
      (right || position >= aligned[from * 2 + 1]!)
    ) {
      return cases[from]!.target;
    }
    const upperBegins = firstWithBit(left ? from + 1 : from, to, 0, position);
    const upperEnds = firstWithBit(from, right ? to - 1 : to, 1, position);
    const across = upperEnds < upperBegins;
    const low = block(position + 1, from, upperBegins - 1, left, across);
    const high = block(position + 1, upperEnds, to, across, right);
    return makeNode(bdd, field.first + position, low, high);
  };
  return block(0, 0, cases.length - 1, false, false);
}

function wordsOf(field: Bits): number {
  return (field.bits + 31) >>> 5;
}

/**
 * First and last value of each case as 32-bit words, lowest word first, and for each the position from which on a first
 * value has only zeros, a last value only ones: there the case fills its block to that side.
 */
function edgesOf(field: Bits, cases: readonly Case[]): { edges: Uint32Array; aligned: Uint8Array } {
  const width = wordsOf(field);
  const edges = new Uint32Array(cases.length * 2 * width);
  const aligned = new Uint8Array(cases.length * 2);
  let before = -1n;
  for (const [i, { first, last }] of cases.entries()) {
    if (first <= before || last < first) throw new Error('the cases of a field are not sorted and disjoint');
    before = last;
    for (let side = 0; side < 2; side++) {
      const at = (i * 2 + side) * width;
      let value = side === 0 ? first : last;
      for (let word = 0; word < width; word++) {
        edges[at + word] = Number(BigInt.asUintN(32, value));
        if (width > 1) value >>= 32n;
      }
      let free = 0;
      for (let word = 0; word < width && free === word * 32; word++) {
        const bits = side === 0 ? edges[at + word]! : ~edges[at + word]!;
        // Zeros at the right end: of 0 it is the whole word.
        free += bits === 0 ? 32 : 31 - Math.clz32(bits & -bits);
      }
      aligned[i * 2 + side] = Math.max(0, field.bits - free);
    }
  }
  if (before >> BigInt(field.bits) > 0n)
    throw new Error(`${before} is more than a field of ${field.bits} bits holds`);
  return { edges, aligned };
}
