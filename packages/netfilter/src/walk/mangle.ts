// Statements that write a field.
import type { Expression } from '../model/expression.ts';
import { CT_STATES } from '../model/names.ts';
import type { Statement } from '../model/statement.ts';
import { readingOf } from '../semantics/reading.ts';
import { type Cell, isWide, scalar } from './cell.ts';
import { needParts } from './field.ts';
import { compileOperand } from './reader.ts';
import { BREAK, type Context, constantPart, NEXT, type Part, type Reader, type Walker } from './step.ts';
import { heldBits, isLabel } from './values.ts';
import { WORD_BITS, wordsOf } from './word.ts';

type Mangle = Statement & { readonly kind: 'mangle' };

const TRACKED: ReadonlySet<Cell> = new Set(
  ['new', 'established', 'related'].map((state) => CT_STATES.get(state)),
);

/** Keys whose value no rule can ask for. */
const UNSEEN: ReadonlySet<string> = new Set(['nftrace', 'secmark', 'broute', 'helper', 'event', 'timeout']);

export function compileMangle({ key, value }: Mangle, context: Context): readonly Part[] {
  if ((key.kind === 'meta' || key.kind === 'ct') && UNSEEN.has(key.key)) return [];
  if (key.kind === 'tcp option' || key.kind === 'exthdr' || key.kind === 'ip option') return [];
  if (key.kind === 'ct') return compileCtMangle(key, value, context);
  if (key.kind === 'raw payload') {
    const traffic = context.place.family === 'ipv4' ? '8,8' : '4,8';
    if (key.base === 'nh' && `${key.offset},${key.bits}` === traffic)
      return writeTraffic(key, value, context);
  }
  if (key.kind !== 'meta' && key.kind !== 'payload' && key.kind !== 'raw payload') return [];
  const reading = readingOf(key, context.place);
  if (reading.kind === 'nothing') return [constantPart(BREAK)];
  if (reading.kind !== 'number' && reading.kind !== 'words') return [];
  const bits =
    wordsOf(reading.field) === undefined ? (reading.kind === 'number' ? reading.of : 8) : WORD_BITS;
  const from = compileOperand(value, key, context);
  return [
    ...needParts(context.slots, reading.needs),
    ...from.needs,
    writePart(reading.field, bits, from, context),
  ];
}

function writePart(
  field: string,
  bits: number,
  from: Reader,
  { slots }: Context,
  allowed: (walker: Walker) => boolean = () => true,
  join: (old: Cell, value: Cell) => Cell = (_, value) => value,
): Part {
  const slot = slots.of(field, bits);
  // The type of an address was that of the old one.
  const type = field === 'src' || field === 'dst' ? slots.of(`${field[0]}addrtype`, WORD_BITS) : undefined;
  return {
    effect: true,
    why: from.why,
    step: (walker) => {
      const value = from.read(walker);
      if (value === null) return BREAK;
      if (!allowed(walker)) return NEXT;
      const fitting = typeof value === 'string' || value === undefined ? undefined : fit(value, bits);
      walker.cells[slot] = join(walker.cells[slot], fitting);
      if (type !== undefined) walker.cells[type] = undefined;
      walker.did?.push({ kind: 'set', field, value: fitting });
      return NEXT;
    },
  };
}

function fit(value: number | bigint, bits: number): number | bigint {
  if (typeof value === 'number' && !isWide(bits)) return value;
  return scalar(BigInt(value) & ((1n << BigInt(bits)) - 1n), bits);
}

/** nft_ct.c nft_ct_set_eval: without an entry there is nothing to write, and the rule goes on. */
function compileCtMangle(
  key: Expression & { readonly kind: 'ct' },
  value: Mangle['value'],
  context: Context,
): readonly Part[] {
  const state = context.slots.of('state', WORD_BITS);
  const tracked = ({ cells }: Walker): boolean =>
    TRACKED.has(cells[state]) || typeof cells[state] === 'object';
  if (key.key === 'zone') return [writePart('zone', 16, compileOperand(value, key, context), context)];
  if (key.key === 'mark') {
    const from = compileOperand(value, key, context);
    return [...from.needs, writePart('ctmark', 32, from, context, tracked)];
  }
  if (!isLabel(key) || value.kind === 'expression') return [];
  const bits = heldBits([value], key);
  const from: Reader = {
    needs: [],
    read: () => bits,
    bits: 128,
    why: { kind: 'not understood', raw: value },
  };
  // Labels are added to those that are there.
  const join = (old: Cell, added: Cell): Cell =>
    typeof old === 'bigint' && typeof added === 'bigint' ? old | added : undefined;
  return [writePart('label', 128, from, context, tracked, join)];
}

/** The byte with DSCP and ECN. */
function writeTraffic(key: Expression, value: Mangle['value'], context: Context): readonly Part[] {
  const from = compileOperand(value, key, context);
  const dscp = context.slots.of('dscp', 6);
  const ecn = context.slots.of('ecn', 2);
  const field = `@nh,${context.place.family === 'ipv4' ? '8,8' : '4,8'}`;
  const byte = context.slots.of(field, 8);
  const whole = writePart(field, 8, from, context);
  return [
    ...from.needs,
    {
      ...whole,
      step: (walker) => {
        const outcome = whole.step(walker);
        const written = walker.cells[byte];
        if (outcome === NEXT) {
          walker.cells[dscp] = typeof written === 'number' ? written >> 2 : undefined;
          walker.cells[ecn] = typeof written === 'number' ? written & 3 : undefined;
        }
        return outcome;
      },
    },
  ];
}
