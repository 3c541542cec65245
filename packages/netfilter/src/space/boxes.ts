// A set of packets as people read it: boxes, each a list of values for each of its fields.
import { intervalSet } from '../net/interval.ts';
import { levelOf } from './bdd.ts';
import { type FieldValues, valueClasses } from './classes.ts';
import type { Field, Layout } from './fields.ts';
import { forSome } from './packet-fields.ts';
import { nodeOf, type PacketSet } from './packet-space.ts';

export type BoxValues = FieldValues | { readonly kind: 'words'; readonly words: readonly string[] };

/** The packets that have in each field one of its values. A field that is not mentioned has any. */
export type Box = Readonly<Record<string, BoxValues>>;

export interface Boxes {
  /** Disjoint; together they are the set, if `complete`. */
  readonly boxes: readonly Box[];
  readonly complete: boolean;
}

export interface BoxesOptions {
  /** The fields of interest: what some values of the others allow. All by default. */
  readonly fields?: readonly string[];
  /** Boxes at most; default 1,000. */
  readonly limit?: number;
}

/** Intervals of one field before masks are tried, and before it is given up. */
const FEW = 4096;
const MANY = 1_000_000;

/**
 * The set as boxes. Values of a field that mean the same for all that follows are one list, so there are as many boxes as
 * the set has classes, and those that differ in one field only are put together.
 */
export function packetBoxes(set: PacketSet, options: BoxesOptions = {}): Boxes {
  const { layout, bdd } = set.space;
  const { fields, limit = 1000 } = options;
  const others = layout.fields.map(({ name }) => name).filter((name) => fields?.includes(name) === false);
  const node = nodeOf(set.space, forSome(set, others));
  const found: Box[] = [];
  const visit = (of: number, index: number, box: Box): boolean => {
    if (of === 0) return true;
    if (of === 1) {
      if (found.length === limit) return false;
      found.push(box);
      return true;
    }
    const field = layout.fields[index]!;
    if (levelOf(bdd, of) >= field.first + field.bits) return visit(of, index + 1, box);
    const classes = valueClasses(bdd, of, field, FEW, MANY);
    if (classes === undefined) return false;
    return classes.every(({ below, values }) =>
      visit(below, index + 1, { ...box, [field.name]: inWords(field, values) }),
    );
  };
  const complete = visit(node, 0, {});
  return { boxes: joined(layout, found), complete };
}

function inWords(field: Field, values: FieldValues): BoxValues {
  if (field.kind !== 'words' || values.kind !== 'intervals') return values;
  const { words } = field;
  return {
    kind: 'words',
    words: words.filter((_, code) =>
      values.intervals.some(({ first, last }) => first <= code && BigInt(code) <= last),
    ),
  };
}

/** Boxes that differ in one field only become one, until no two do. */
function joined(layout: Layout, boxes: readonly Box[]): Box[] {
  const keys = new WeakMap<BoxValues, string>();
  const numbers = new Map<string, string>();
  /** A short name for equal values. */
  const keyOf = (values: BoxValues | undefined): string => {
    if (values === undefined) return '*';
    let key = keys.get(values);
    if (key === undefined) {
      const text = spelled(values);
      key = numbers.get(text) ?? String(numbers.size);
      numbers.set(text, key);
      keys.set(values, key);
    }
    return key;
  };
  const names = layout.fields
    .map(({ name }) => name)
    .filter((name) => boxes.some((box) => box[name] !== undefined));
  let current = [...boxes];
  for (let before = -1; before !== current.length; ) {
    before = current.length;
    for (const name of names) {
      const groups = new Map<string, Box>();
      for (const box of current) {
        const kind = box[name]?.kind ?? 'any';
        const key = `${kind} ${names.map((each) => (each === name ? '' : keyOf(box[each]))).join(' ')}`;
        const same = groups.get(key);
        groups.set(key, same === undefined ? box : joinedIn(layout, same, box, name));
      }
      current = [...groups.values()];
    }
  }
  return current;
}

function spelled(values: BoxValues): string {
  switch (values.kind) {
    case 'words':
      return values.words.join();
    case 'intervals':
      return values.intervals.map(({ first, last }) => `${first}-${last}`).join();
    case 'masks':
      return values.masks.map(({ mask, value }) => `${value}&${mask}`).join();
    default:
      return values satisfies never;
  }
}

/** Two boxes that differ in this field, in values of one kind. */
function joinedIn(layout: Layout, a: Box, b: Box, name: string): Box {
  const values = both(a[name]!, b[name]!);
  const field = layout.fields.find((each) => each.name === name)!;
  const { [name]: _, ...others } = a;
  return isAny(field, values) ? others : { ...a, [name]: values };
}

function both(a: BoxValues, b: BoxValues): BoxValues {
  if (a.kind === 'words' && b.kind === 'words') return { kind: 'words', words: [...a.words, ...b.words] };
  if (a.kind === 'masks' && b.kind === 'masks') return { kind: 'masks', masks: [...a.masks, ...b.masks] };
  if (a.kind !== 'intervals' || b.kind !== 'intervals')
    throw new Error(`${a.kind} and ${b.kind} of one field`);
  return { kind: 'intervals', intervals: intervalSet([...a.intervals, ...b.intervals]) };
}

function isAny(field: Field, values: BoxValues): boolean {
  if (values.kind === 'words') return field.kind === 'words' && values.words.length === field.words.length;
  if (values.kind === 'masks') return false;
  const [only, more] = values.intervals;
  return more === undefined && only?.first === 0n && only.last === (1n << BigInt(field.bits)) - 1n;
}
