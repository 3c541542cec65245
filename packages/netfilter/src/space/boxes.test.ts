import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runs } from '../../../../test/runs.ts';
import { parseAddress } from '../net/address.ts';
import { parsePrefix } from '../net/prefix.ts';
import { formatBox } from './box-text.ts';
import { type Box, type BoxesOptions, packetBoxes } from './boxes.ts';
import type { FieldMatch } from './field-match.ts';
import { VARIABLE_ORDERS, type VariableOrder } from './fields.ts';
import {
  allPackets,
  complementPackets,
  noPackets,
  type PacketMatch,
  packetsOverlap,
  packetsWhere,
  samePackets,
  subtractPackets,
  unionPackets,
} from './packet-set.ts';
import { type PacketSet, packetSpace } from './packet-space.ts';

const address = (text: string) => parseAddress(text)!;
const prefix = (text: string) => {
  const parsed = parsePrefix(text);
  if ('problem' in parsed) throw new Error(text);
  return parsed.prefix;
};
const space = packetSpace({ family: 'ipv4', interfaces: ['eth0', 'docker0', 'wlan0'] });
const where = (match: PacketMatch): PacketSet => packetsWhere(space, match);
const either = (...sets: PacketSet[]): PacketSet => unionPackets(space, sets);
const lines = (set: PacketSet, options?: BoxesOptions): string[] => {
  const { boxes, complete } = packetBoxes(set, options);
  return [...boxes.map((box) => formatBox(set.space.layout, box)), ...(complete ? [] : ['…'])];
};

/** A box as a match, the way back. */
function matchOf(box: Box): PacketMatch {
  const values = Object.entries(box).map(([name, value]): [string, FieldMatch] => {
    switch (value.kind) {
      case 'words':
        return [name, value.words];
      case 'masks':
        return [name, value.masks];
      case 'intervals':
        return [name, value.intervals];
      default:
        return value satisfies never;
    }
  });
  return Object.fromEntries(values);
}

test('a set as people would write it', () => {
  const web = where({
    src: [prefix('198.51.100.0/24'), address('203.0.113.7')],
    proto: 'tcp',
    dport: [22, { first: 80, last: 90 }],
  });
  expect(lines(web)).toEqual(['198.51.100.0/24, 203.0.113.7 × tcp × 22,80-90']);
  expect(lines(allPackets(space))).toEqual(['anything']);
  expect(lines(noPackets(space))).toEqual([]);
  expect(
    lines(
      where({ dst: address('192.0.2.1'), iif: ['eth0', 'wlan0'], oif: 'docker0', state: 'new', sport: 53 }),
    ),
  ).toEqual(['to 192.0.2.1 × from port 53 × in eth0, wlan0 × out docker0 × new']);
});

test('what is missing is said where that is shorter', () => {
  expect(lines(complementPackets(where({ src: prefix('10.0.0.0/8') })))).toEqual(['not 10.0.0.0/8']);
  expect(lines(complementPackets(where({ proto: ['tcp', 'udp'] })))).toEqual(['not tcp,udp']);
  expect(lines(complementPackets(where({ iif: 'eth0' })))).toEqual(['in not eth0']);
  expect(lines(complementPackets(where({ state: ['established', 'related'] })))).toEqual([
    'not established, related',
  ]);
});

test('ICMP has types where others have ports', () => {
  const icmp = (match: PacketMatch) => lines(where({ proto: 'icmp', ...match }));
  expect(icmp({ icmptype: 8 })).toEqual(['icmp × type 8']);
  expect(icmp({ icmptype: [8, 11], icmpcode: 0 })).toEqual(['icmp × type 8 code 0,type 11 code 0']);
  expect(icmp({ icmptype: { first: 3, last: 5 } })).toEqual(['icmp × type 3-5']);
  expect(icmp({ dport: { first: 0x303, last: 0x304 } })).toEqual(['icmp × type 3 code 3-4']);
});

test('long lists are counted, odd ranges of addresses stay ranges, masks stay masks', () => {
  const hosts = Array.from({ length: 100 }, (_, i) => address(`10.0.${i}.1`));
  expect(lines(where({ src: hosts }))[0]).toMatch(/^10\.0\.0\.1, .* and 92 more$/);
  const range = { first: address('192.0.2.3').value, last: address('192.0.2.250').value };
  expect(lines(where({ src: range }))).toEqual(['192.0.2.3-192.0.2.250']);
  expect(lines(where({ src: { mask: 1n, value: 1n } }))).toEqual(['0x00000001/0x00000001']);
});

test('a large list keeps all its addresses', () => {
  const values = Array.from({ length: 20_000 }, (_, i) => ({
    first: BigInt(i * 77_777),
    last: BigInt(i * 77_777),
  }));
  const { boxes, complete } = packetBoxes(where({ src: values, proto: 'tcp' }));
  expect(complete).toBe(true);
  expect(boxes).toEqual([
    {
      src: { kind: 'intervals', intervals: values },
      proto: { kind: 'intervals', intervals: [{ first: 6n, last: 6n }] },
    },
  ]);
});

test('only the fields of interest, for some values of the others', () => {
  const set = either(
    where({ src: prefix('10.0.0.0/8'), proto: 'tcp', dport: 22, state: 'new' }),
    where({ src: prefix('192.0.2.0/24'), proto: 'tcp', dport: 80, state: 'new' }),
  );
  expect(lines(set, { fields: ['proto', 'dport'] })).toEqual(['tcp × 22,80']);
  expect(lines(set, { fields: ['src'] })).toEqual(['10.0.0.0/8, 192.0.2.0/24']);
});

test('the same lines in every order of variables, when they are the only ones', () => {
  for (const order of Object.keys(VARIABLE_ORDERS) as VariableOrder[]) {
    const own = packetSpace({ family: 'ipv6', order });
    const set = unionPackets(own, [
      packetsWhere(own, { src: prefix('2001:db8::/32'), proto: 'tcp', dport: [22, 443] }),
      packetsWhere(own, { src: prefix('2001:db8:1::/48'), proto: 'udp', dport: 53 }),
    ]);
    expect(lines(set).sort()).toEqual(['2001:db8:1::/48 × udp × 53', '2001:db8::/32 × tcp × 22,443']);
  }
});

test('what holds for all values of a field is said once, though some of them have more', () => {
  const both = where({ src: prefix('10.0.0.0/8'), dport: 22 });
  const more = where({ src: prefix('192.0.2.0/24'), dport: 80, iif: 'eth0' });
  expect(lines(either(both, more)).sort()).toEqual(['10.0.0.0/8 × 22', '192.0.2.0/24 × 80 × in eth0']);
});

test('a limit cuts the list and says so', () => {
  const set = either(
    ...Array.from({ length: 12 }, (_, i) => where({ src: prefix(`10.${i}.0.0/16`), dport: 1000 + i })),
  );
  expect(packetBoxes(set).boxes).toHaveLength(12);
  const cut = packetBoxes(set, { limit: 5 });
  expect(cut.complete).toBe(false);
  expect(cut.boxes).toHaveLength(5);
});

test('boxes are disjoint and are the set, all of it and no more', () => {
  const piece = fc.record(
    {
      src: fc.constantFrom<FieldMatch>(
        prefix('10.0.0.0/8'),
        prefix('10.9.0.0/16'),
        { mask: 0xffn, value: 7n },
        address('10.9.0.7'),
      ),
      dst: fc.constantFrom<FieldMatch>(prefix('192.0.2.0/24'), { mask: 0xff00_00ffn, value: 0xc000_0001n }),
      dport: fc.constantFrom<FieldMatch>(22, { first: 20, last: 30 }, [80, 443]),
      proto: fc.constantFrom<FieldMatch>('tcp', 'udp', 'icmp'),
      iif: fc.constantFrom<FieldMatch>('eth0', 'docker0', ['eth0', '*']),
      state: fc.constantFrom<FieldMatch>('new', ['new', 'untracked']),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(piece, fc.boolean()), { minLength: 1, maxLength: 6 }), (pieces) => {
      const set = pieces.reduce((sum, [each, isAdded]) => {
        const one = where(each as PacketMatch);
        return isAdded ? either(sum, one) : subtractPackets(sum, one);
      }, noPackets(space));
      const { boxes, complete } = packetBoxes(set, { limit: 100_000 });
      expect(complete).toBe(true);
      const parts = boxes.map((box) => where(matchOf(box)));
      expect(samePackets(either(...parts), set)).toBe(true);
      for (const [i, part] of parts.slice(0, 20).entries()) {
        for (const other of parts.slice(i + 1, 20)) expect(packetsOverlap(part, other)).toBe(false);
      }
    }),
    { numRuns: runs(150) },
  );
});
