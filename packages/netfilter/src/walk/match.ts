// Matches as steps.
import type { Expression } from '../model/expression.ts';
import type { NamedSet } from '../model/set.ts';
import type { Match, MatchOperator, Statement } from '../model/statement.ts';
import type { Value } from '../model/value.ts';
import { fieldPart, membership } from './field.ts';
import { compileKey, compileLookup, keyTests } from './key.ts';
import { lookupOne } from './lookup.ts';
import { namePart } from './name.ts';
import { compileOperand } from './reader.ts';
import {
  BREAK,
  type Context,
  FORK,
  NEXT,
  type Outcome,
  type Part,
  type Reader,
  unknownPart,
  type Walker,
  type WalkReason,
} from './step.ts';
import { bitTest, constantsOf, eachBit, heldBits, heldNumbers, orderedNumbers } from './values.ts';
import { hasBits } from './word.ts';

export function compileMatch(match: Match, context: Context): readonly Part[] {
  const { right, left, operator } = match;
  if (right.kind === 'expression') return compareExpressions(match, right.expression, context);
  const constants = constantsOf(right);
  if (constants !== undefined) return compareValues(operator, left, constants, context);
  const name = right.kind === 'named' ? right.name : '';
  const set = context.table.sets.find((each) => each.name === name);
  if (set === undefined) return [unknownPart({ kind: 'not understood', raw: `@${name}` })];
  return withConditions(compareValues(operator, left, set.elements, context), set, operator);
}

/** An element that is there may have a rate of its own. */
function withConditions(parts: readonly Part[], set: NamedSet, operator: MatchOperator): readonly Part[] {
  const harmless: readonly Statement['kind'][] = ['counter', 'last', 'log'];
  if ((set.statements ?? []).every(({ kind }) => harmless.includes(kind))) return parts;
  const found: Outcome = operator === '!=' || operator === '!' ? BREAK : NEXT;
  const last = parts.at(-1)!;
  const conditional = conditionPart(
    (walker) => {
      const outcome = last.step(walker);
      return outcome === found || outcome === FORK ? undefined : outcome === NEXT;
    },
    { kind: 'free', reason: 'rate' },
  );
  return [...parts.slice(0, -1), conditional];
}

function isNegated(operator: MatchOperator): boolean {
  return operator === '!=' || operator === '!';
}

/** A condition that is computed. null: the rule ends either way. */
export function conditionPart(holds: (walker: Walker) => boolean | undefined | null, why: WalkReason): Part {
  return {
    step: (walker) => {
      const result = holds(walker);
      return result === undefined ? FORK : result === true ? NEXT : BREAK;
    },
    why,
    effect: false,
  };
}

function compareValues(
  operator: MatchOperator,
  left: Expression,
  values: readonly Value[],
  context: Context,
): readonly Part[] {
  if (left.kind === 'concat') return compareConcat(operator, left, values, context);
  const reader = context.reader(left);
  if (reader.bits === 0) return compareNames(operator, left, reader, values, context);
  const field = reader.why.kind === 'field' ? reader.why.field : '';
  if ((operator === 'in' || operator === '!') && hasBits(field)) {
    return compareBits(operator, left, reader, field, values, context);
  }
  const [first, ...more] = values;
  const ordered = operator === '<' || operator === '>' || operator === '<=' || operator === '>=';
  if (ordered && (first === undefined || more.length > 0)) {
    return [unknownPart({ kind: 'not understood', raw: values })];
  }
  const { set, complete } = ordered
    ? orderedNumbers(operator, first!, left, reader.bits)
    : heldNumbers(values, left, reader.bits);
  const negated = isNegated(operator);
  if (complete && reader.field !== undefined) {
    return [...reader.needs, fieldPart(context.slots, reader.field, reader.bits, set, negated)];
  }
  const isHeld = membership(set);
  const why: WalkReason = complete ? reader.why : { kind: 'not understood', raw: values };
  return [
    ...reader.needs,
    conditionPart((walker) => {
      const value = reader.read(walker);
      if (value === null) return null;
      if (value === undefined || typeof value === 'string') return undefined;
      if (isHeld(value)) return !negated;
      return complete ? negated : undefined;
    }, why),
  ];
}

function compareBits(
  operator: 'in' | '!',
  left: Expression,
  reader: Reader,
  field: string,
  values: readonly Value[],
  context: Context,
): readonly Part[] {
  const bits = heldBits(values, left);
  if (bits === undefined) return [...reader.needs, unknownPart({ kind: 'not understood', raw: values })];
  // A packet has one state, so that one of several bits is one of several numbers.
  if (reader.field !== undefined && (field === 'state' || field === 'early state')) {
    const set = eachBit(bits, reader.bits);
    return [...reader.needs, fieldPart(context.slots, field, reader.bits, set, operator === '!')];
  }
  const hasAny = bitTest(bits, reader.bits);
  return [
    ...reader.needs,
    conditionPart((walker) => {
      const value = reader.read(walker);
      if (value === null) return null;
      if (value === undefined || typeof value === 'string') return undefined;
      return hasAny(value) === (operator === 'in');
    }, reader.why),
  ];
}

function compareNames(
  operator: MatchOperator,
  left: Expression,
  reader: Reader,
  values: readonly Value[],
  context: Context,
): readonly Part[] {
  const key = { needs: reader.needs, parts: [{ of: left, reader }], why: reader.why };
  const tests = keyTests(key, values, context).map(([test]) => test!);
  const negated = isNegated(operator);
  if (reader.field !== undefined) {
    return [...reader.needs, namePart(context.slots, reader.field, tests, negated)];
  }
  const find = lookupOne(tests);
  return [
    ...reader.needs,
    conditionPart((walker) => {
      const value = reader.read(walker);
      if (value === null) return null;
      const at = find(value);
      return at === undefined ? undefined : at >= 0 !== negated;
    }, reader.why),
  ];
}

function compareConcat(
  operator: MatchOperator,
  left: Expression,
  values: readonly Value[],
  context: Context,
): readonly Part[] {
  const key = compileKey(left, context);
  const find = compileLookup(key, values, context);
  const negated = isNegated(operator);
  return [
    ...key.needs,
    conditionPart((walker) => {
      const at = find(walker);
      return at === undefined || at === null ? at : at >= 0 !== negated;
    }, key.why),
  ];
}

function compareExpressions({ left, operator }: Match, right: Expression, context: Context): readonly Part[] {
  const a = context.reader(left);
  const b = compileOperand({ kind: 'expression', expression: right }, left, context);
  return [
    ...a.needs,
    ...b.needs,
    conditionPart(
      (walker) => {
        const one = a.read(walker);
        const other = b.read(walker);
        if (one === null || other === null) return null;
        if (one === undefined || other === undefined) return undefined;
        switch (operator) {
          case '==':
            return one === other;
          case '!=':
            return one !== other;
          case '<':
            return one < other;
          case '>':
            return one > other;
          case '<=':
            return one <= other;
          case '>=':
            return one >= other;
          default: {
            if (typeof one === 'string' || typeof other === 'string') return undefined;
            return ((BigInt(one) & BigInt(other)) !== 0n) === (operator === 'in');
          }
        }
      },
      a.why.kind === 'field' && a.constant === undefined ? a.why : b.why,
    ),
  ];
}
