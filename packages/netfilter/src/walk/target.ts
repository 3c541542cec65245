// Where NAT statements send packets: addresses and ports, one or several of which one is chosen.
import type { Expression, Operand } from '../model/expression.ts';
import type { Nat } from '../model/nat.ts';
import type { Value } from '../model/value.ts';
import { bitsOf } from '../net/address.ts';
import { prefixInterval } from '../net/prefix.ts';
import { type Cell, cellOf, type Numbers, numbers } from './cell.ts';
import { compileKey, compileLookup } from './key.ts';
import { dataEntries } from './map.ts';
import type { Context, Part, Walker, WalkReason } from './step.ts';

/** Intervals of addresses and ports; absent: it stays. */
export interface Aim {
  readonly address?: Numbers;
  readonly port?: Numbers;
}

export interface Target {
  readonly needs: readonly Part[];
  /** null: the rule ends. `unsure`: and perhaps it does. */
  readonly aim: (walker: Walker) => { readonly aims: readonly Aim[]; readonly unsure: boolean } | null;
  readonly why: WalkReason;
}

const CHANCE: WalkReason = { kind: 'free', reason: 'chance' };

/** undefined: it is not understood. */
export function compileTarget(nat: Pick<Nat, 'address' | 'port'>, context: Context): Target | undefined {
  const address = compileAim(nat.address, 'address', context);
  const port = compileAim(nat.port, 'port', context);
  if (address === undefined || port === undefined) return undefined;
  return {
    needs: [...address.needs, ...port.needs],
    why: address.needs.length > 0 ? address.why : port.why,
    aim: (walker) => {
      const one = address.aim(walker);
      const other = port.aim(walker);
      if (one === null || other === null) return null;
      const aims = one.aims.flatMap((first) => other.aims.map((second) => ({ ...first, ...second })));
      return { aims, unsure: one.unsure || other.unsure };
    },
  };
}

function compileAim(
  operand: Operand | undefined,
  as: 'address' | 'port',
  context: Context,
): Target | undefined {
  if (operand === undefined) return fixed({});
  if (operand.kind !== 'expression') {
    const aim = aimOf(operand, as, context);
    return aim === undefined ? undefined : fixed(aim);
  }
  const { expression } = operand;
  return expression.kind === 'map' ? mapAim(expression, as, context) : readAim(expression, as, context);
}

function fixed(aim: Aim): Target {
  const answer = { aims: [aim], unsure: false };
  return { needs: [], aim: () => answer, why: CHANCE };
}

function mapAim(
  expression: Expression & { readonly kind: 'map' },
  as: 'address' | 'port',
  context: Context,
): Target | undefined {
  const entries = dataEntries(expression.map, context.table);
  if (entries === undefined) return undefined;
  const aims = entries.map(({ data }) => aimOf(data, as, context) ?? {});
  const key = compileKey(expression.key, context);
  const find = compileLookup(
    key,
    entries.map((entry) => entry.key),
    context,
  );
  // Every number that is drawn has an entry.
  const drawn = expression.key.kind === 'numgen' || expression.key.kind === 'hash';
  return {
    needs: key.needs,
    why: key.why,
    aim: (walker) => {
      const at = find(walker);
      if (at === null || at === -1) return null;
      return at === undefined ? { aims, unsure: !drawn } : { aims: [aims[at]!], unsure: false };
    },
  };
}

function readAim(expression: Expression, as: 'address' | 'port', context: Context): Target {
  const reader = context.reader(expression);
  return {
    needs: reader.needs,
    why: reader.why,
    aim: (walker) => {
      const value = reader.read(walker);
      if (value === null) return null;
      if (value === undefined || typeof value === 'string') return { aims: [{ [as]: [] }], unsure: false };
      const only = [{ first: value, last: value }] as Numbers;
      return { aims: [{ [as]: only }], unsure: false };
    },
  };
}

/** undefined: not understood. */
function aimOf(value: Value, as: 'address' | 'port', context: Context): Aim | undefined {
  const bits = bitsOf(context.place.family);
  switch (value.kind) {
    case 'address': {
      const { value: at } = value.address;
      return { address: numbers([{ first: at, last: at }], bits) };
    }
    case 'prefix':
      return { address: numbers([prefixInterval(value.prefix)], bits) };
    case 'number':
      return as === 'port' ? { port: [{ first: value.value, last: value.value }] } : undefined;
    case 'range': {
      const first = aimOf(value.first, as, context);
      const last = aimOf(value.last, as, context);
      if (first?.address !== undefined && last?.address !== undefined) {
        return { address: between(first.address, last.address) };
      }
      if (first?.port === undefined || last?.port === undefined) return undefined;
      return { port: between(first.port, last.port) };
    }
    case 'concat': {
      const [address, port] = value.parts;
      const one = address === undefined ? undefined : aimOf(address, 'address', context);
      const other = port === undefined ? undefined : aimOf(port, 'port', context);
      return one === undefined || other === undefined ? undefined : { ...one, ...other };
    }
    default:
      return undefined;
  }
}

function between(first: Numbers, last: Numbers): Numbers {
  return [{ first: first[0]!.first, last: last[0]!.last }] as Numbers;
}

/** What a field may be afterwards; `keep` where it may stay. */
export function aimedCell(aims: readonly Aim[], as: 'address' | 'port', keep: Cell, bits: number): Cell {
  if (aims.every((aim) => aim[as] === undefined)) return keep;
  if (aims.some((aim) => aim[as] === undefined || aim[as].length === 0)) return undefined;
  const all = aims.flatMap((aim) =>
    aim[as]!.map(({ first, last }) => ({ first: BigInt(first), last: BigInt(last) })),
  );
  return cellOf(numbers(all, bits));
}
