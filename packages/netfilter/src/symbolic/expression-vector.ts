// An expression as a number whose bits depend on the packet.
import type { Expression, Operand } from '../model/expression.ts';
import type { DataEntry } from '../model/inline-set.ts';
import type { Value } from '../model/value.ts';
import { readingOf } from '../semantics/reading.ts';
import { valueNumber } from '../semantics/value-numbers.ts';
import { intersectPackets, subtractPackets } from '../space/packet-set.ts';
import { ensureField } from './analysis.ts';
import {
  type Bit,
  type BitVector,
  bitAnd,
  bitOr,
  bitwise,
  constantBits,
  fieldBits,
  shifted,
} from './bit-vector.ts';
import { ALWAYS, both, type Condition, conditionSet, inSet } from './condition.ts';
import { needCondition } from './need.ts';
import { freeNumber, type Scope } from './scope.ts';

export interface Seen {
  readonly bits: BitVector;
  /** The packets that have it; for others the rule does not match. */
  readonly readable: Condition;
}

/** How keys of maps become conditions; given in, since keys may be expressions with maps in them. */
export type KeysCondition = (
  scope: Scope,
  key: Expression,
  values: readonly Value[],
  part: string,
) => Condition;

/** `nothing`: no packet has it here. What nobody can know is a free number of 32 bits. */
export function vectorOf(
  scope: Scope,
  expression: Expression,
  part: string,
  keys: KeysCondition,
): Seen | 'nothing' {
  switch (expression.kind) {
    case 'mask':
      return operated(scope, '&', expression.of, expression.mask, part, keys);
    case 'bits':
      return operated(scope, expression.operator, expression.left, expression.right, part, keys);
    case 'constant': {
      const value = valueNumber(expression.value, expression);
      return value === undefined
        ? unknownNumber(scope, part)
        : { bits: constantBits(value, 32), readable: ALWAYS };
    }
    case 'map':
      return mapped(scope, expression, 32, part, keys);
    case 'concat':
      return unknownNumber(scope, part);
    default:
      return leafVector(scope, expression, part);
  }
}

function leafVector(scope: Scope, expression: Expression, part: string): Seen | 'nothing' {
  const { analysis } = scope.view;
  const reading = readingOf(expression, scope.place);
  switch (reading.kind) {
    case 'nothing':
      return 'nothing';
    case 'constant':
      return { bits: constantBits(reading.value, reading.bits), readable: ALWAYS };
    case 'number': {
      ensureField(analysis, { kind: 'number', name: reading.field, bits: reading.of });
      // A need that is 'free' otherwise is taken as one that has to hold: nobody calculates with such fields.
      const readable = reading.needs.reduce(
        (all: Condition, need) => both(all, needCondition(scope, need)),
        ALWAYS,
      );
      return { bits: fieldBits(analysis.space, reading.field), readable };
    }
    case 'words':
    case 'name':
    case 'free':
    case 'unknown':
      return unknownNumber(scope, part);
    default:
      throw new Error(reading satisfies never);
  }
}

function unknownNumber(scope: Scope, part: string): Seen {
  const field = freeNumber(scope, part, 32, 'not understood');
  return { bits: fieldBits(scope.view.analysis.space, field), readable: ALWAYS };
}

function operated(
  scope: Scope,
  operator: '&' | '|' | '^' | '<<' | '>>',
  left: Expression,
  right: Operand,
  part: string,
  keys: KeysCondition,
): Seen | 'nothing' {
  const a = vectorOf(scope, left, part, keys);
  if (a === 'nothing') return 'nothing';
  if (operator === '<<' || operator === '>>') {
    const by = right.kind === 'number' ? right.value : undefined;
    return by === undefined ? unknownNumber(scope, part) : { ...a, bits: shifted(operator, a.bits, by) };
  }
  const b = operandVector(scope, right, left, a.bits.length, `${part} with`, keys);
  if (b === 'nothing') return 'nothing';
  return { bits: bitwise(operator, a.bits, b.bits), readable: both(a.readable, b.readable) };
}

/** A constant or what an expression reads; `next` is the expression that constants are written for. */
export function operandVector(
  scope: Scope,
  operand: Operand,
  next: Expression,
  bits: number,
  part: string,
  keys: KeysCondition,
): Seen | 'nothing' {
  if (operand.kind === 'expression') {
    const { expression } = operand;
    return expression.kind === 'map'
      ? mapped(scope, expression, bits, part, keys)
      : vectorOf(scope, expression, part, keys);
  }
  const value = valueNumber(operand, next);
  return value === undefined
    ? unknownNumber(scope, part)
    : { bits: constantBits(value, bits), readable: ALWAYS };
}

/** What a map gives; a key that it does not have ends the rule. */
export function mapped(
  scope: Scope,
  { key, map }: Expression & { readonly kind: 'map' },
  bits: number,
  part: string,
  keys: KeysCondition,
  pair?: readonly ['address', 'port'],
): Seen | 'nothing' {
  const entries = map.kind === 'entries' ? map.entries : dataEntries(scope, map.name);
  if (entries === undefined) return unknownNumber(scope, part);
  const { space } = scope.view.analysis;
  const sums: Bit[] = Array.from({ length: bits }, () => 0);
  let hit: Bit = 0;
  const ordered = [
    ...entries.filter((entry) => entry.key.kind !== 'any'),
    ...entries.filter((entry) => entry.key.kind === 'any'),
  ];
  for (const [n, entry] of ordered.entries()) {
    const value = pair === undefined ? valueNumber(entry.data, key) : pairNumber(entry.data);
    const data =
      value === undefined ? unknownNumber(scope, `${part} data ${n}`).bits : constantBits(value, bits);
    let set = conditionSet(space, keys(scope, key, [entry.key], `${part} key ${n}`));
    if (hit !== 0 && hit !== 1 && entry.key.kind === 'any') set = subtractPackets(set, hit);
    for (const [i, bit] of data.entries())
      sums[i] = bitOr(sums[i]!, bit === 1 ? set : bit === 0 ? 0 : bitAnd(bit, set));
    hit = bitOr(hit, set);
  }
  if (hit === 0) return 'nothing';
  return { bits: sums, readable: hit === 1 ? ALWAYS : inSet(intersectPackets(hit, hit)) };
}

/** Address and port side by side, the port in the last 16 bits. */
function pairNumber(data: Value): bigint | undefined {
  if (data.kind !== 'concat') return undefined;
  const [address, port] = data.parts;
  if (address?.kind !== 'address' || port?.kind !== 'number') return undefined;
  return address.address.value * 0x1_0000n + BigInt(port.value);
}

/** undefined: there is no such map, or not one to data. */
function dataEntries({ table }: Scope, name: string): readonly DataEntry[] | undefined {
  const map = table.maps?.find((each) => each.name === name);
  return map?.kind === 'data' ? map.entries : undefined;
}
