// ipset's sets, which iptables rules ask for by name, and the questions.
import type { IpFamily } from '../net/address.ts';
import type { Value } from './value.ts';

/**
 * One entry, a value for each dimension of the set's type: addresses, prefixes and ranges of addresses;
 * `PROTOCOL . PORT` as a concatenation (for icmp the port is type × 256 + code); names of interfaces; marks;
 * MAC addresses as symbols; in a list:set the name of a member.
 */
export interface IpsetEntry {
  readonly parts: readonly Value[];
  /** An exception: what it holds is not in the set. */
  readonly nomatch: boolean;
  /** Seconds until it goes. */
  readonly timeout?: number;
}

/** ipset(8) "SET TYPES". */
export interface Ipset {
  readonly name: string;
  /** `hash`, `bitmap` or `list`. */
  readonly method: string;
  /** The dimensions: `ip`, `net`, `port`, `mac`, `iface`, `mark`, `set`. */
  readonly dimensions: readonly string[];
  readonly family: IpFamily;
  /** Bits of the mark that are looked at, in sets with a mark. */
  readonly markMask?: number;
  readonly entries: readonly IpsetEntry[];
  /** Lines of the set that were not understood: then it may hold more than `entries`. */
  readonly unknown: readonly string[];
}

/** `-m set --match-set NAME DIRECTIONS`: the packet's source or destination side for each dimension. */
export interface IpsetMatch {
  readonly kind: 'ipset';
  readonly set: string;
  readonly directions: readonly ('src' | 'dst')[];
  readonly inverted: boolean;
  /** An entry with `nomatch` counts as found, and nothing else does. */
  readonly returnNomatch?: true;
}

/** `-j SET`: puts the packet's side into a set or takes it out. */
export interface IpsetChange {
  readonly kind: 'ipset change';
  readonly operation: 'add' | 'delete';
  readonly set: string;
  readonly directions: readonly ('src' | 'dst')[];
  /** An entry that is there already starts its time again. */
  readonly exist: boolean;
  readonly timeout?: number;
}
