// Questions about the host's routes: types of addresses, and the interface where a route leads.
import type { Expression } from '../model/expression.ts';
import { bitsOf } from '../net/address.ts';
import { readingOf } from '../semantics/reading.ts';
import { routeTo } from '../semantics/route-to.ts';
import { addressType } from './address-type.ts';
import type { Scalar } from './cell.ts';
import { fieldReader } from './reader.ts';
import type { Context, Reader } from './step.ts';

/** What the packet was given with comes first; the rest follows from its addresses and the host's routes. */
export function compileFib(expression: Expression & { readonly kind: 'fib' }, context: Context): Reader {
  const { flags, result } = expression;
  const given = fieldReader(readingOf(expression, context.place), context);
  const side = flags.includes('daddr') ? 'dst' : flags.includes('saddr') ? 'src' : undefined;
  if (side === undefined) return given;
  const answer = result === 'type' ? typeAnswer(context) : routeAnswer(flags, context);
  if (answer === undefined) return given;
  const device = flags.find((flag) => flag === 'iif' || flag === 'oif');
  const address = context.slots.of(side, bitsOf(context.place.family));
  const name = device === undefined ? undefined : context.slots.of(device, 0);
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
      return answer(BigInt(value), via as string | undefined);
    },
  };
}

type Answer = (address: bigint, device: string | undefined) => Scalar | string | undefined;

function typeAnswer({ place, host }: Context): Answer {
  return addressType(place.family, host);
}

/** undefined: the question is another one than that for the way back. */
function routeAnswer(flags: readonly string[], { place, host }: Context): Answer | undefined {
  const find = routeTo(place.family, host);
  if (find === undefined || flags.includes('oif')) return undefined;
  return (address, device) => {
    // What comes by loopback came from here.
    if (device === 'lo' && place.hook === 'prerouting') return device;
    return find(address, device);
  };
}
