import { expect, test } from 'vitest';
import { parseIpRules } from './ip-rules.ts';

const rules = (...list: object[]) => parseIpRules(JSON.stringify(list), 'ipv4');

test('conditions and deeds', () => {
  expect(
    rules(
      { priority: 0, src: 'all', table: '255' },
      {
        priority: 1,
        src: '192.0.2.0',
        srclen: 24,
        dst: '10.0.0.1',
        fwmark: '0x1',
        fwmask: '0xff',
        iif: 'eth0',
        table: '100',
      },
      {
        priority: 2,
        not: null,
        src: 'all',
        ipproto: 'ipproto-6',
        dport_start: 80,
        dport_end: 90,
        sport: 53,
        table: 'main',
        suppress_prefixlen: 0,
      },
      { priority: 3, src: 'all', uid_start: 1000, uid_end: 1001, tos: '0x10', action: '8' },
      { priority: 4, src: 'all', goto: 100 },
      { priority: 100, src: 'all', nop: null },
      { priority: 1000, src: 'all', l3mdev: null },
      { priority: 1001, src: 'all', action: 'unreachable' },
    ),
  ).toEqual(
    [
      { priority: 0, action: 'lookup', table: 255 },
      {
        priority: 1,
        from: '192.0.2.0/24',
        to: '10.0.0.1',
        mark: 1,
        markMask: 255,
        iif: 'eth0',
        action: 'lookup',
        table: 100,
      },
      {
        priority: 2,
        inverted: true,
        protocol: 6,
        dport: '80-90',
        sport: '53',
        action: 'lookup',
        table: 254,
        suppressPrefixLength: 0,
      },
      { priority: 3, uid: '1000-1001', tos: 16, action: 'prohibit' },
      { priority: 4, action: 'goto', goto: 100 },
      { priority: 100, action: 'nop' },
      { priority: 1000, action: 'l3mdev' },
      { priority: 1001, action: 'unreachable' },
    ].map((rule) => ({ family: 'ipv4', ...rule })),
  );
});

test('a condition that is not known is kept, not passed over', () => {
  expect(
    rules({ priority: 7, src: 'all', tun_id: 9, ipproto: 'carrier-pigeon', table: '254' }),
  ).toMatchObject([{ priority: 7, unknown: ['"tun_id": 9', '"ipproto": "carrier-pigeon"'] }]);
});

test('a deed that is not known is refused in words', () => {
  expect(() => rules({ priority: 7, src: 'all', action: '99' })).toThrow('not a rule that moat understands');
});
