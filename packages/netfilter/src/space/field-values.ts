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

/** `target` for the packets with a value of these in the field, else `otherwise`; see `fieldSwitch`. Throws TooLarge. */
export function valuesSwitch(
  bdd: Bdd,
  field: Bits,
  values: IntervalSet<bigint>,
  target: number,
  otherwise = 0,
): number {
  return switched(bdd, field, values, () => target, otherwise);
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
  return switched(bdd, field, cases, (index) => cases[index]!.target, otherwise);
}

function switched(
  bdd: Bdd,
  field: Bits,
  cases: readonly Interval<bigint>[],
  targetOf: (index: number) => number,
  otherwise: number,
): number {
  const { edges, aligned, networks } = edgesOf(field, cases);
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

  const tails = cases.length < MANY ? undefined : new Map<number, Int32Array>();

  /** The nodes made so far for the last bits of networks of one length and target, by `1 << bits | their value`. */
  const tailsOf = (length: number, target: number): Int32Array | undefined => {
    const key = target * 256 + length;
    const known = tails?.get(key);
    if (known !== undefined || tails === undefined || tails.size === TAIL_TABLES) return known;
    const made = new Int32Array(2 << TAIL_BITS);
    tails.set(key, made);
    return made;
  };

  /** TAIL_BITS bits of an edge, the lowest of them so far from the right. */
  const bitsAt = (edge: number, fromRight: number): number => {
    const word = fromRight >>> 5;
    const shift = fromRight & 31;
    const low = edges[edge + word]! >>> shift;
    const high = shift === 0 || word + 1 === width ? 0 : edges[edge + word + 1]! << (32 - shift);
    return (low | high) & ((1 << TAIL_BITS) - 1);
  };

  /** One case that is a network, below `position`: a chain, made from its end. Networks with the same end share it. */
  const chain = (position: number, index: number): number => {
    const target = targetOf(index);
    const length = networks[index]!;
    const edge = index * 2 * width;
    const known = tailsOf(length, target);
    const most = Math.min(TAIL_BITS, length - position);
    const tail = known === undefined ? 0 : bitsAt(edge, field.bits - length);
    const place = (bits: number): number => (1 << bits) | (tail & ((1 << bits) - 1));
    let made = known === undefined ? 0 : most;
    while (made > 0 && known![place(made)] === 0) made--;
    let node = made === 0 ? target : known![place(made)]!;
    for (let at = length - 1 - made; at >= position; at--) {
      const fromRight = field.bits - 1 - at;
      const bit = (edges[edge + (fromRight >>> 5)]! >>> (fromRight & 31)) & 1;
      const level = field.first + at;
      node = bit === 1 ? makeNode(bdd, level, otherwise, node) : makeNode(bdd, level, node, otherwise);
      if (known !== undefined && ++made <= most) known[place(made)] = node;
    }
    return node;
  };

  /**
   * The values that agree in the bits before `position`. Cases `from`..`to` reach among them; `left` and `right` say
   * that the first of these begins, that the last of these ends outside.
   */
  const block = (position: number, from: number, to: number, left: boolean, right: boolean): number => {
    if (from > to) return otherwise;
    if (from === to) {
      const isFull =
        (left || position >= aligned[from * 2]!) && (right || position >= aligned[from * 2 + 1]!);
      if (isFull) return targetOf(from);
      if (!left && !right && networks[from] !== NO_NETWORK) return chain(position, from);
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

/** So many cases have ends in common, and so few tables of so few bits (128 KB each) are kept of them. */
const MANY = 4_096;
const TAIL_BITS = 14;
const TAIL_TABLES = 32;

/** In the place of a length: the case is no network. */
const NO_NETWORK = 255;

interface Edges {
  /** First and last value of each case as 32-bit words, lowest word first. */
  readonly edges: Uint32Array;
  /**
   * For each of these the position from which on a first value has only zeros, a last value only ones: there the case
   * fills its block to that side.
   */
  readonly aligned: Uint8Array;
  /** For each case its length as a network, or NO_NETWORK. */
  readonly networks: Uint8Array;
}

function edgesOf(field: Bits, cases: readonly Interval<bigint>[]): Edges {
  const width = wordsOf(field);
  const edges = new Uint32Array(cases.length * 2 * width);
  const aligned = new Uint8Array(cases.length * 2);
  const networks = new Uint8Array(cases.length);
  let before = -1n;
  for (let i = 0; i < cases.length; i++) {
    const { first, last } = cases[i]!;
    if (first <= before || last < first) throw new Error('the cases of a field are not sorted and disjoint');
    before = last;
    const at = i * 2 * width;
    if (width === 1) {
      edges[at] = Number(first);
      edges[at + 1] = Number(last);
    }
    for (let word = 0; width > 1 && word < width; word++) {
      const shift = BigInt(word * 32);
      edges[at + word] = Number(BigInt.asUintN(32, first >> shift));
      edges[at + width + word] = Number(BigInt.asUintN(32, last >> shift));
    }
    let zeros = 0;
    for (let word = 0; word < width && zeros === word * 32; word++) zeros += zerosAtEnd(edges[at + word]!);
    let ones = 0;
    for (let word = 0; word < width && ones === word * 32; word++)
      ones += zerosAtEnd(~edges[at + width + word]!);
    aligned[i * 2] = Math.max(0, field.bits - zeros);
    aligned[i * 2 + 1] = Math.max(0, field.bits - ones);
    let common = field.bits - width * 32;
    for (let word = width - 1, same = true; word >= 0 && same; word--) {
      const different = edges[at + word]! ^ edges[at + width + word]!;
      common += Math.clz32(different);
      same = different === 0;
    }
    networks[i] = Math.max(aligned[i * 2]!, aligned[i * 2 + 1]!) <= common ? common : NO_NETWORK;
  }
  if (before >> BigInt(field.bits) > 0n)
    throw new Error(`${before} is more than a field of ${field.bits} bits holds`);
  return { edges, aligned, networks };
}

/** Of 0 it is the whole word. */
function zerosAtEnd(word: number): number {
  return word === 0 ? 32 : 31 - Math.clz32(word & -word);
}
