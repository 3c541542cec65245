// Values that packets are compared with: what stands on the right of a match and inside sets.
import type { Address } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';

/**
 * One value as nft writes it. A `symbol` is a name that the kernel keeps as a number (`established`, `tcp`,
 * `echo-request`) or an interface name, where a trailing `*` stands for any ending.
 */
export type Value =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'symbol'; readonly name: string }
  | { readonly kind: 'address'; readonly address: Address }
  | { readonly kind: 'prefix'; readonly prefix: Prefix }
  | { readonly kind: 'range'; readonly first: Value; readonly last: Value }
  | { readonly kind: 'concat'; readonly parts: readonly Value[] }
  | { readonly kind: 'any' }
  | { readonly kind: 'unknown'; readonly raw: unknown };

export function number(value: number): Value {
  return { kind: 'number', value };
}

export function symbol(name: string): Value {
  return { kind: 'symbol', name };
}
