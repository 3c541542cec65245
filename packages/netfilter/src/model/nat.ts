// Statements that send a packet, or a copy of it, elsewhere.
import type { Operand } from './expression.ts';

/**
 * nft(8) "NAT STATEMENTS". `address` and `port` are single values, ranges (one is chosen for each flow) or maps; an
 * address of several parts (`10.0.0.1 . 80`, out of a map) is address and port. `netmap` in `flags`: the
 * address is a prefix and only those bits change. `type` `netmap` is iptables' target of that name: it writes
 * the destination in prerouting and output, the source in postrouting and input. No address: `masquerade`
 * takes that of the interface where the packet leaves, `redirect` that where it came in.
 */
export interface Nat {
  readonly kind: 'nat';
  readonly type: 'snat' | 'dnat' | 'masquerade' | 'redirect' | 'netmap';
  readonly family?: 'ip' | 'ip6';
  readonly address?: Operand;
  readonly port?: Operand;
  readonly flags: readonly string[];
}

/** Gives the packet to a local socket. `missing`: what happens when there is none (nft: the next rule). */
export interface Tproxy {
  readonly kind: 'tproxy';
  readonly family?: 'ip' | 'ip6';
  readonly address?: Operand;
  readonly port?: Operand;
  readonly missing: 'next rule' | 'drop';
}

/** A copy goes to a gateway (`address`) or out of an interface; the packet itself goes on. */
export interface Duplicate {
  readonly kind: 'dup';
  readonly address?: Operand;
  readonly device?: Operand;
}

/** The packet leaves by an interface, past all other rules. */
export interface Forward {
  readonly kind: 'fwd';
  readonly device: Operand;
  readonly family?: 'ip' | 'ip6';
  readonly address?: Operand;
}
