// Numbers whose bits depend on the packet: what rules calculate with marks and masks, and how it compares.
import type { Interval } from '../net/interval.ts';
import { fieldOf } from '../space/fields.ts';
import {
  allPackets,
  complementPackets,
  intersectPackets,
  noPackets,
  packetsWithBit,
  unionPackets,
} from '../space/packet-set.ts';
import type { PacketSet, PacketSpace } from '../space/packet-space.ts';

/** For each bit, the most significant first, the packets for which it is 1; or the same for all. */
export type Bit = 0 | 1 | PacketSet;
export type BitVector = readonly Bit[];

export function constantBits(value: bigint, bits: number): BitVector {
  return Array.from({ length: bits }, (_, i) => Number((value >> BigInt(bits - 1 - i)) & 1n) as 0 | 1);
}

/** The bits of a field that the space has. */
export function fieldBits(space: PacketSpace, name: string): BitVector {
  const { bits } = fieldOf(space.layout, name);
  return Array.from({ length: bits }, (_, i) => packetsWithBit(space, name, bits - 1 - i));
}

const isConstant = (bit: Bit): bit is 0 | 1 => bit === 0 || bit === 1;

export function bitAnd(a: Bit, b: Bit): Bit {
  if (a === 0 || b === 0) return 0;
  if (a === 1) return b;
  return b === 1 ? a : intersectPackets(a, b);
}

export function bitOr(a: Bit, b: Bit): Bit {
  if (a === 1 || b === 1) return 1;
  if (a === 0) return b;
  return b === 0 ? a : unionPackets(a.space, [a, b]);
}

export function bitNot(a: Bit): Bit {
  if (a === 0) return 1;
  return a === 1 ? 0 : complementPackets(a);
}

export function bitXor(a: Bit, b: Bit): Bit {
  if (isConstant(a)) return a === 0 ? b : bitNot(b);
  if (isConstant(b)) return b === 0 ? a : bitNot(a);
  return bitOr(bitAnd(a, bitNot(b)), bitAnd(bitNot(a), b));
}

/** `then` for the packets of the set, `otherwise` for the others, bit by bit. */
export function bitsChosen(set: PacketSet, then: BitVector, otherwise: BitVector): BitVector {
  return then.map((bit, i) => bitOr(bitAnd(set, bit), bitAnd(bitNot(set), otherwise[i] ?? 0)));
}

/** With zeros in front, or without what is in front. */
export function resized(vector: BitVector, bits: number): BitVector {
  if (vector.length >= bits) return vector.slice(vector.length - bits);
  return [...constantBits(0n, bits - vector.length), ...vector];
}

export function bitwise(operator: '&' | '|' | '^', a: BitVector, b: BitVector): BitVector {
  const length = Math.max(a.length, b.length);
  const [left, right] = [resized(a, length), resized(b, length)];
  const combine = { '&': bitAnd, '|': bitOr, '^': bitXor }[operator];
  return left.map((bit, i) => combine(bit, right[i]!));
}

/** Within the same width, as the kernel's registers do it. */
export function shifted(operator: '<<' | '>>', vector: BitVector, by: number): BitVector {
  const zeros = constantBits(0n, Math.min(by, vector.length));
  return operator === '<<'
    ? [...vector.slice(by), ...zeros]
    : [...zeros, ...vector.slice(0, Math.max(0, vector.length - by))];
}

export function asSet(space: PacketSpace, bit: Bit): PacketSet {
  if (bit === 0) return noPackets(space);
  return bit === 1 ? allPackets(space) : bit;
}

/** The packets for which the number lies in the interval. */
export function vectorIn(
  space: PacketSpace,
  vector: BitVector,
  { first, last }: Interval<bigint>,
): PacketSet {
  if (first > last || first >> BigInt(vector.length) !== 0n) return noPackets(space);
  const largest = (1n << BigInt(vector.length)) - 1n;
  const low = constantBits(first, vector.length);
  const high = constantBits(last > largest ? largest : last, vector.length);
  let above: Bit = 1;
  let below: Bit = 1;
  for (let i = vector.length - 1; i >= 0; i--) {
    const bit = vector[i]!;
    above = low[i] === 1 ? bitAnd(bit, above) : bitOr(bit, above);
    below = high[i] === 1 ? bitOr(bitNot(bit), below) : bitAnd(bitNot(bit), below);
  }
  return asSet(space, bitAnd(above, below));
}

/** The packets for which two numbers are equal. */
export function vectorsEqual(space: PacketSpace, a: BitVector, b: BitVector): PacketSet {
  const length = Math.max(a.length, b.length);
  const [left, right] = [resized(a, length), resized(b, length)];
  let equal: Bit = 1;
  for (let i = length - 1; i >= 0; i--) equal = bitAnd(bitNot(bitXor(left[i]!, right[i]!)), equal);
  return asSet(space, equal);
}
