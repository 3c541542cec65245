import {
  type Address,
  bitsOf,
  formatAddress,
  type IpFamily,
  parseAddress,
  parsePrefix,
  prefixInterval,
  prefixOf,
} from '@moat/netfilter';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AddressRange, addressMap, isKept, likelyNetwork } from './redact-address.ts';

const KEY = new Uint8Array(32).fill(7);

const families = fc.constantFrom<IpFamily>('ipv4', 'ipv6');
/** Half of those of IPv6 are in 2000::/3. */
const value = (family: IpFamily) =>
  fc
    .tuple(fc.bigInt({ min: 0n, max: (1n << BigInt(bitsOf(family))) - 1n }), fc.boolean())
    .map(([any, global]) => (family === 'ipv6' && global ? (any >> 3n) | (1n << 125n) : any));
const keys = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** A family with networks and ranges of it, and addresses that lie in them, at their ends, beside them, or anywhere. */
const scenes = families.chain((family) =>
  fc
    .record({
      networks: fc.array(fc.tuple(value(family), fc.integer({ min: 0, max: bitsOf(family) })), {
        maxLength: 6,
      }),
      ends: fc.array(fc.tuple(value(family), fc.oneof(value(family), fc.bigInt({ min: 1n, max: 70_000n }))), {
        maxLength: 4,
      }),
      steps: fc.array(fc.tuple(fc.nat(), fc.bigInt({ min: -3n, max: 3n })), { maxLength: 20 }),
      anywhere: fc.array(value(family), { maxLength: 5 }),
    })
    .map(({ networks, ends, steps, anywhere }) => {
      const last = (1n << BigInt(bitsOf(family))) - 1n;
      const clip = (n: bigint) => (n < 0n ? 0n : n > last ? last : n);
      const ranges: AddressRange[] = [
        ...networks.map(([n, length]) => ({
          family,
          ...prefixInterval(prefixOf({ family, value: n }, length)),
        })),
        ...ends.map(([a, b]): AddressRange => {
          const far = b <= 70_000n ? clip(a + b) : b;
          return { family, first: a < far ? a : far, last: a < far ? far : a };
        }),
      ];
      const borders = ranges.flatMap((range) => [range.first, range.last]);
      const near = steps.map(([i, step]) => clip((borders[i % (borders.length || 1)] ?? 0n) + step));
      const addresses = [...borders, ...near, ...anywhere].map((n): Address => ({ family, value: n }));
      return { family, ranges, addresses };
    }),
);

describe('for any key, networks, ranges and addresses', () => {
  test('an address lies in a range afterwards exactly if it did before', () => {
    fc.assert(
      fc.property(scenes, keys, ({ family, ranges, addresses }, key) => {
        const map = addressMap(key, ranges);
        for (const { first, last } of ranges) {
          const [from, to] = [map({ family, value: first }).value, map({ family, value: last }).value];
          for (const address of addresses) {
            const before = first <= address.value && address.value <= last;
            const after = map(address).value;
            expect(from <= after && after <= to).toBe(before);
          }
        }
      }),
    );
  });

  test('a network is a network of the same length afterwards', () => {
    fc.assert(
      fc.property(
        families.chain((family) => fc.tuple(fc.constant(family), value(family))),
        fc.nat(128),
        keys,
        ([family, n], some, key) => {
          const length = some % (bitsOf(family) + 1);
          const { first, last } = prefixInterval(prefixOf({ family, value: n }, length));
          const map = addressMap(key, [{ family, first, last }]);
          const network = prefixOf(map({ family, value: first }), length);
          expect(prefixInterval(network)).toEqual({
            first: map({ family, value: first }).value,
            last: map({ family, value: last }).value,
          });
        },
      ),
    );
  });

  test('two addresses share as many leading bits as before, so no two become one', () => {
    const bits = ({ family, value: n }: Address) => n.toString(2).padStart(bitsOf(family), '0');
    const shared = (a: Address, b: Address) => {
      const [x, y] = [bits(a), bits(b)];
      const at = [...x].findIndex((bit, i) => bit !== y[i]);
      return at < 0 ? x.length : at;
    };
    fc.assert(
      fc.property(scenes, keys, ({ ranges, addresses }, key) => {
        const map = addressMap(key, ranges);
        for (const [i, a] of addresses.entries()) {
          const b = addresses[i + 1] ?? a;
          if (isKept(a) || isKept(b)) continue;
          expect(shared(map(a), map(b))).toBe(shared(a, b));
        }
      }),
    );
  });

  test('what is kept stays, and nothing else becomes one of those', () => {
    fc.assert(
      fc.property(scenes, keys, ({ ranges, addresses }, key) => {
        const map = addressMap(key, ranges);
        for (const address of addresses) {
          if (isKept(address)) expect(map(address)).toEqual(address);
          else expect(isKept(map(address))).toBe(false);
        }
      }),
    );
  });
});

test('public addresses are others afterwards, under each key others', () => {
  const texts = ['8.8.4.4', '93.184.216.34', '2606:2800:220:1::1'];
  const mapped = (key: Uint8Array) => {
    const map = addressMap(key, []);
    return texts.map((text) => formatAddress(map(parseAddress(text)!)));
  };
  const [one, other] = [mapped(KEY), mapped(new Uint8Array(32).fill(8))];
  for (const [i, text] of texts.entries()) {
    expect(one[i]).not.toBe(text);
    expect(one[i]).not.toBe(other[i]);
  }
  expect(mapped(KEY)).toEqual(one);
});

test.each([
  ['10.1.2.3', true],
  ['192.168.0.1', true],
  ['127.0.0.1', true],
  ['255.255.0.0', true],
  ['203.0.113.9', true],
  ['fe80::1', true],
  ['fd00::1', true],
  ['2001:db8::1', true],
  ['ff02::1', true],
  ['11.0.0.1', false],
  ['172.32.0.1', false],
  ['2003::1', false],
])('%s is kept: %s', (text, kept) => {
  expect(isKept(parseAddress(text)!)).toBe(kept);
});

test.each([
  ['93.184.0.0', '93.184.0.0/16'],
  ['93.184.216.0', '93.184.216.0/24'],
  ['93.184.216.8', undefined],
  ['0.0.0.0', undefined],
  ['2606:2800::', '2606:2800::/32'],
])('%s may be the network %s', (text, network) => {
  const read = network === undefined ? undefined : parsePrefix(network);
  const expected =
    read !== undefined && 'prefix' in read
      ? { family: read.prefix.family, ...prefixInterval(read.prefix) }
      : undefined;
  expect(likelyNetwork(parseAddress(text)!)).toEqual(expected);
});
