// What a rule reads from a packet, its flow and the host: the left side of a match.
import type { Value } from './value.ts';

/** nft(8) "PAYLOAD EXPRESSIONS", "META EXPRESSIONS", "CONNTRACK EXPRESSIONS", "FIB EXPRESSIONS". */
export type Expression =
  | { readonly kind: 'payload'; readonly protocol: string; readonly field: string }
  | { readonly kind: 'meta'; readonly key: string }
  | { readonly kind: 'ct'; readonly key: string; readonly direction?: string; readonly family?: string }
  | { readonly kind: 'fib'; readonly result: string; readonly flags: readonly string[] }
  | { readonly kind: 'concat'; readonly parts: readonly Expression[] }
  | { readonly kind: 'mask'; readonly of: Expression; readonly mask: Value }
  | { readonly kind: 'unknown'; readonly raw: unknown };

export function payload(protocol: string, field: string): Expression {
  return { kind: 'payload', protocol, field };
}

export function meta(key: string): Expression {
  return { kind: 'meta', key };
}
