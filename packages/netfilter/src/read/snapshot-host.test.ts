import { expect, test } from 'vitest';
import type { Snapshot } from '../model/snapshot.ts';
import { formatAddress } from '../net/address.ts';
import { formatPrefix } from '../net/prefix.ts';
import { hostOf } from './snapshot-host.ts';

const BARE: Snapshot = {
  format: 'moat-snapshot',
  version: 1,
  taken: '2026-01-02T03:04:05.000Z',
  hostname: 'db',
  kernel: '6.1.0',
  consistent: true,
  rulesets: {},
  missing: [],
};

test('what was not read is missing, which an empty list is not', () => {
  expect(hostOf(BARE)).toEqual({
    links: [],
    routes: [],
    rules: [],
    sysctls: {},
    missing: ['links', 'routes', 'rules', 'sysctls'],
  });
  expect(hostOf({ ...BARE, links: [], rules: [], sysctls: {} }).missing).toEqual(['routes']);
});

test('an address has the network of its link, or of the other end', () => {
  const link = { index: 2, loopback: false, up: true, group: 7 };
  const { links } = hostOf({
    ...BARE,
    links: [
      {
        ...link,
        name: 'eth0',
        kind: 'veth',
        mac: '00:00:5E:00:53:01',
        addresses: [{ family: 'ipv4', address: '192.0.2.9', prefixLength: 24, broadcast: '192.0.2.255' }],
      },
      {
        ...link,
        name: 'ppp0',
        addresses: [{ family: 'ipv4', address: '10.0.0.1', prefixLength: 30, peer: '10.9.0.6' }],
      },
    ],
  });
  expect(links[0]).toMatchObject({ name: 'eth0', kind: 'veth', mac: '00:00:5e:00:53:01', group: 7 });
  const [plain, pointToPoint] = links.map(({ addresses }) => addresses[0]!);
  expect(formatPrefix(plain!.prefix)).toBe('192.0.2.0/24');
  expect(formatAddress(plain!.broadcast!)).toBe('192.0.2.255');
  expect(formatPrefix(pointToPoint!.prefix)).toBe('10.9.0.4/30');
  expect(formatAddress(pointToPoint!.peer!)).toBe('10.9.0.6');
});

test('routes keep every way that they offer', () => {
  const { routes } = hostOf({
    ...BARE,
    routes: [
      {
        family: 'ipv6',
        table: 100,
        type: 'unicast',
        destination: '::/0',
        nextHops: [
          { device: 'eth0', gateway: 'fe80::1' },
          { device: 'eth1', dead: true },
        ],
        preferredSource: '2001:db8::1',
      },
      { family: 'ipv4', table: 254, type: 'blackhole', destination: '192.0.2.1', nextHops: [], metric: 9 },
    ],
  });
  expect(routes.map(({ prefix, type, metric }) => [formatPrefix(prefix), type, metric])).toEqual([
    ['::/0', 'unicast', 0],
    ['192.0.2.1', 'blackhole', 9],
  ]);
  expect(routes[0]?.nextHops.map(({ device, dead }) => [device, dead])).toEqual([
    ['eth0', false],
    ['eth1', true],
  ]);
  expect(formatAddress(routes[0]!.nextHops[0]!.gateway!)).toBe('fe80::1');
});

test('rules are in the order in which the kernel asks them', () => {
  const { rules } = hostOf({
    ...BARE,
    rules: [
      { family: 'ipv6', priority: 0, action: 'lookup', table: 255 },
      { family: 'ipv4', priority: 9, action: 'goto', goto: 20, dport: '80-90', uid: '1000' },
      {
        family: 'ipv4',
        priority: 2,
        action: 'lookup',
        table: 254,
        suppressPrefixLength: 0,
        mark: 1,
        inverted: true,
        from: '10.0.0.0/8',
        unknown: ['"tun_id": 7'],
      },
      { family: 'ipv4', priority: 2, action: 'prohibit', mark: 2, markMask: 255 },
    ],
  });
  expect(rules.map(({ family, priority }) => `${family} ${priority}`)).toEqual([
    'ipv4 2',
    'ipv4 2',
    'ipv4 9',
    'ipv6 0',
  ]);
  expect(rules[0]).toMatchObject({
    inverted: true,
    mark: { value: 1, mask: 0xffff_ffff },
    action: { kind: 'lookup', table: 254, suppressPrefixLength: 0 },
    unknown: ['"tun_id": 7'],
  });
  expect(rules[1]).toMatchObject({ mark: { value: 2, mask: 255 }, action: { kind: 'prohibit' } });
  expect(rules[2]).toMatchObject({
    dport: { first: 80, last: 90 },
    uid: { first: 1000, last: 1000 },
    action: { kind: 'goto', priority: 20 },
  });
});
