// Maps from keys to data, as expressions: what they give for a packet.
import type { Expression } from '../model/expression.ts';
import type { DataEntry, DataMap } from '../model/inline-set.ts';
import type { Table } from '../model/ruleset.ts';
import { valueNumber } from '../semantics/value-numbers.ts';
import { type Scalar, scalar } from './cell.ts';
import { compileKey, compileLookup } from './key.ts';
import { unknownReader } from './reader.ts';
import type { Context, Reader } from './step.ts';

/** The pairs of a map; undefined: there is no map of that name. */
export function dataEntries(map: DataMap, table: Table): readonly DataEntry[] | undefined {
  if (map.kind === 'entries') return map.entries;
  const found = table.maps?.find(({ name }) => name === map.name);
  return found?.kind === 'data' ? found.entries : undefined;
}

/** Data as plain numbers; a miss ends the rule. Marks and ports are what maps with data of 32 bits hold. */
export function compileMapRead(expression: Expression & { readonly kind: 'map' }, context: Context): Reader {
  const entries = dataEntries(expression.map, context.table);
  if (entries === undefined) return unknownReader({ kind: 'not understood', raw: expression.map });
  const key = compileKey(expression.key, context);
  const find = compileLookup(
    key,
    entries.map((entry) => entry.key),
    context,
  );
  const values: (Scalar | undefined)[] = entries.map(({ data }) => {
    const value = valueNumber(data, expression);
    if (value === undefined) return undefined;
    return scalar(value, data.kind === 'address' && data.address.family === 'ipv6' ? 128 : 32);
  });
  return {
    needs: key.needs,
    bits: 32,
    why: key.why,
    read: (walker) => {
      const at = find(walker);
      if (at === null || at === -1) return null;
      return at === undefined ? undefined : values[at];
    },
  };
}
