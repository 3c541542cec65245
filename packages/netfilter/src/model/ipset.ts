// ipset's sets, which iptables rules ask for by name, and the questions.
import type { IpFamily } from '../net/address.ts';
import { type Expression, meta, payload } from './expression.ts';
import { number, type Value } from './value.ts';

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

/**
 * What a packet of `family` is looked up by, an expression for each dimension of the set; those of `port` are
 * `PROTOCOL . PORT`, or the port alone in a bitmap. undefined: fewer directions than dimensions, a dimension that is
 * not known, or a list, where each member set is asked in turn.
 */
export function ipsetKey(
  set: Ipset,
  directions: readonly ('src' | 'dst')[],
  family: 'ip' | 'ip6',
): readonly Expression[] | undefined {
  const key = set.dimensions.map((dimension, i) => {
    const direction = directions[i];
    return direction === undefined ? undefined : keyPart(set, dimension, direction, family);
  });
  return key.every((part) => part !== undefined) ? key : undefined;
}

function keyPart(
  set: Ipset,
  dimension: string,
  direction: 'src' | 'dst',
  family: 'ip' | 'ip6',
): Expression | undefined {
  switch (dimension) {
    case 'ip':
    case 'net':
      return payload(family, direction === 'src' ? 'saddr' : 'daddr');
    case 'port': {
      const port = payload('th', direction === 'src' ? 'sport' : 'dport');
      return set.method === 'bitmap' ? port : { kind: 'concat', parts: [meta('l4proto'), port] };
    }
    case 'mac':
      return payload('ether', direction === 'src' ? 'saddr' : 'daddr');
    case 'iface':
      return meta(direction === 'src' ? 'iifname' : 'oifname');
    case 'mark':
      return set.markMask === undefined
        ? meta('mark')
        : { kind: 'mask', of: meta('mark'), mask: number(set.markMask) };
    default:
      return undefined;
  }
}
