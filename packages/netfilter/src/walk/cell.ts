// What a walk knows of the fields of its packet: values, or the values that they may still have.
import {
  type Interval,
  type IntervalSet,
  intervalSet,
  intervalsCover,
  intervalsOverlap,
  subtractIntervals,
} from '../net/interval.ts';

/** A number, as a bigint in fields of more than 53 bits only. */
export type Scalar = number | bigint;
export type Numbers = IntervalSet<number> | IntervalSet<bigint>;

/** One of these numbers; nobody knows which. */
export interface Among {
  readonly among: Numbers;
}

/** The name of an interface that fits none of these (`eth*`: no such beginning). */
export interface Except {
  readonly except: readonly string[];
}

/** undefined: it may have any value. Words are the kernel's numbers for them; the empty name is no interface. */
export type Cell = Scalar | string | Among | Except | undefined;

/** Fields of more bits are bigints. */
const MOST_BITS = 53;

export function isWide(bits: number): boolean {
  return bits > MOST_BITS;
}

/** The number in the form that a field of so many bits has. */
export function scalar(value: bigint, bits: number): Scalar {
  return isWide(bits) ? value : Number(value);
}

/** Intervals in the form that a field of so many bits has, sorted and joined; without those that hold nothing. */
export function numbers(intervals: readonly Interval<bigint>[], bits: number): Numbers {
  const joined = intervalSet(intervals.filter(({ first, last }) => first <= last));
  return isWide(bits)
    ? joined
    : joined.map(({ first, last }) => ({ first: Number(first), last: Number(last) }));
}

/** All numbers of so many bits. */
export function allNumbers(bits: number): Numbers {
  return numbers([{ first: 0n, last: (1n << BigInt(bits)) - 1n }], bits);
}

/** A cell that may have these values. */
export function cellOf(values: Numbers): Cell {
  const [only, ...more] = values;
  return only !== undefined && more.length === 0 && only.first === only.last ? only.first : { among: values };
}

/** Beyond so many intervals what is learnt of a field is forgotten, since it would cost more than it tells. */
const MOST_INTERVALS = 128;

/** undefined: any. */
function possible(cell: Cell): Numbers | undefined {
  return typeof cell === 'object' && 'among' in cell ? cell.among : undefined;
}

/** Whether what is not known is in the set for sure, not at all, or (undefined) perhaps. */
export function unknownIsIn(cell: Cell, set: Numbers, bits: number): boolean | undefined {
  if (set.length === 0) return false;
  const values = possible(cell);
  if (values === set) return true;
  if (set.length > MOST_INTERVALS || (values !== undefined && values.length > MOST_INTERVALS))
    return undefined;
  const all = (values ?? allNumbers(bits)) as IntervalSet<bigint>;
  if (!intervalsOverlap(all, set as IntervalSet<bigint>)) return false;
  return intervalsCover(set as IntervalSet<bigint>, all) ? true : undefined;
}

/** The cell, when what is in it was found to be in the set, or not to be in it; or, with less told, as it was. */
export function narrowed(cell: Cell, set: Numbers, bits: number, inside: boolean): Cell {
  const values = possible(cell);
  if (values === undefined && inside) return cellOf(set);
  const all = (values ?? allNumbers(bits)) as IntervalSet<bigint>;
  if (set.length > MOST_INTERVALS || all.length > MOST_INTERVALS) return cell;
  const outside = subtractIntervals(all, set as IntervalSet<bigint>);
  return cellOf(inside ? subtractIntervals(all, outside) : outside);
}

/** The fields that the rules read, each with its place among the cells of a packet. */
export interface Slots {
  readonly names: readonly string[];
  readonly bits: readonly number[];
  /** The place of the field; a new one where it has none yet. `bits` 0: a name. */
  readonly of: (field: string, bits: number) => number;
}

export function makeSlots(): Slots {
  const names: string[] = [];
  const bits: number[] = [];
  const places = new Map<string, number>();
  return {
    names,
    bits,
    of: (field, width) => {
      const known = places.get(field);
      if (known !== undefined) return known;
      places.set(field, names.length);
      bits.push(width);
      return names.push(field) - 1;
    },
  };
}
