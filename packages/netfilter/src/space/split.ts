// A set or decision taken apart by the values of one field, wherever that field stands in the order of variables.
import { type Interval, type IntervalSet, intervalSet } from '../net/interval.ts';
import { highOf, levelOf, lowOf } from './bdd.ts';
import { fieldOf } from './fields.ts';
import { type Decision, type Diagram, decisionOf, nodeOf, type PacketSet, setOf } from './packet-space.ts';
import { cube, restrict } from './variables.ts';

export interface FieldClass<T extends Diagram> {
  readonly values: IntervalSet<bigint>;
  /** What is left for these values; it no longer depends on the field. */
  readonly rest: T;
}

/** The values of a number field, those that leave the same diagram together, by their smallest one. Throws TooLarge. */
export function splitByField<T extends Diagram>(diagram: T, name: string): FieldClass<T>[] {
  const { space } = diagram;
  const { bdd } = space;
  const { first, bits } = fieldOf(space.layout, name);
  const looks = new Map<number, boolean>();
  const looksAtField = (node: number): boolean => {
    const level = levelOf(bdd, node);
    if (level >= first) return level < first + bits;
    let known = looks.get(node);
    if (known === undefined) {
      known = looksAtField(lowOf(bdd, node)) || looksAtField(highOf(bdd, node));
      looks.set(node, known);
    }
    return known;
  };
  const found = new Map<number, Interval<bigint>[]>();
  const visit = (node: number, position: number, from: bigint): void => {
    if (position === bits || !looksAtField(node)) {
      const interval = { first: from, last: from + (1n << BigInt(bits - position)) - 1n };
      const list = found.get(node);
      if (list === undefined) found.set(node, [interval]);
      else list.push(interval);
      return;
    }
    const half = 1n << BigInt(bits - position - 1);
    visit(restrict(bdd, node, cube(bdd, [first + position], [0])), position + 1, from);
    visit(restrict(bdd, node, cube(bdd, [first + position], [1])), position + 1, from + half);
  };
  visit(nodeOf(space, diagram), 0, 0n);
  return [...found].map(([node, intervals]) => ({
    values: intervalSet(intervals),
    rest: like(diagram, node),
  }));
}

function like<T extends Diagram>(diagram: T, node: number): T {
  const { space } = diagram;
  const made: PacketSet | Decision = diagram.kind === 'set' ? setOf(space, node) : decisionOf(space, node);
  return made as T;
}
