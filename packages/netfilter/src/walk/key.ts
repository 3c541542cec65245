// What a packet is looked up by in sets and maps: one expression, or several that are joined.
import type { Expression } from '../model/expression.ts';
import type { Value } from '../model/value.ts';
import { type Found, type KeyTest, keyTest, lookupMany, lookupOne } from './lookup.ts';
import type { Context, Part, Reader, Walker, WalkReason } from './step.ts';

export interface Key {
  readonly needs: readonly Part[];
  readonly parts: readonly { readonly of: Expression; readonly reader: Reader }[];
  readonly why: WalkReason;
}

export function compileKey(expression: Expression, context: Context): Key {
  const of = expression.kind === 'concat' ? expression.parts : [expression];
  const parts = of.map((part) => ({ of: part, reader: context.reader(part) }));
  return {
    needs: parts.flatMap(({ reader }) => reader.needs),
    parts,
    why: parts.find(({ reader }) => reader.constant === undefined)?.reader.why ?? parts[0]!.reader.why,
  };
}

/** What each value asks of the parts of the key. */
export function keyTests(key: Key, values: readonly Value[], context: Context): (readonly KeyTest[])[] {
  return values.map((value) => {
    if (key.parts.length === 1) {
      const [{ of, reader }] = key.parts as [Key['parts'][number]];
      return [keyTest(value, of, reader, context)];
    }
    if (value.kind === 'any') return key.parts.map(() => ({ kind: 'any' }));
    if (value.kind !== 'concat' || value.parts.length !== key.parts.length) {
      return key.parts.map(() => ({ kind: 'unknown' }));
    }
    return value.parts.map((part, i) => keyTest(part, key.parts[i]!.of, key.parts[i]!.reader, context));
  });
}

/** The place among `values` of the first that holds what the packet has; -1: none; null: it has nothing there. */
export function compileLookup(
  key: Key,
  values: readonly Value[],
  context: Context,
): (walker: Walker) => number | undefined | null {
  const tests = keyTests(key, values, context);
  const [only, ...more] = key.parts;
  if (only !== undefined && more.length === 0) {
    const find = lookupOne(tests.map(([test]) => test!));
    const { read } = only.reader;
    return (walker) => {
      const value = read(walker);
      return value === null ? null : find(value);
    };
  }
  const find = lookupMany(tests);
  const reads = key.parts.map(({ reader }) => reader.read);
  return (walker) => {
    const found: Found[] = [];
    for (const read of reads) {
      const value = read(walker);
      if (value === null) return null;
      found.push(value);
    }
    return find(found);
  };
}
