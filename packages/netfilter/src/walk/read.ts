// Expressions as functions that read a packet.
import type { Expression, Operand } from '../model/expression.ts';
import type { Value } from '../model/value.ts';
import { readingOf } from '../semantics/reading.ts';
import { valueNumber } from '../semantics/value-numbers.ts';
import { isWide, scalar } from './cell.ts';
import { compileFib } from './fib.ts';
import { compileMapRead } from './map.ts';
import { compileOperand, constantReader, fieldReader, unknownReader } from './reader.ts';
import type { Context, Reader } from './step.ts';

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
      return compileConstant(expression.value, expression);
    case 'concat':
      return unknownReader({ kind: 'not understood', raw: expression });
    case 'fib':
      return compileFib(expression, context);
    default:
      return fieldReader(readingOf(expression, context.place), context);
  }
}

/** Part of a key; what is no number is a name. */
function compileConstant(value: Value, of: Expression): Reader {
  const known = valueNumber(value, of);
  if (known !== undefined || value.kind !== 'symbol') return constantReader(known, 32);
  const { name } = value;
  return { needs: [], read: () => name, bits: 0, why: { kind: 'not understood', raw: value } };
}

type Operator = '&' | '|' | '^' | '<<' | '>>';

function compileBits(operator: Operator, left: Expression, right: Operand, context: Context): Reader {
  const from = context.reader(left);
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
