// Statements that write something into the packet, its flow or its mark, as a decision sees them: what comes after is
// asked about the packet as it is then.
import type { Expression, Operand } from '../model/expression.ts';
import type { Statement } from '../model/statement.ts';
import { PLACES, readingOf } from '../semantics/reading.ts';
import { decide } from '../space/decision.ts';
import { fieldOf, hasField } from '../space/fields.ts';
import { fieldFrom, fixFields } from '../space/packet-fields.ts';
import { packetsWhere } from '../space/packet-set.ts';
import type { Decision, PacketSet } from '../space/packet-space.ts';
import { asSet, type BitVector, bitOr, fieldBits, resized } from './bit-vector.ts';
import { ALWAYS, both, type Condition, conditionSet, NEVER } from './condition.ts';
import { operandVector } from './expression-vector.ts';
import { keysCondition } from './match-condition.ts';
import { needCondition } from './need.ts';
import type { Scope } from './scope.ts';

/** The packet field that a statement writes; `address`: it rewrites addresses; undefined: it writes nothing that is read. */
export function writtenField(statement: Statement): string | 'address' | undefined {
  switch (statement.kind) {
    case 'nat':
    case 'tproxy':
      return 'address';
    case 'notrack':
      return 'early state';
    case 'mangle':
      return fieldWritten(statement.key);
    default:
      return undefined;
  }
}

function fieldWritten(key: Expression): string | undefined {
  if (key.kind === 'concat' || key.kind === 'mask' || key.kind === 'bits') return undefined;
  if (key.kind === 'map' || key.kind === 'constant') return undefined;
  for (const place of PLACES) {
    const reading = readingOf(key, place);
    if (reading.kind === 'number') return reading.field;
  }
  return undefined;
}

/** `then`, asked about the packet as the statement leaves it. */
export function effectOf(
  scope: Scope,
  statement: Statement,
  part: string,
  then: Decision,
  next: Decision,
): Decision {
  const { space } = scope.view.analysis;
  switch (statement.kind) {
    case 'notrack':
      // Later the packet has an entry, or has been given up.
      return scope.place.early && hasField(space.layout, 'early state')
        ? fixFields(then, { 'early state': 'untracked' })
        : then;
    case 'mangle':
      return written(scope, statement, part, then, next);
    default:
      return then;
  }
}

function written(
  scope: Scope,
  { key, value }: Statement & { readonly kind: 'mangle' },
  part: string,
  then: Decision,
  next: Decision,
): Decision {
  const { space } = scope.view.analysis;
  const field = fieldWritten(key);
  const isRead = field !== undefined && hasField(space.layout, field);
  // A header that the packet does not have ends the rule, and so does a value that it has not or a map without the key.
  const there = headerCondition(scope, key);
  // What no rule further on looks at may be what it wants.
  if (!isRead && value.kind !== 'expression')
    return there === ALWAYS ? then : decide(conditionSet(space, there), then, next);
  const bits = isRead ? fieldOf(space.layout, field).bits : 32;
  const seen = operandVector(scope, value, key, bits, part, keysCondition);
  if (seen === 'nothing') return next;
  let after = then;
  if (isRead) {
    const vector = field === 'label' ? withBit(scope, value, bits) : resized(seen.bits, bits);
    after = withBits(then, field, vector);
    // A packet without an entry has nothing to write to, and goes on.
    if (key.kind === 'ct') after = decide(packetsWhere(space, { state: TRACKED }), after, then);
  }
  return decide(conditionSet(space, both(there, seen.readable)), after, next);
}

/** The packets that have the header which is written. The listing of a rule does not show that it asks for them. */
export function headerCondition(scope: Scope, key: Expression): Condition {
  if (key.kind !== 'payload' && key.kind !== 'raw payload') return ALWAYS;
  const reading = readingOf(key, scope.place);
  if (reading.kind === 'nothing') return NEVER;
  if (reading.kind !== 'number') return ALWAYS;
  return reading.needs.reduce((all: Condition, need) => both(all, needCondition(scope, need)), ALWAYS);
}

const TRACKED = ['new', 'established', 'related'];

/** `ct label set N` sets one bit and leaves the others. */
function withBit(scope: Scope, value: Operand, bits: number): BitVector {
  const { space } = scope.view.analysis;
  const old = fieldBits(space, 'label');
  const at = value.kind === 'number' ? bits - 1 - value.value : -1;
  return old.map((bit, i) => (i === at ? bitOr(1, bit) : bit));
}

/** The decision for packets whose field is this number. */
function withBits(decision: Decision, field: string, vector: BitVector): Decision {
  const { space } = decision;
  const sets: PacketSet[] = vector.map((bit) => asSet(space, bit));
  return fieldFrom(decision, { [field]: sets });
}
