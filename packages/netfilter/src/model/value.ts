// Values that packets are compared with: what stands on the right of a match and inside sets.
import type { Address } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';

/**
 * One value as nft writes it. A `symbol` is a name that the kernel keeps as a number (`established`, `tcp`,
 * `echo-request`) or an interface name, where a trailing `*` stands for any ending. `flags` are several bits
 * at once: `== flags` compares all bits, `in flags` asks for any of them, `! flags` for none of them. `boolean`
 * asks whether something is there: an option, a header, a route. `bytes` is a number too wide for a double,
 * its bits in hexadecimal. A range whose first is above its last holds nothing.
 */
export type Value =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'symbol'; readonly name: string }
  | { readonly kind: 'address'; readonly address: Address }
  | { readonly kind: 'prefix'; readonly prefix: Prefix }
  | { readonly kind: 'range'; readonly first: Value; readonly last: Value }
  | { readonly kind: 'concat'; readonly parts: readonly Value[] }
  | { readonly kind: 'flags'; readonly flags: readonly Value[] }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'bytes'; readonly hex: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'unknown'; readonly raw: unknown };

export function number(value: number): Value {
  return { kind: 'number', value };
}

export function symbol(name: string): Value {
  return { kind: 'symbol', name };
}

export function boolean(value: boolean): Value {
  return { kind: 'boolean', value };
}

export function flags(names: readonly string[]): Value {
  return { kind: 'flags', flags: names.map(symbol) };
}

export function range(first: number, last: number): Value {
  return { kind: 'range', first: number(first), last: number(last) };
}
