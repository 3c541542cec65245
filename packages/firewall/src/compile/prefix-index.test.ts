import { bitsOf, type Prefix, prefixInterval } from '@moat/netfilter';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prefixIndex } from './prefix-index.ts';

const FAMILIES = ['ipv4', 'ipv6'] as const;

/** Networks that often hold each other: few different high bits, any length. */
const prefixes = (family: (typeof FAMILIES)[number]): fc.Arbitrary<Prefix> =>
  fc.tuple(fc.bigInt({ min: 0n, max: 15n }), fc.integer({ min: 0, max: 6 })).map(([high, length]) => {
    const value = high << BigInt(bitsOf(family) - 4);
    const rest = BigInt(bitsOf(family) - length);
    return { family, value: (value >> rest) << rest, length };
  });

function overlap(a: Prefix, b: Prefix): boolean {
  const [x, y] = [prefixInterval(a), prefixInterval(b)];
  return x.first <= y.last && y.first <= x.last;
}

describe.each(FAMILIES)('an index of %s networks', (family) => {
  it('finds just those that overlap, between additions as well', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(prefixes(family), fc.boolean()), { maxLength: 40 }), (steps) => {
        const index = prefixIndex<Prefix>();
        const added: Prefix[] = [];
        for (const [prefix, asks] of steps) {
          if (asks) {
            const found = [...index.overlapping(prefix)];
            expect(new Set(found)).toEqual(new Set(added.filter((other) => overlap(prefix, other))));
            expect(found).toHaveLength(new Set(found).size);
          }
          const own = { ...prefix };
          index.add(own, own);
          added.push(own);
        }
      }),
    );
  });
});
