import fc from 'fast-check';
import { Address4, Address6 } from 'ip-address';
import { describe, expect, test } from 'vitest';
import { formatAddress, parseAddress, unmapAddress } from './address.ts';

describe('what is refused', () => {
  test.each([
    ['octal-looking octets, which some read as 8.0.0.1', '010.0.0.1'],
    ['leading zeros', '10.0.0.01'],
    ['octets over 255', '10.0.0.256'],
    ['short forms', '10.1'],
    ['hexadecimal', '0x7f.0.0.1'],
    ['one number', '2130706433'],
    ['white space', ' 10.0.0.1'],
    ['a prefix length', '10.0.0.1/8'],
    ['a zone', 'fe80::1%eth0'],
    ['two gaps', '2001::db8::1'],
    ['nine groups', '1:2:3:4:5:6:7:8:9'],
    ['a port', '[::1]:22'],
    ['nothing', ''],
    ['a name', 'localhost'],
  ])('%s', (_, text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

test('text in, integer inside, canonical text out (RFC 5952)', () => {
  expect(parseAddress('192.0.2.1')).toEqual({ family: 'ipv4', value: 0xc0000201n });
  expect(parseAddress('255.255.255.255')?.value).toBe(0xffff_ffffn);
  for (const [given, canonical] of [
    ['2001:0DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::', '::'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
  ] as const) {
    expect(formatAddress(parseAddress(given)!)).toBe(canonical);
  }
});

test('any integer survives the way to text and back, and the library agrees', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, (1n << 32n) - 1n), (value) => {
      const text = formatAddress({ family: 'ipv4', value });
      expect(text).toBe(Address4.fromBigInt(value).correctForm());
      expect(parseAddress(text)).toEqual({ family: 'ipv4', value });
    }),
  );
  fc.assert(
    fc.property(fc.bigInt(0n, (1n << 128n) - 1n), (value) => {
      const text = formatAddress({ family: 'ipv6', value });
      expect(new Address6(text).bigInt()).toBe(value);
      expect(parseAddress(text)).toEqual({ family: 'ipv6', value });
    }),
  );
});

test('an IPv4-mapped address is the IPv4 address; others stay', () => {
  expect(unmapAddress(parseAddress('::ffff:192.0.2.1')!)).toEqual(parseAddress('192.0.2.1'));
  const other = parseAddress('::1:ffff:192.0.2.1')!;
  expect(unmapAddress(other)).toBe(other);
});
