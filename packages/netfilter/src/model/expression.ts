// What a rule reads from a packet, its flow and the host: the left side of a match, and what a rule writes.
import type { DataMap } from './inline-set.ts';
import type { Value } from './value.ts';

/**
 * nft(8) "PAYLOAD EXPRESSIONS", "META EXPRESSIONS", "CONNTRACK EXPRESSIONS", "FIB EXPRESSIONS"…
 *
 * A packet without the thing that is read (another protocol, no such option, no conntrack entry, no socket)
 * does not match whatever it is compared with, and neither does it match the negation.
 *
 * Three `meta` keys are not nft's, for what iptables alone can ask: `socket` (boolean: a socket of this host
 * sent the packet), `physdev-in` and `physdev-out` (names of bridge ports), with `physdev-is-in`,
 * `physdev-is-out` and `physdev-is-bridged` (booleans).
 */
export type Expression =
  /** A named field of a header. */
  | { readonly kind: 'payload'; readonly protocol: string; readonly field: string }
  /** `bits` bits from bit `offset` of the link (ll), network (nh), transport (th) or inner (ih) header. */
  | { readonly kind: 'raw payload'; readonly base: string; readonly offset: number; readonly bits: number }
  /** An IPv6 extension header, TCP or IPv4 option, SCTP chunk, DCCP option; no field: whether it is there. */
  | {
      readonly kind: 'exthdr' | 'tcp option' | 'ip option' | 'sctp chunk' | 'dccp option';
      readonly name: string;
      readonly field?: string;
    }
  | { readonly kind: 'meta'; readonly key: string }
  /** `direction`: the tuple of the flow as it was (`original`) or as replies have it (`reply`). */
  | { readonly kind: 'ct'; readonly key: string; readonly direction?: string; readonly family?: string }
  /** What the route of the packet says: `mtu`, `nexthop`, `classid`, `ipsec`. */
  | { readonly kind: 'rt'; readonly key: string; readonly family?: string }
  /** A route lookup: `type` of an address, or the interface (`oif`, `oifname`) where it leads. */
  | { readonly kind: 'fib'; readonly result: string; readonly flags: readonly string[] }
  /** A field of the local socket that the packet belongs to. */
  | { readonly kind: 'socket'; readonly key: string }
  /** The guessed operating system of a SYN's sender. */
  | { readonly kind: 'osf'; readonly key: string }
  /** The IPsec state that the packet came in by or goes out by. */
  | { readonly kind: 'ipsec'; readonly key: string; readonly direction: string; readonly index: number }
  /** A number from a counter or from chance, from `offset` to `offset + modulus - 1`. */
  | {
      readonly kind: 'numgen';
      readonly mode: string;
      readonly modulus: number;
      readonly offset: number;
    }
  /** A hash of `of` (jhash) or of the flow (symhash), from `offset` to `offset + modulus - 1`. */
  | { readonly kind: 'hash'; readonly of?: Expression; readonly modulus: number; readonly offset: number }
  | { readonly kind: 'concat'; readonly parts: readonly Expression[] }
  | { readonly kind: 'mask'; readonly of: Expression; readonly mask: Value }
  /** What is left of `left` after an operation on its bits; an `&` with a constant is a `mask`. */
  | {
      readonly kind: 'bits';
      readonly operator: '&' | '|' | '^' | '<<' | '>>';
      readonly left: Expression;
      readonly right: Operand;
    }
  /** What a map gives for a key; without an entry the rule does not match. */
  | { readonly kind: 'map'; readonly key: Expression; readonly map: DataMap }
  /** A constant inside a concatenation. */
  | { readonly kind: 'constant'; readonly value: Value }
  | { readonly kind: 'unknown'; readonly raw: unknown };

/** What is written, compared with or calculated with: a constant, or what an expression reads. */
export type Operand = Value | { readonly kind: 'expression'; readonly expression: Expression };

export function payload(protocol: string, field: string): Expression {
  return { kind: 'payload', protocol, field };
}

export function meta(key: string): Expression {
  return { kind: 'meta', key };
}

export function ct(key: string, direction?: string, family?: string): Expression {
  return {
    kind: 'ct',
    key,
    ...(direction === undefined ? {} : { direction }),
    ...(family === undefined ? {} : { family }),
  };
}

/** An expression where a constant could stand. */
export function operand(expression: Expression): Operand {
  return { kind: 'expression', expression };
}
