// Conditions of a rule on their way to a packet set: those on single fields are gathered, so that one diagram is made.
import { type IntervalSet, subtractIntervals } from '../net/interval.ts';
import { decide, decideWhere } from '../space/decision.ts';
import {
  allPackets,
  intersectPackets,
  noPackets,
  type PacketMatch,
  packetsWhere,
} from '../space/packet-set.ts';
import type { Decision, PacketSet, PacketSpace } from '../space/packet-space.ts';

/** All of it has to hold. */
export interface Condition {
  readonly numbers: ReadonlyMap<string, IntervalSet<bigint>>;
  readonly words: ReadonlyMap<string, readonly string[]>;
  readonly sets: readonly PacketSet[];
}

export const ALWAYS: Condition = { numbers: new Map(), words: new Map(), sets: [] };

/** Holds for no packet. */
export const NEVER: Condition = { numbers: new Map([['proto', []]]), words: new Map(), sets: [] };

export function numbersIn(field: string, values: IntervalSet<bigint>): Condition {
  return { numbers: new Map([[field, values]]), words: new Map(), sets: [] };
}

export function wordsIn(field: string, words: readonly string[]): Condition {
  return { numbers: new Map(), words: new Map([[field, words]]), sets: [] };
}

export function inSet(set: PacketSet): Condition {
  return { numbers: new Map(), words: new Map(), sets: [set] };
}

export function both(a: Condition, b: Condition): Condition {
  if (a === ALWAYS) return b;
  if (b === ALWAYS) return a;
  const numbers = new Map(a.numbers);
  for (const [field, values] of b.numbers) {
    const others = numbers.get(field);
    numbers.set(field, others === undefined ? values : common(others, values));
  }
  const words = new Map(a.words);
  for (const [field, some] of b.words) {
    words.set(field, words.get(field)?.filter((word) => some.includes(word)) ?? some);
  }
  return { numbers, words, sets: [...a.sets, ...b.sets] };
}

function common(a: IntervalSet<bigint>, b: IntervalSet<bigint>): IntervalSet<bigint> {
  return subtractIntervals(a, subtractIntervals(a, b));
}

/** Whether no packet can fulfil it, as far as that is seen without making a diagram. */
export function isNever({ numbers, words }: Condition): boolean {
  return [...numbers.values(), ...words.values()].some((values) => values.length === 0);
}

export function conditionSet(space: PacketSpace, condition: Condition): PacketSet {
  if (isNever(condition)) return noPackets(space);
  if (condition === ALWAYS) return allPackets(space);
  let set = packetsWhere(space, conditionMatch(condition));
  for (const other of condition.sets) set = intersectPackets(set, other);
  return set;
}

/** `then` for the packets that fulfil it, `otherwise` for all others. */
export function decideIf(
  space: PacketSpace,
  condition: Condition,
  then: Decision,
  otherwise: Decision,
): Decision {
  if (isNever(condition)) return otherwise;
  if (condition.sets.length > 0) return decide(conditionSet(space, condition), then, otherwise);
  return decideWhere(space, conditionMatch(condition), then, otherwise);
}

/** What is asked of single fields. */
export function conditionMatch({ numbers, words }: Condition): PacketMatch {
  return Object.fromEntries<IntervalSet<bigint> | readonly string[]>([...numbers, ...words]);
}
