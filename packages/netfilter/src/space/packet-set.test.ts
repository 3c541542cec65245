import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runs } from '../../../../test/runs.ts';
import { parseAddress } from '../net/address.ts';
import { parsePrefix } from '../net/prefix.ts';
import type { FieldMatch } from './field-match.ts';
import { CT_STATES, NO_INTERFACE, OTHER_INTERFACE } from './fields.ts';
import { exchangeFields, fieldFrom, fixFields, forEvery, forSome } from './packet-fields.ts';
import {
  allPackets,
  complementPackets,
  containsPacket,
  countPackets,
  diagramSize,
  examplePacket,
  fieldsOf,
  intersectPackets,
  isEmpty,
  noPackets,
  type PacketMatch,
  packetsCover,
  packetsOverlap,
  packetsWhere,
  packetsWithBit,
  possibleLeaves,
  samePackets,
  subtractPackets,
  unionPackets,
} from './packet-set.ts';
import { collectSpace, hold, type PacketSet, packetSpace, release } from './packet-space.ts';

const address = (text: string) => parseAddress(text)!;
const prefix = (text: string) => {
  const parsed = parsePrefix(text);
  if ('problem' in parsed) throw new Error(text);
  return parsed.prefix;
};

const space = packetSpace({
  family: 'ipv4',
  interfaces: ['eth0', 'docker0'],
  fields: [
    { kind: 'number', name: 'mark', bits: 4 },
    { kind: 'number', name: 'limit', bits: 1 },
  ],
});
const where = (match: PacketMatch): PacketSet => packetsWhere(space, match);

test('values of a field: numbers, names, networks, intervals, masks and lists of them', () => {
  const packet = { src: address('198.51.100.7'), proto: 6, dport: 85, iif: 'eth0' };
  const holds: [string, FieldMatch, boolean][] = [
    ['src', address('198.51.100.7'), true],
    ['src', prefix('198.51.100.0/24'), true],
    ['src', [prefix('192.0.2.0/24'), prefix('198.51.100.0/29')], true],
    ['src', prefix('203.0.113.0/24'), false],
    ['src', { mask: 0xff00_00ffn, value: 0xc600_0007n }, true],
    ['src', { mask: 0xff00_00ffn, value: 0xc600_0008n }, false],
    ['proto', 'tcp', true],
    ['proto', ['udp', 'icmp'], false],
    ['dport', [22, { first: 80, last: 90 }], true],
    ['dport', { first: 86n, last: 90n }, false],
    ['dport', [], false],
    ['iif', 'eth0', true],
    ['iif', ['docker0', OTHER_INTERFACE], false],
  ];
  for (const [field, values, expected] of holds) {
    expect([field, values, containsPacket(where({ [field]: values }), packet)]).toEqual([
      field,
      values,
      expected,
    ]);
  }
  expect(
    containsPacket(
      where(Object.fromEntries(holds.filter((each) => each[2]).map(([field, values]) => [field, values]))),
      packet,
    ),
  ).toBe(true);
});

test('a match over many fields is the intersection of one for each', () => {
  const match = {
    src: [prefix('10.0.0.0/8'), address('192.0.2.1')],
    dst: { mask: 0xffn, value: 1n },
    proto: ['tcp', 'udp'],
    dport: [22, { first: 80, last: 90 }],
    state: ['new', 'untracked'],
    iif: 'eth0',
  } satisfies PacketMatch;
  const one = Object.entries(match).map(([name, values]) => where({ [name]: values as FieldMatch }));
  expect(samePackets(where(match), one.reduce(intersectPackets))).toBe(true);
  expect(fieldsOf(where(match))).toEqual(['state', 'iif', 'proto', 'dst', 'dport', 'src']);
});

test('bugs of the caller are named: fields, words, values, families, spaces', () => {
  expect(() => where({ source: 1 })).toThrow('no field source');
  expect(() => where({ state: 'old' })).toThrow('state is one of invalid, new');
  expect(() => where({ state: 1 })).toThrow('state is one of invalid, new');
  expect(() => where({ dport: 'http' })).toThrow('dport is never http');
  expect(() => where({ dport: 65_536 })).toThrow('65536-65536 is no interval of dport, which has 16 bits');
  expect(() => where({ dport: { first: 9, last: 3 } })).toThrow('9-3 is no interval');
  expect(() => where({ src: address('2001:db8::1') })).toThrow('2001:db8::1 in a space of ipv4');
  expect(() => where({ dport: { mask: 0x1_0000n, value: 0n } })).toThrow('0/65536 is no mask of dport');
  expect(() => containsPacket(where({ dport: 1 }), { dport: 65_536 })).toThrow('65536 is no value of dport');
  expect(() => where({ iif: { mask: 1n, value: 1n } })).toThrow('iif has words');
  expect(() => intersectPackets(allPackets(space), allPackets(packetSpace({ family: 'ipv4' })))).toThrow(
    'different spaces',
  );
  expect(() => packetSpace({ family: 'ipv4', fields: [{ kind: 'number', name: 'src', bits: 1 }] })).toThrow(
    'two fields named src',
  );
});

test('the laws of sets, by comparison of numbers', () => {
  const piece = fc.record(
    {
      src: fc.constantFrom(prefix('10.0.0.0/8'), prefix('10.9.0.0/16'), prefix('192.0.2.0/24')),
      dport: fc.constantFrom(22, { first: 20, last: 30 }, [80, 443]),
      proto: fc.constantFrom('tcp', 'udp'),
      iif: fc.constantFrom('eth0', 'docker0', OTHER_INTERFACE, NO_INTERFACE),
    },
    { requiredKeys: [] },
  );
  const set = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) =>
    unionPackets(
      space,
      pieces.map((each) => where(each as PacketMatch)),
    ),
  );
  fc.assert(
    fc.property(set, set, set, (a, b, c) => {
      const both = intersectPackets;
      const either = (...sets: PacketSet[]) => unionPackets(space, sets);
      const no = complementPackets;
      expect(samePackets(no(both(a, b)), either(no(a), no(b)))).toBe(true);
      expect(samePackets(both(a, either(b, c)), either(both(a, b), both(a, c)))).toBe(true);
      expect(samePackets(subtractPackets(a, b), both(a, no(b)))).toBe(true);
      expect(samePackets(no(no(a)), a)).toBe(true);
      expect(packetsOverlap(a, b)).toBe(!isEmpty(both(a, b)));
      expect(packetsCover(a, both(a, b))).toBe(true);
      expect(packetsCover(a, b)).toBe(isEmpty(subtractPackets(b, a)));
      expect(countPackets(either(a, b)) + countPackets(both(a, b))).toBe(countPackets(a) + countPackets(b));
      expect(countPackets(a) + countPackets(no(a))).toBe(countPackets(allPackets(space)));
      const example = examplePacket(a)!;
      expect(containsPacket(a, example)).toBe(true);
      expect(containsPacket(no(a), example)).toBe(false);
    }),
    { numRuns: runs(300) },
  );
});

test('counts are the products of how many values there are, words by their number', () => {
  expect(countPackets(noPackets(space))).toBe(0n);
  const all = 5n * 4n * 4n * 2n ** (32n + 32n + 8n + 16n + 16n + 8n + 4n + 1n);
  expect(countPackets(allPackets(space))).toBe(all);
  const set = where({
    src: prefix('10.0.0.0/8'),
    dport: { first: 80, last: 90 },
    iif: [OTHER_INTERFACE, 'eth0'],
  });
  expect(countPackets(set, ['src', 'dport', 'iif'])).toBe(2n ** 24n * 11n * 2n);
  expect(() => countPackets(set, ['src', 'dport'])).toThrow('which is not counted');
});

test('words: the last one takes what is left over, so a complement is the other words', () => {
  for (const count of [1, 2, 3, 4, 5, 9]) {
    const names = Array.from({ length: count }, (_, i) => `eth${i}`);
    const many = packetSpace({ family: 'ipv4', interfaces: names });
    const [first, ...others] = [...names, NO_INTERFACE, OTHER_INTERFACE];
    const not = complementPackets(packetsWhere(many, { iif: first! }));
    expect(samePackets(not, packetsWhere(many, { iif: others }))).toBe(true);
    expect(countPackets(not, ['iif'])).toBe(BigInt(count + 1));
    const seen = [];
    for (let left = allPackets(many); !isEmpty(left); ) {
      const { iif } = examplePacket(left)!;
      seen.push(iif);
      left = subtractPackets(left, packetsWhere(many, { iif: iif! }));
    }
    expect(seen).toEqual([NO_INTERFACE, ...names, OTHER_INTERFACE]);
  }
  expect(countPackets(where({ state: [...CT_STATES] }), ['state'])).toBe(5n);
  expect(samePackets(where({ state: [...CT_STATES] }), allPackets(space))).toBe(true);
});

test('an ICMP type is the upper half of the destination port', () => {
  const echo = where({ proto: 'icmp', icmptype: 8 });
  expect(samePackets(echo, where({ proto: 'icmp', dport: { first: 0x800, last: 0x8ff } }))).toBe(true);
  expect(containsPacket(echo, { proto: 1, icmptype: 8, icmpcode: 0 })).toBe(true);
  expect(containsPacket(echo, { proto: 1, icmptype: 3, icmpcode: 8 })).toBe(false);
  expect(samePackets(where({ icmptype: [0, 8], icmpcode: 0 }), where({ dport: [0, 0x800] }))).toBe(true);
});

test('an example is one of the preferred packets where there are such', () => {
  const set = where({ src: prefix('192.0.2.0/24'), proto: 'tcp', dport: { first: 1, last: 1000 } });
  const example = examplePacket(set, [
    where({ src: address('203.0.113.1') }),
    where({ dport: 443 }),
    where({ src: address('192.0.2.9') }),
  ]);
  expect(example).toEqual({
    state: 'invalid',
    iif: NO_INTERFACE,
    oif: NO_INTERFACE,
    proto: 6,
    dst: address('0.0.0.0'),
    dport: 443,
    src: address('192.0.2.9'),
    sport: 0,
    tcpflags: 0,
    mark: 0,
    limit: 0,
  });
  expect(examplePacket(noPackets(space))).toBeUndefined();
});

test('a packet may leave out what does not matter; what matters and is left out is either or both', () => {
  const set = where({ proto: 'tcp', dport: 22, src: prefix('10.0.0.0/8') });
  expect(containsPacket(set, { proto: 17 })).toBe(false);
  expect(containsPacket(set, { proto: 6, dport: 23 })).toBe(false);
  expect(() => containsPacket(set, { proto: 6, dport: 22 })).toThrow('lacks a field');
  expect(possibleLeaves(set, { proto: 6, dport: 22 })).toEqual([0, 1]);
  expect(possibleLeaves(set, { proto: 6, dport: 22, src: address('10.1.2.3') })).toEqual([1]);
  expect(possibleLeaves(set, {})).toEqual([0, 1]);
});

test('128-bit fields: what a network has and what it has not, to the last address', () => {
  const six = packetSpace({ family: 'ipv6' });
  const network = packetsWhere(six, { src: prefix('2001:db8::/32') });
  expect(countPackets(network, ['src'])).toBe(2n ** 96n);
  expect(diagramSize(network)).toBe(32);
  for (const [text, expected] of [
    ['2001:db7:ffff:ffff:ffff:ffff:ffff:ffff', false],
    ['2001:db8::', true],
    ['2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', true],
    ['2001:db9::', false],
  ] as const) {
    expect([text, containsPacket(network, { src: address(text) })]).toEqual([text, expected]);
  }
  const most = { first: 1n, last: (1n << 128n) - 2n };
  expect(countPackets(packetsWhere(six, { dst: most }), ['dst'])).toBe((1n << 128n) - 2n);
  expect(
    examplePacket(complementPackets(packetsWhere(six, { dst: { first: 0n, last: (1n << 128n) - 2n } })))?.[
      'dst'
    ],
  ).toEqual(address('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'));
});

test('for some and for every value of fields that nobody knows', () => {
  const ssh = where({ proto: 'tcp', dport: 22 });
  const office = where({ src: prefix('10.0.0.0/8') });
  const accepted = unionPackets(space, [
    intersectPackets(ssh, office),
    intersectPackets(ssh, where({ limit: 1 })),
  ]);
  expect(samePackets(forSome(accepted, ['limit']), ssh)).toBe(true);
  expect(samePackets(forEvery(accepted, ['limit']), intersectPackets(ssh, office))).toBe(true);
  expect(samePackets(forSome(accepted, ['src', 'limit', 'dport']), where({ proto: 'tcp' }))).toBe(true);
  expect(isEmpty(forEvery(accepted, ['src', 'limit', 'dport']))).toBe(true);
  expect(samePackets(forSome(accepted, []), accepted)).toBe(true);
});

test('the pre-image of a translation: as the packet is afterwards, whatever it was before', () => {
  const filter = unionPackets(space, [
    where({ proto: 'tcp', dst: address('10.0.0.5'), dport: 80, src: prefix('192.0.2.0/24') }),
    where({ proto: 'tcp', dport: 22 }),
  ]);
  const translated = fixFields(filter, { dst: address('10.0.0.5'), dport: 80 });
  expect(samePackets(translated, where({ proto: 'tcp', src: prefix('192.0.2.0/24') }))).toBe(true);
  expect(fieldsOf(translated)).toEqual(['proto', 'src']);
  expect(isEmpty(fixFields(filter, { dst: address('10.0.0.6'), dport: 81 }))).toBe(true);
});

test('marks as functions: what a later rule reads is what earlier rules wrote', () => {
  // Rule 1: from 10/8 set mark 0b0101; rule 2: to port 22 set bit 3; then accept if mark & 0b1100 is 0b0100.
  const office = where({ src: prefix('10.0.0.0/8') });
  const ssh = where({ dport: 22 });
  const accept = where({ mark: { mask: 0b1100n, value: 0b0100n } });
  const read = fieldFrom(accept, { mark: [ssh, office, noPackets(space), office] });
  expect(samePackets(read, subtractPackets(office, ssh))).toBe(true);
  // A bit that stays as it came.
  const kept = fieldFrom(accept, { mark: [undefined, office, undefined, undefined] });
  expect(
    samePackets(kept, intersectPackets(office, complementPackets(packetsWithBit(space, 'mark', 3)))),
  ).toBe(true);
  expect(() => fieldFrom(accept, { mark: [office] })).toThrow('1 bits for mark, which has 4');
});

test('replies: the same flow the other way around', () => {
  const flow = where({
    src: prefix('10.0.0.0/8'),
    dst: address('192.0.2.1'),
    proto: 'tcp',
    dport: 22,
    sport: { first: 1024, last: 65_535 },
  });
  const pairs = [
    ['src', 'dst'],
    ['sport', 'dport'],
  ] as const;
  const reply = exchangeFields(flow, pairs);
  expect(
    samePackets(
      reply,
      where({
        dst: prefix('10.0.0.0/8'),
        src: address('192.0.2.1'),
        proto: 'tcp',
        sport: 22,
        dport: { first: 1024, last: 65_535 },
      }),
    ),
  ).toBe(true);
  expect(samePackets(exchangeFields(reply, pairs), flow)).toBe(true);
  expect(() => exchangeFields(flow, [['src', 'dport']])).toThrow('differ in size');
});

test('a collection keeps what is held, as often as it is held, and says what was not', () => {
  const own = packetSpace({ family: 'ipv4' });
  const ssh = () => packetsWhere(own, { proto: 'tcp', dport: 22 });
  const kept = hold(hold(ssh()));
  const lost = packetsWhere(own, { proto: 'udp' });
  collectSpace(own);
  expect(samePackets(kept, ssh())).toBe(true);
  expect(() => isEmpty(lost)).toThrow('was not held');
  expect(own.bdd.used).toBe(own.bdd.leaves + diagramSize(kept));
  release(kept);
  collectSpace(own);
  expect(samePackets(kept, ssh())).toBe(true);
  release(kept);
  collectSpace(own);
  expect(own.bdd.used).toBe(own.bdd.leaves);
  expect(() => isEmpty(kept)).toThrow('was not held');
  expect(() => hold(kept)).toThrow('was not held');
});
