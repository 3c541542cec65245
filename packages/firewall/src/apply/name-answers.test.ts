import { parseAddress } from '@moat/netfilter';
import { expect, test } from 'vitest';
import type { FamilyAnswer, Lookup } from '../kernel/name-lookup.ts';
import type { NameEntry } from '../kernel/names-file.ts';
import { dueAt, entryAfter, MOST_ADDRESSES } from './name-answers.ts';

const NOW = 1_800_000_000;
const KNOWN: NameEntry = {
  name: 'a.example',
  addresses: ['192.0.2.1', '2001:db8::1'],
  answered: NOW - 500,
  ttl: 60,
  failed: null,
};
const NONE: FamilyAnswer = { kind: 'none', why: 'no address' };
const FAILED: FamilyAnswer = { kind: 'failed', why: 'the server failed' };
const is = (...texts: string[]): FamilyAnswer => ({
  kind: 'addresses',
  addresses: texts.map((text) => parseAddress(text)!),
  ttl: 300,
});
const after = (ipv4: Lookup['ipv4'], ipv6: Lookup['ipv6'], before: NameEntry | undefined = KNOWN) =>
  entryAfter(before, { name: 'a.example', ipv4, ipv6 }, NOW);

test('what is answered takes the place of what was known', () => {
  expect(after(is('192.0.2.9', '192.0.2.8', '192.0.2.9'), is('2001:db8::9'))).toEqual({
    ...{ name: 'a.example', addresses: ['192.0.2.8', '192.0.2.9', '2001:db8::9'], answered: NOW, ttl: 300 },
    failed: null,
  });
  // The servers know that there is no IPv6 any more.
  expect(after(is('192.0.2.1'), NONE).addresses).toEqual(['192.0.2.1']);
});

test('what was not answered keeps what was known, and only that', () => {
  expect(after(is('192.0.2.9'), FAILED)).toMatchObject({
    addresses: ['192.0.2.9', '2001:db8::1'],
    answered: NOW,
    failed: { why: 'the server failed', times: 1 },
  });
  for (const [ipv4, ipv6] of [
    [FAILED, FAILED],
    [NONE, FAILED],
    [FAILED, NONE],
  ] as const) {
    expect(after(ipv4, ipv6)).toEqual({ ...KNOWN, failed: { at: NOW, times: 1, why: 'the server failed' } });
  }
  const again = after(NONE, NONE, { ...KNOWN, failed: { at: NOW - 30, times: 4, why: 'x' } });
  expect(again).toEqual({ ...KNOWN, failed: { at: NOW, times: 5, why: 'no address' } });
  expect(entryAfter(undefined, { name: 'a.example', ipv4: NONE, ipv6: NONE }, NOW)).toMatchObject({
    addresses: [],
    answered: 0,
    failed: { times: 1 },
  });
});

test('a family of which every address is refused keeps what was known, though the other one is good', () => {
  expect(after(is('0.0.0.0'), is('2001:db8::9'))).toMatchObject({
    addresses: ['192.0.2.1', '2001:db8::9'],
    answered: NOW,
    failed: { why: 'refused 0.0.0.0' },
  });
});

test.each([
  '0.0.0.0',
  '0.1.2.3',
  '127.0.0.1',
  '224.0.0.251',
  '239.255.255.255',
  '255.255.255.255',
  '240.0.0.1',
])('%s is refused', (text) => {
  expect(after(is(text), NONE)).toEqual({ ...KNOWN, failed: { at: NOW, times: 1, why: `refused ${text}` } });
  expect(after(is(text, '192.0.2.9'), NONE)).toMatchObject({
    addresses: ['192.0.2.9'],
    failed: { why: `refused ${text}` },
  });
});

test.each(['::', '::1', 'ff02::1', '::ffff:c000:201'])('%s is refused', (text) => {
  const entry = after(NONE, is(text));
  expect(entry.addresses).toEqual(KNOWN.addresses);
  expect(entry.failed?.why).toMatch(/^refused ::|^refused ff02::1$/);
});

test('so many addresses are no host: the whole answer is refused', () => {
  const many = (count: number) => is(...Array.from({ length: count }, (_, i) => `10.0.0.${i}`));
  expect(after(many(MOST_ADDRESSES), NONE).addresses).toHaveLength(64);
  expect(after(many(MOST_ADDRESSES), is('2001:db8::9'))).toMatchObject({
    addresses: KNOWN.addresses,
    failed: { why: '65 addresses, and 64 is the most' },
  });
});

test('it is asked again when the answer has held long enough, and less and less often while that fails', () => {
  const held = (ttl: number, answered = NOW) => dueAt({ ...KNOWN, answered, ttl }, NOW) - NOW;
  expect([0, 30, 300, 3600, 86_400].map((ttl) => held(ttl))).toEqual([30, 30, 300, 3600, 3600]);
  expect(held(60, NOW - 500)).toBe(-440);
  // A clock that was set back.
  expect(held(60, NOW + 1e6)).toBe(60);
  const failed = (times: number) => dueAt({ ...KNOWN, failed: { at: NOW, times, why: '' } }, NOW) - NOW;
  expect([1, 2, 3, 5, 6, 7, 1000].map(failed)).toEqual([30, 60, 120, 480, 900, 900, 900]);
  // What came holds, though a part of it did not.
  expect(dueAt({ ...KNOWN, answered: NOW, ttl: 60, failed: { at: NOW, times: 9, why: '' } }, NOW) - NOW).toBe(
    60,
  );
});
