// One IP address: strict text in, integer inside, canonical text out.
import { Address6 } from 'ip-address';

export type IpFamily = 'ipv4' | 'ipv6';

/** An address as an unsigned integer of 32 (ipv4) or 128 (ipv6) bits. */
export interface Address {
  readonly family: IpFamily;
  readonly value: bigint;
}

/** Bits of an address of this family. */
export function bitsOf(family: IpFamily): 32 | 128 {
  return family === 'ipv4' ? 32 : 128;
}

const IPV4 = /^(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})$/;

/**
 * Parses one address strictly: four decimal octets without leading zeros (`010.0.0.1` is read as octal by
 * some programs and as decimal by others, so it is refused), or RFC 4291 IPv6 text without a zone.
 * Returns undefined for anything else.
 */
export function parseAddress(text: string): Address | undefined {
  const octets = IPV4.exec(text)?.slice(1).map(Number);
  if (octets !== undefined) {
    if (octets.some((octet) => octet > 255)) return undefined;
    // As a sum, since 32-bit shifts are signed.
    const value = octets.reduce((sum, octet) => sum * 256 + octet, 0);
    return { family: 'ipv4', value: BigInt(value) };
  }
  if (!text.includes(':') || /[%/\s]/.test(text) || !Address6.isValid(text)) return undefined;
  return { family: 'ipv6', value: new Address6(text).bigInt() };
}

/** Canonical text: dotted quad, or RFC 5952 for IPv6. */
export function formatAddress(address: Address): string {
  if (address.family === 'ipv6') return Address6.fromBigInt(address.value).correctForm();
  const value = Number(address.value);
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join('.');
}

/** The IPv4 address inside an IPv4-mapped one (`::ffff:192.0.2.1`, RFC 4291 §2.5.5.2); others unchanged. */
export function unmapAddress(address: Address): Address {
  if (address.family === 'ipv6' && address.value >> 32n === 0xffffn) {
    return { family: 'ipv4', value: address.value & 0xffff_ffffn };
  }
  return address;
}
