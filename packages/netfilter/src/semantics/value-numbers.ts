// What a value means as numbers, next to the expression that it is compared with.
import type { Expression } from '../model/expression.ts';
import { symbolNumber } from '../model/names.ts';
import type { Value } from '../model/value.ts';
import type { Interval } from '../net/interval.ts';
import { prefixInterval } from '../net/prefix.ts';
import { protocolNumber } from '../net/protocol.ts';

/** The numbers, or `any`; undefined: it names something that has no number here, or was not understood. */
export function valueInterval(value: Value, of: Expression): Interval<bigint> | 'any' | undefined {
  switch (value.kind) {
    case 'range': {
      const first = valueNumber(value.first, of);
      const last = valueNumber(value.last, of);
      return first === undefined || last === undefined ? undefined : { first, last };
    }
    case 'prefix':
      return prefixInterval(value.prefix);
    case 'any':
      return 'any';
    default: {
      const number = valueNumber(value, of);
      return number === undefined ? undefined : { first: number, last: number };
    }
  }
}

/** A single number. */
export function valueNumber(value: Value, of: Expression): bigint | undefined {
  switch (value.kind) {
    case 'number':
      // `ct label 127` names a bit (nft(8), "CT_LABEL TYPE").
      if (of.kind === 'ct' && of.key === 'label') return 1n << BigInt(value.value);
      return BigInt(value.value);
    case 'boolean':
      return value.value ? 1n : 0n;
    case 'address':
      return value.address.value;
    case 'bytes':
      return BigInt(`0x${value.hex}`);
    case 'symbol':
      return nameNumber(value.name, of);
    case 'flags': {
      let sum = 0n;
      for (const flag of value.flags) {
        const number = valueNumber(flag, of);
        if (number === undefined) return undefined;
        sum |= number;
      }
      return sum;
    }
    case 'prefix':
    case 'range':
    case 'concat':
    case 'any':
    case 'unknown':
      return undefined;
    default:
      throw new Error(value satisfies never);
  }
}

const MAC = /^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}$/i;
/** Users and groups that have this number everywhere. */
const ROOT = 0n;

function nameNumber(name: string, of: Expression): bigint | undefined {
  const known = symbolNumber(of, name);
  if (known !== undefined) return BigInt(known);
  if (of.kind === 'meta' && (of.key === 'skuid' || of.key === 'skgid')) {
    return name === 'root' ? ROOT : undefined;
  }
  if (of.kind === 'payload' && (of.field === 'saddr' || of.field === 'daddr') && MAC.test(name)) {
    return BigInt(
      `0x${name
        .split(':')
        .map((byte) => byte.padStart(2, '0'))
        .join('')}`,
    );
  }
  // `th` after a map of services, protocols by a name that only some fields list.
  if (of.kind === 'mask') return nameNumber(name, of.of);
  if (of.kind === 'bits') return nameNumber(name, of.left);
  return of.kind === 'meta' && of.key === 'l4proto' ? optional(protocolNumber(name)) : undefined;
}

function optional(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(value);
}
