// Expressions as functions that read a packet.
import type { Expression, Operand } from '../model/expression.ts';
import type { Value } from '../model/value.ts';
import { type Reading, readingOf } from './reading.ts';
import { valueNumber } from './value-numbers.ts';
import { isWide, type Scalar, scalar } from './walk-cell.ts';
import { compileFib } from './walk-fib.ts';
import { needParts, needsMet } from './walk-field.ts';
import { compileMapRead } from './walk-map.ts';
import { BREAK, type Context, constantPart, type Part, type Walker, type WalkReason } from './walk-step.ts';
import { WORD_BITS } from './walk-word.ts';

/** null: there is nothing to read, and the rule ends. undefined: nobody knows. Names of interfaces are strings. */
export type Read = (walker: Walker) => Scalar | string | undefined | null;

export interface Reader {
  /** Conditions before it, which end the rule. */
  readonly needs: readonly Part[];
  readonly read: Read;
  /** 0: a name. */
  readonly bits: number;
  /** Why `read` may say undefined. */
  readonly why: WalkReason;
  /** What is read is just this field. */
  readonly field?: string;
  /** All packets have the same. */
  readonly constant?: Scalar;
}

/** An expression other than a concatenation. */
export function compileRead(expression: Expression, context: Context): Reader {
  switch (expression.kind) {
    case 'mask':
      return compileBits('&', expression.of, expression.mask, context);
    case 'bits':
      return compileBits(expression.operator, expression.left, expression.right, context);
    case 'map':
      return compileMapRead(expression, context);
    case 'constant':
      return constantReader(valueNumber(expression.value, expression), 128);
    case 'concat':
      return unknownReader({ kind: 'not understood', raw: expression });
    case 'fib':
      return compileFib(expression, context);
    default:
      return fieldReader(readingOf(expression, context.place), context);
  }
}

/** What an operand is, as a number for `of`. */
export function compileOperand(operand: Operand, of: Expression, context: Context): Reader {
  if (operand.kind === 'expression') return compileRead(operand.expression, context);
  const { bits } = compileRead(of, context);
  const known = valueNumber(operand, of);
  if (known === undefined) return unknownReader(reasonOf(operand));
  return constantReader(known, bits === 0 ? 32 : bits);
}

function reasonOf(value: Value): WalkReason {
  return { kind: 'not understood', raw: value.kind === 'unknown' ? value.raw : value };
}

export function unknownReader(why: WalkReason): Reader {
  return { needs: [], read: () => undefined, bits: 32, why };
}

function constantReader(value: bigint | undefined, bits: number): Reader {
  if (value === undefined) return unknownReader({ kind: 'not understood', raw: 'a constant' });
  const constant = scalar(value, bits);
  return { needs: [], read: () => constant, bits, why: { kind: 'free', reason: 'content' }, constant };
}

const NOTHING: Reader = {
  needs: [constantPart(BREAK)],
  read: () => null,
  bits: 32,
  why: { kind: 'free', reason: 'content' },
};

/** The cell of the field. */
export function fieldReader(reading: Reading, { slots }: Context): Reader {
  switch (reading.kind) {
    case 'nothing':
      return NOTHING;
    case 'free':
      return unknownReader({ kind: 'free', reason: reading.reason });
    case 'unknown':
      return unknownReader({ kind: 'not understood', raw: reading.raw });
    case 'constant':
      return constantReader(reading.value, reading.bits);
    default: {
      const bits = reading.kind === 'name' ? 0 : reading.kind === 'words' ? WORD_BITS : reading.of;
      const slot = slots.of(reading.field, bits);
      const met = needsMet(slots, reading.needs);
      const cell: Read = ({ cells }) => {
        const value = cells[slot];
        return typeof value === 'object' ? undefined : value;
      };
      const whole = reading.kind !== 'number' || (reading.low === 0 && reading.bits === reading.of);
      const part: Read = whole ? cell : (walker) => sliceOf(cell(walker), reading.low, reading.bits);
      return {
        needs: needParts(slots, reading.needs),
        read: met === undefined ? part : (walker) => (met(walker) ? part(walker) : undefined),
        bits: reading.kind === 'number' ? reading.bits : bits,
        why: { kind: 'field', field: reading.field },
        ...(whole && met === undefined ? { field: reading.field } : {}),
      };
    }
  }
}

function sliceOf(value: ReturnType<Read>, low: number, bits: number): ReturnType<Read> {
  if (typeof value !== 'number' && typeof value !== 'bigint') return value;
  const part = (BigInt(value) >> BigInt(low)) & ((1n << BigInt(bits)) - 1n);
  return scalar(part, bits);
}

type Operator = '&' | '|' | '^' | '<<' | '>>';

function compileBits(operator: Operator, left: Expression, right: Operand, context: Context): Reader {
  const from = compileRead(left, context);
  const by = compileOperand(right, left, context);
  const bits = Math.max(from.bits, 1);
  const narrow = bits <= 32 && !isWide(by.bits);
  return {
    needs: [...from.needs, ...by.needs],
    bits,
    why: by.constant === undefined && from.constant !== undefined ? by.why : from.why,
    read: (walker) => {
      const a = from.read(walker);
      const b = by.read(walker);
      if (a === null || b === null) return null;
      if (a === undefined || b === undefined || typeof a === 'string' || typeof b === 'string')
        return undefined;
      return narrow
        ? small(operator, a as number, b as number, bits)
        : scalar(large(operator, BigInt(a), BigInt(b)) & ((1n << BigInt(bits)) - 1n), bits);
    },
  };
}

/** Of numbers of up to 32 bits. */
function small(operator: Operator, a: number, b: number, bits: number): number {
  switch (operator) {
    case '&':
      return (a & b) >>> 0;
    case '|':
      return (a | b) >>> 0;
    case '^':
      return (a ^ b) >>> 0;
    case '<<':
      return b > 31 ? 0 : ((a << b) >>> 0) & ((bits === 32 ? 0xffff_ffff : 2 ** bits - 1) >>> 0);
    case '>>':
      return b > 31 ? 0 : a >>> b;
    default:
      throw new Error(operator satisfies never);
  }
}

function large(operator: Operator, a: bigint, b: bigint): bigint {
  switch (operator) {
    case '&':
      return a & b;
    case '|':
      return a | b;
    case '^':
      return a ^ b;
    case '<<':
      return a << b;
    case '>>':
      return a >> b;
    default:
      throw new Error(operator satisfies never);
  }
}
