import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAddress } from './address.ts';
import {
  formatPrefix,
  intervalPrefixes,
  type Prefix,
  parsePrefix,
  prefixInterval,
  prefixOf,
} from './prefix.ts';

test.each([
  ['192.0.2.1', '192.0.2.1', false],
  ['192.0.2.0/24', '192.0.2.0/24', false],
  ['10.9.0.7/24', '10.9.0.0/24', true],
  ['0.0.0.0/0', '0.0.0.0/0', false],
  ['2001:db8::77/64', '2001:db8::/64', true],
  ['2001:db8::1/128', '2001:db8::1', false],
])('%s is %s', (given, canonical, hostBits) => {
  const parsed = parsePrefix(given);
  expect(parsed).toHaveProperty('hostBits', hostBits);
  expect(formatPrefix((parsed as { prefix: Prefix }).prefix)).toBe(canonical);
});

describe('what is refused, and which half of it is wrong', () => {
  test.each([
    ['010.0.0.1/24', 'address'],
    ['blog', 'address'],
    ['192.0.2.0/33', 'length'],
    ['2001:db8::/129', 'length'],
    ['192.0.2.0/024', 'length'],
    ['192.0.2.0/', 'length'],
    ['192.0.2.0/-1', 'length'],
    ['192.0.2.0/8/8', 'length'],
  ])('%s: the %s', (text, problem) => {
    expect(parsePrefix(text)).toEqual({ problem });
  });
});

test('an interval is exactly its prefixes, as few as can be', () => {
  const address = fc.bigInt(0n, 255n).map((low) => 0xc0000200n + low);
  fc.assert(
    fc.property(address, address, (a, b) => {
      const [first, last] = a < b ? [a, b] : [b, a];
      const interval = { first, last };
      const prefixes = intervalPrefixes('ipv4', interval);
      let next = interval.first;
      for (const [i, prefix] of prefixes.entries()) {
        const { first, last } = prefixInterval(prefix);
        expect(first).toBe(next);
        next = last + 1n;
        const follower = prefixes[i + 1];
        // Two neighbours of one length that could be one prefix would be one too many.
        if (follower?.length === prefix.length) expect(first & (last - first + 1n)).not.toBe(0n);
      }
      expect(next).toBe(interval.last + 1n);
    }),
  );
});

test('the whole of IPv6 is one prefix', () => {
  expect(intervalPrefixes('ipv6', { first: 0n, last: (1n << 128n) - 1n })).toEqual([
    prefixOf(parseAddress('::')!, 0),
  ]);
});
