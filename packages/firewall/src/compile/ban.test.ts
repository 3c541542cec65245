import { type Address, parsePrefix, prefixInterval } from '@moat/netfilter';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { banChange, banLines, banReplacement, bansOf } from '../apply/ban-store.ts';
import { parseBanLine } from '../kernel/ban-file.ts';
import { type Ban, banPieces } from './ban.ts';

const NOW = 1_800_000_000;

function ban(text: string, seconds?: number, because?: string): Ban {
  const parsed = parsePrefix(text);
  if (!('prefix' in parsed)) throw new Error(text);
  return {
    ...{ prefix: parsed.prefix, since: NOW - 5, because },
    until: seconds === undefined ? undefined : NOW + seconds,
  };
}

const elements = (bans: readonly Ban[]): string[] =>
  banLines(bans, NOW).map(({ element, left, until }) => `${element} ${until === 0 ? 'for ever' : left}`);

test('bans that overlap are cut, and the longer one holds', () => {
  expect(elements([ban('10.0.0.0/8', 60), ban('192.0.2.9')])).toEqual([
    '10.0.0.0/8 60',
    '192.0.2.9 for ever',
  ]);
  expect(elements([ban('10.0.0.0/30', 60), ban('10.0.0.2')])).toEqual([
    '10.0.0.0/31 60',
    '10.0.0.2 for ever',
    '10.0.0.3 60',
  ]);
  expect(elements([ban('10.0.0.2', 60), ban('10.0.0.0/30', 90)])).toEqual(['10.0.0.0/30 90']);
  // What is left around the middle is no network of its own.
  expect(elements([ban('10.0.0.0/29', 60), ban('10.0.0.3')])[0]).toBe('10.0.0.0-10.0.0.2 60');
  expect(elements([ban('2001:db8::/64', 60)])).toEqual(['2001:db8::/64 60']);
});

test('a ban whose time is over is nowhere: with no time left the kernel would keep it for ever', () => {
  expect(elements([ban('192.0.2.9', 0), ban('192.0.2.10', -40), ban('192.0.2.11', 1)])).toEqual([
    '192.0.2.11 1',
  ]);
  const lines = banLines([ban('192.0.2.9', 30), ban('192.0.2.11', 90)], NOW);
  expect(banReplacement(lines, NOW + 30)).toMatch(/\{ 192\.0\.2\.11 timeout 60s \}/);
});

test('each address is banned as long as the longest of its bans says', () => {
  const some = fc.array(
    fc.record({
      value: fc.integer({ min: 0, max: 31 }),
      length: fc.integer({ min: 27, max: 32 }),
      end: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
    }),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(some, (list) => {
      const bans = list.map(({ value, length, end }) => {
        const hostBits = BigInt(32 - length);
        const prefix = { family: 'ipv4' as const, value: (BigInt(value) >> hostBits) << hostBits, length };
        return { prefix, since: NOW, until: end === undefined ? undefined : NOW + end, because: undefined };
      });
      const pieces = banPieces(bans, 'ipv4');
      const has = ({ value }: Pick<Address, 'value'>, interval: { first: bigint; last: bigint }) =>
        value >= interval.first && value <= interval.last;
      for (let value = 0n; value < 32n; value++) {
        const ends = bans
          .filter(({ prefix }) => has({ value }, prefixInterval(prefix)))
          .map(({ until }) => until ?? Number.POSITIVE_INFINITY);
        const held = pieces.filter(({ interval }) => has({ value }, interval));
        expect(held.length).toBe(ends.length === 0 ? 0 : 1);
        if (held[0] !== undefined) {
          expect(held[0].ban.until ?? Number.POSITIVE_INFINITY).toBe(Math.max(...ends));
        }
      }
    }),
  );
});

test('from one list to the next only what differs is sent; what has ended is not deleted', () => {
  const before = banLines([ban('192.0.2.1', 60), ban('192.0.2.2', 10), ban('192.0.2.3')], NOW);
  const later = NOW + 20;
  const kept = bansOf(before, later);
  expect(kept.map(({ until }) => until)).toEqual([NOW + 60, undefined]);
  expect(banChange(before, banLines(kept, later), later)).toBeUndefined();
  const after = banLines([...kept.slice(0, 1), ban('2001:db8::1', 90)], later);
  expect(banChange(before, after, later)).toBe(
    'delete element inet moat banned_v4 { 192.0.2.3 }\nadd element inet moat banned_v6 { 2001:db8::1 timeout 70s }\n',
  );
});

test('a clock that was set back makes no ban longer than it was', () => {
  const lines = banLines([ban('192.0.2.1', 60)], NOW);
  expect(bansOf(lines, NOW - 1_000_000)[0]?.until).toBe(NOW - 1_000_000 + 60);
});

test('a line of the file is read as it was written; another is not read', () => {
  const [line] = banLines([ban('192.0.2.1', 60, 'a "quoted" \\ reason')], NOW);
  const { set, element, until, left, ban: name, since, because } = line!;
  const text = `#+ ${set} ${element} ${until} ${left} ${name} ${since} ${JSON.stringify(because)}`;
  expect(parseBanLine(text)).toEqual(line);
  for (const bad of ['', '# a remark', text.slice(0, -1), text.replace('#+', '#')])
    expect(parseBanLine(bad)).toBeUndefined();
});
