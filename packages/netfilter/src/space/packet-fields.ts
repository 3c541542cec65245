// What packet sets and decisions become when fields are forgotten, fixed, given by functions or exchanged.
import { valueCode } from './field-match.ts';
import { fieldOf, levelsOf } from './fields.ts';
import { supportOf } from './operations.ts';
import type { PacketFields } from './packet-set.ts';
import { type Decision, type Diagram, decisionOf, nodeOf, type PacketSet, setOf } from './packet-space.ts';
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

/** The packets that are in the set with *some* values in these fields: what may be, when nobody knows them. */
export function forSome(set: PacketSet, fields: readonly string[]): PacketSet {
  const { space } = set;
  if (fields.length === 0) return set;
  return setOf(space, exists(space.bdd, nodeOf(space, set), fieldVariables(set, fields)));
}

/** The packets that are in the set with *every* value in these fields: what must be, whatever they are. */
export function forEvery(set: PacketSet, fields: readonly string[]): PacketSet {
  const { space } = set;
  if (fields.length === 0) return set;
  return setOf(space, forall(space.bdd, nodeOf(space, set), fieldVariables(set, fields)));
}

/**
 * The variables of the fields, but only those that the set depends on: below the last of them nothing has to be looked
 * at, and that may be a set of 100,000 addresses.
 */
function fieldVariables({ space, node }: PacketSet, fields: readonly string[]): number {
  const { bdd, layout } = space;
  const levels = new Set(fields.flatMap((name) => levelsOf(fieldOf(layout, name))));
  return variableSet(
    bdd,
    supportOf(bdd, node).filter((level) => levels.has(level)),
  );
}

/**
 * The set or decision as it is for packets that get these values: the pre-image of `dnat to`. The answer does not depend
 * on these fields.
 */
export function fixFields<T extends Diagram>(diagram: T, values: PacketFields): T {
  const { space } = diagram;
  const { bdd, layout } = space;
  const levels: number[] = [];
  const bits: (0 | 1)[] = [];
  for (const [name, value] of Object.entries(values)) {
    const field = fieldOf(layout, name);
    const code = valueCode(layout, field, value);
    for (const [i, level] of levelsOf(field).entries()) {
      levels.push(level);
      bits.push(((code >> BigInt(field.bits - 1 - i)) & 1n) === 1n ? 1 : 0);
    }
  }
  return like(diagram, restrict(bdd, nodeOf(space, diagram), cube(bdd, levels, bits)));
}

/**
 * The set or decision as it is for packets whose field bits are given by sets: a bit is 1 for the packets of its set. The
 * lists have one set a bit, the most significant first, and undefined for a bit that stays. So marks need no variables
 * between the rule that sets them and the rule that reads them.
 */
export function fieldFrom<T extends Diagram>(
  diagram: T,
  bits: Readonly<Record<string, readonly (PacketSet | undefined)[]>>,
): T {
  const { space } = diagram;
  const functions = new Map<number, number>();
  for (const [name, sets] of Object.entries(bits)) {
    const field = fieldOf(space.layout, name);
    if (sets.length !== field.bits)
      throw new Error(`${sets.length} bits for ${name}, which has ${field.bits}`);
    for (const [i, set] of sets.entries())
      if (set !== undefined) functions.set(field.first + i, nodeOf(space, set));
  }
  return like(diagram, substitute(space.bdd, nodeOf(space, diagram), substitution(space.bdd, functions)));
}

/** For a packet what `diagram` is for the one with these fields exchanged: with src and dst, sport and dport, its reply. */
export function exchangeFields<T extends Diagram>(
  diagram: T,
  pairs: readonly (readonly [string, string])[],
): T {
  const { space } = diagram;
  const functions = new Map<number, number>();
  for (const [a, b] of pairs) {
    const [one, other] = [fieldOf(space.layout, a), fieldOf(space.layout, b)];
    if (one.bits !== other.bits) throw new Error(`${a} and ${b} differ in size`);
    for (let i = 0; i < one.bits; i++) {
      functions.set(one.first + i, variable(space.bdd, other.first + i));
      functions.set(other.first + i, variable(space.bdd, one.first + i));
    }
  }
  return like(diagram, substitute(space.bdd, nodeOf(space, diagram), substitution(space.bdd, functions)));
}

function like<T extends Diagram>(diagram: T, node: number): T {
  const made: PacketSet | Decision =
    diagram.kind === 'set' ? setOf(diagram.space, node) : decisionOf(diagram.space, node);
  return made as T;
}
