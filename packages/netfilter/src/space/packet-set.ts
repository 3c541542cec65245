// Exact arithmetic on sets of packets.
import { countAssignments, someAssignment } from './count.ts';
import { codeValue, type FieldMatch, type FieldValue, matchValues, valueCode } from './field-match.ts';
import { isBelow, maskSet, valuesSwitch } from './field-values.ts';
import { type Field, fieldOf, type Layout, levelsOf } from './fields.ts';
import {
  ANY_BIT,
  and,
  disjoint,
  leavesUnder,
  not,
  sizeOf,
  subtract,
  supportOf,
  unionAll,
} from './operations.ts';
import { type Diagram, nodeOf, type PacketSet, type PacketSpace, setOf } from './packet-space.ts';
import { variable } from './variables.ts';

/** Values by field; a field that is not mentioned may have any. */
export type PacketMatch = Readonly<Record<string, FieldMatch>>;

/** One packet, or what is known of it. */
export type PacketFields = Readonly<Record<string, FieldValue>>;

export function allPackets(space: PacketSpace): PacketSet {
  return setOf(space, 1);
}

export function noPackets(space: PacketSpace): PacketSet {
  return setOf(space, 0);
}

/**
 * The packets that have in each field one of the values given: `packetsWhere(space, { proto: 'tcp', dport: [22, { first:
 * 80, last: 90 }] })`. A list of 100,000 addresses costs what its result costs. A field or value that there is not is a
 * bug of the caller and throws; TooLarge is thrown when the budget is used up, here as by all functions that make sets.
 */
export function packetsWhere(space: PacketSpace, match: PacketMatch): PacketSet {
  const { bdd, layout } = space;
  const deepestFirst = Object.entries(match)
    .map(([name, values]) => ({ field: fieldOf(layout, name), values }))
    .sort((a, b) => b.field.first - a.field.first);
  let node = 1;
  for (const { field, values } of deepestFirst) {
    const { intervals, masks } = matchValues(layout, field, values);
    if (masks.length === 0 && isBelow(bdd, node, field)) {
      node = valuesSwitch(bdd, field, intervals, node);
    } else {
      const parts = masks.map(({ mask, value }) => maskSet(bdd, field, mask, value));
      node = and(bdd, node, unionAll(bdd, [valuesSwitch(bdd, field, intervals, 1), ...parts]));
    }
  }
  return setOf(space, node);
}

/** Those that are in any of the sets. */
export function unionPackets(space: PacketSpace, sets: Iterable<PacketSet>): PacketSet {
  return setOf(
    space,
    unionAll(
      space.bdd,
      Array.from(sets, (set) => nodeOf(space, set)),
    ),
  );
}

/** Those that are in both. */
export function intersectPackets(a: PacketSet, b: PacketSet): PacketSet {
  return setOf(a.space, and(a.space.bdd, nodeOf(a.space, a), nodeOf(a.space, b)));
}

/** Those of `a` that are not in `b`. */
export function subtractPackets(a: PacketSet, b: PacketSet): PacketSet {
  return setOf(a.space, subtract(a.space.bdd, nodeOf(a.space, a), nodeOf(a.space, b)));
}

/** All others. */
export function complementPackets(set: PacketSet): PacketSet {
  return setOf(set.space, not(set.space.bdd, nodeOf(set.space, set)));
}

export function isEmpty(set: PacketSet): boolean {
  return nodeOf(set.space, set) === 0;
}

/** Whether two sets, or two decisions, are the same: a comparison of two numbers. */
export function samePackets<T extends Diagram>(a: T, b: T): boolean {
  return nodeOf(a.space, a) === nodeOf(a.space, b);
}

/** Whether some packet is in both; makes no new nodes. */
export function packetsOverlap(a: PacketSet, b: PacketSet): boolean {
  return !disjoint(a.space.bdd, nodeOf(a.space, a), nodeOf(a.space, b));
}

/** Whether every packet of `inner` is in `outer`. */
export function packetsCover(outer: PacketSet, inner: PacketSet): boolean {
  return isEmpty(subtractPackets(inner, outer));
}

/** Whether the packet is in the set. A field that is left out must not matter to it; otherwise it throws. */
export function containsPacket(set: PacketSet, packet: PacketFields): boolean {
  return leafFor(set, packet) === 1;
}

/** The leaf that the diagram has for the packet; a field that is left out and matters is a bug of the caller and throws. */
export function leafFor(diagram: Diagram, packet: PacketFields): number {
  const [leaf, other] = possibleLeaves(diagram, packet);
  if (other !== undefined) throw new Error('the packet lacks a field that matters to the set');
  return leaf!;
}

/** The leaves that the diagram has for packets like this one, ascending: what is left out may be anything. */
export function possibleLeaves(diagram: Diagram, packet: PacketFields): number[] {
  const { bdd, layout } = diagram.space;
  const bits = new Uint8Array(layout.levels).fill(ANY_BIT);
  for (const [name, value] of Object.entries(packet)) {
    const field = fieldOf(layout, name);
    const code = valueCode(layout, field, value);
    for (let from = 0; from < field.bits; from += 32) {
      const word = Number(BigInt.asUintN(32, code >> BigInt(from)));
      const last = field.first + field.bits - 1 - from;
      for (let i = 0; i < 32 && from + i < field.bits; i++) bits[last - i] = (word >>> i) & 1;
    }
  }
  return leavesUnder(bdd, nodeOf(diagram.space, diagram), bits);
}

function fieldAt(layout: Layout, level: number): Field {
  return layout.fields.find(({ first, bits }) => level >= first && level < first + bits)!;
}

/** How many packets there are in the set, over all fields or over those named; it must not depend on others. */
export function countPackets(set: PacketSet, fields?: readonly string[]): bigint {
  const { bdd, layout } = set.space;
  const counted = layout.fields.filter(({ name }) => fields === undefined || fields.includes(name));
  const levels = counted.flatMap((field) => levelsOf(field));
  return countAssignments(bdd, and(bdd, nodeOf(set.space, set), ownCodes(set.space, counted)), levels);
}

/** Each word of a field by its own code only: the last one otherwise counts as often as there are codes left over. */
function ownCodes(space: PacketSpace, fields: readonly Field[]): number {
  let node = 1;
  for (const field of fields) {
    if (field.kind !== 'words') continue;
    const used = { first: 0n, last: BigInt(field.words.length - 1) };
    node = and(space.bdd, node, valuesSwitch(space.bdd, field, [used], 1));
  }
  return node;
}

/**
 * A packet of the set with a value for each field, or undefined for the empty set. It is in the first of `prefer` if any
 * can be, then in the second if it still can be, and so on; else it is the one with the smallest values.
 */
export function examplePacket(set: PacketSet, prefer: readonly PacketSet[] = []): PacketFields | undefined {
  const { space } = set;
  const { bdd, layout } = space;
  let node = nodeOf(space, set);
  for (const wish of prefer) {
    const narrowed = and(bdd, node, nodeOf(space, wish));
    if (narrowed !== 0) node = narrowed;
  }
  const bits = someAssignment(bdd, node, layout.levels);
  if (bits === undefined) return undefined;
  const packet: Record<string, FieldValue> = {};
  for (const field of layout.fields) {
    let code = 0n;
    for (const level of levelsOf(field)) code = code * 2n + (bits[level] === 1 ? 1n : 0n);
    packet[field.name] = codeValue(layout, field, code);
  }
  return packet;
}

/** How many nodes its diagram has: what it costs to keep. */
export function diagramSize(diagram: Diagram): number {
  return sizeOf(diagram.space.bdd, nodeOf(diagram.space, diagram));
}

/** The names of the fields on which it depends, in the order of their variables. */
export function fieldsOf(diagram: Diagram): string[] {
  const { bdd, layout } = diagram.space;
  const names = supportOf(bdd, nodeOf(diagram.space, diagram)).map((level) => fieldAt(layout, level).name);
  return [...new Set(names)];
}

/** The set in which this bit of a field is 1; bit 0 is the lowest. */
export function packetsWithBit(space: PacketSpace, name: string, bit: number): PacketSet {
  const field = fieldOf(space.layout, name);
  return setOf(space, variable(space.bdd, field.first + field.bits - 1 - bit));
}
