// Fields and constants as functions that read a packet.
import type { Expression, Operand } from '../model/expression.ts';
import type { Value } from '../model/value.ts';
import type { Reading } from '../semantics/reading.ts';
import { valueNumber } from '../semantics/value-numbers.ts';
import { scalar } from './cell.ts';
import { needParts, needsMet } from './field.ts';
import { BREAK, type Context, constantPart, type Read, type Reader, type WalkReason } from './step.ts';
import { WORD_BITS } from './word.ts';

/** What an operand is, as a number for `of`. */
export function compileOperand(operand: Operand, of: Expression, context: Context): Reader {
  if (operand.kind === 'expression') return context.reader(operand.expression);
  const { bits } = context.reader(of);
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

export function constantReader(value: bigint | undefined, bits: number): Reader {
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
