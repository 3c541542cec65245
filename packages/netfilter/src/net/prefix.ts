// Networks in CIDR form, and their conversion to and from address intervals.
import { type Address, bitsOf, formatAddress, type IpFamily, parseAddress } from './address.ts';
import type { Interval } from './interval.ts';

/** A network: `value` has no bit set beyond `length` bits from the left. */
export interface Prefix {
  readonly family: IpFamily;
  readonly value: bigint;
  readonly length: number;
}

/** What parsePrefix found wrong. */
export type PrefixProblem = 'address' | 'length';

/**
 * Parses `ADDRESS` or `ADDRESS/LENGTH`. Host bits are cleared (`10.9.0.7/24` becomes `10.9.0.0/24`);
 * `hostBits` in the result says whether there were any, for callers that warn about it.
 */
export function parsePrefix(
  text: string,
): { prefix: Prefix; hostBits: boolean } | { problem: PrefixProblem } {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return { problem: 'address' };
  const bits = bitsOf(address.family);
  let length: number = bits;
  if (slash >= 0) {
    const digits = text.slice(slash + 1);
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(digits)) return { problem: 'length' };
    length = Number(digits);
    if (length > bits) return { problem: 'length' };
  }
  const prefix = prefixOf(address, length);
  return { prefix, hostBits: prefix.value !== address.value };
}

/** The network of `length` bits that holds `address`. */
export function prefixOf(address: Address, length: number): Prefix {
  const hostBits = BigInt(bitsOf(address.family) - length);
  return { family: address.family, value: (address.value >> hostBits) << hostBits, length };
}

/** `192.0.2.0/24`; a full-length prefix is written as a bare address. */
export function formatPrefix(prefix: Prefix): string {
  const text = formatAddress(prefix);
  return prefix.length === bitsOf(prefix.family) ? text : `${text}/${prefix.length}`;
}

/** First and last address of the network, both included. */
export function prefixInterval(prefix: Prefix): Interval<bigint> {
  const hostBits = BigInt(bitsOf(prefix.family) - prefix.length);
  return { first: prefix.value, last: prefix.value | ((1n << hostBits) - 1n) };
}

/** The fewest prefixes that together are exactly this interval, in ascending order. */
export function intervalPrefixes(family: IpFamily, interval: Interval<bigint>): Prefix[] {
  const bits = bitsOf(family);
  const prefixes: Prefix[] = [];
  let first = interval.first;
  while (first <= interval.last) {
    let hostBits = 0;
    while (hostBits < bits) {
      const size = 1n << BigInt(hostBits + 1);
      if (first % size !== 0n || first + size - 1n > interval.last) break;
      hostBits++;
    }
    prefixes.push({ family, value: first, length: bits - hostBits });
    first += 1n << BigInt(hostBits);
  }
  return prefixes;
}
