// Questions about the host's routes: types of addresses, and the interface where a route leads.
import type { Expression } from '../model/expression.ts';
import { readingOf } from './reading.ts';
import { addressType } from './walk-address-type.ts';
import { fieldReader, type Reader } from './walk-read.ts';
import type { Context } from './walk-step.ts';

/** What the packet was given with comes first; the types of its addresses follow from the host. */
export function compileFib(expression: Expression & { readonly kind: 'fib' }, context: Context): Reader {
  const given = fieldReader(readingOf(expression, context.place), context);
  const side = expression.flags.includes('daddr')
    ? 'dst'
    : expression.flags.includes('saddr')
      ? 'src'
      : undefined;
  if (expression.result !== 'type' || side === undefined) return given;
  const { family } = context.place;
  const device = expression.flags.find((flag) => flag === 'iif' || flag === 'oif');
  const address = context.slots.of(side, family === 'ipv4' ? 32 : 128);
  const name = device === undefined ? undefined : context.slots.of(device, 0);
  const typeOf = addressType(family, context.host);
  const { field: _, ...rest } = given;
  return {
    ...rest,
    read: (walker) => {
      const known = given.read(walker);
      if (known !== undefined) return known;
      const value = walker.cells[address];
      const via = name === undefined ? undefined : walker.cells[name];
      if (typeof value !== 'number' && typeof value !== 'bigint') return undefined;
      if (name !== undefined && typeof via !== 'string') return undefined;
      return typeOf(BigInt(value), via as string | undefined);
    },
  };
}
