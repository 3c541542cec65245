// What a reading needs, as a condition on packets.
import { intervalSet } from '../net/interval.ts';
import type { Need } from '../semantics/reading.ts';
import { complementPackets, intersectPackets, unionPackets } from '../space/packet-set.ts';
import { ensureField } from './analysis.ts';
import { both, type Condition, conditionSet, inSet, numbersIn, wordsIn } from './condition.ts';
import { freeSet, type Scope } from './scope.ts';

/** The condition, and that there is something to read. */
export function needed(scope: Scope, needs: readonly Need[], condition: Condition, part: string): Condition {
  let all = condition;
  for (const need of needs) {
    const there = needCondition(scope, need);
    if (need.otherwise === 'no match') all = both(there, all);
    else {
      // Something is read there too, but nothing that is modelled.
      const { space } = scope.view.analysis;
      const set = conditionSet(space, there);
      const inside = intersectPackets(set, conditionSet(space, all));
      const free = freeSet(scope, `${part} beyond`, 'content');
      all = inSet(unionPackets(space, [inside, intersectPackets(complementPackets(set), free)]));
    }
  }
  return all;
}

export function needCondition(scope: Scope, need: Need): Condition {
  const { field, bits, values } = need;
  if (bits === 0) return wordsIn(field, values.map(String));
  ensureField(scope.view.analysis, { kind: 'number', name: field, bits });
  return numbersIn(
    field,
    intervalSet(values.map((value) => ({ first: BigInt(value), last: BigInt(value) }))),
  );
}
