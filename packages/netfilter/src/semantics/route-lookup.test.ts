// Routing as ip-route(8) and ip-rule(8) tell it: a host, a packet, and where it goes.
import { describe, expect, test } from 'vitest';
import type { Host, HostRoute, HostRule } from '../model/host.ts';
import { parseAddress } from '../net/address.ts';
import { parsePrefix } from '../net/prefix.ts';
import { type RoutedPacket, routePacket } from './route-lookup.ts';

const address = (text: string) => parseAddress(text)!;
function prefix(text: string) {
  const parsed = parsePrefix(text);
  if ('problem' in parsed) throw new Error(text);
  return parsed.prefix;
}
const route = (to: string, device: string, more: Partial<HostRoute> = {}): HostRoute => ({
  family: 'ipv4',
  table: 254,
  type: 'unicast',
  prefix: prefix(to),
  nextHops: [{ device, dead: false }],
  metric: 0,
  ...more,
});
const lookup = (priority: number, table: number, more: Partial<HostRule> = {}): HostRule => ({
  family: 'ipv4',
  priority,
  inverted: false,
  action: { kind: 'lookup', table },
  unknown: [],
  ...more,
});
const RULES = [lookup(0, 255), lookup(32766, 254), lookup(32767, 253)];
const ROUTES = [
  route('192.0.2.1/32', 'eth0', { table: 255, type: 'local' }),
  route('192.0.2.0/24', 'eth0'),
  route('10.0.0.0/8', 'eth1'),
  route('10.9.0.0/16', '', { type: 'blackhole', nextHops: [] }),
  route('0.0.0.0/0', 'eth0', { metric: 100 }),
];
const host = (rules = RULES, routes = ROUTES, missing: Host['missing'] = []): Host => ({
  links: [],
  routes,
  rules,
  sysctls: {},
  missing,
});
const to = (text: string, of = host(), more: Partial<RoutedPacket> = {}) =>
  routePacket(of, { family: 'ipv4', dst: address(text), ...more });

describe('tables', () => {
  test('the longest prefix of the first table that has one', () => {
    expect(to('192.0.2.1')).toEqual({ kind: 'here' });
    expect(to('192.0.2.9')).toEqual({ kind: 'out', device: 'eth0' });
    expect(to('10.1.2.3')).toEqual({ kind: 'out', device: 'eth1' });
    expect(to('10.9.2.3')).toEqual({ kind: 'nowhere', why: 'blackhole' });
    expect(to('203.0.113.9')).toEqual({ kind: 'out', device: 'eth0' });
  });
  test('without a default route there is no way', () => {
    expect(to('203.0.113.9', host(RULES, ROUTES.slice(0, 3)))).toEqual({ kind: 'nowhere', why: 'no route' });
  });
  test('dead ways do not count, and of two ways nobody knows which', () => {
    const dead = route('0.0.0.0/0', 'eth2', { nextHops: [{ device: 'eth2', dead: true }] });
    expect(to('203.0.113.9', host(RULES, [...ROUTES, dead]))).toEqual({ kind: 'out', device: 'eth0' });
    const nextHops = ['a', 'b'].map((device) => ({ device, dead: false }));
    expect(to('10.1.1.1', host(RULES, [route('0.0.0.0/0', '', { nextHops })]))).toEqual({ kind: 'out' });
  });
  test('of equal routes the one with the lower metric', () => {
    const routes = [route('0.0.0.0/0', 'b', { metric: 9 }), route('0.0.0.0/0', 'a', { metric: 1 })];
    expect(to('10.1.1.1', host(RULES, routes))).toMatchObject({ device: 'a' });
  });
  test('what could not be read is not known', () => {
    expect(to('192.0.2.1', host(RULES, [], ['routes']))).toEqual({ kind: 'unknown' });
    expect(to('192.0.2.1', host([], ROUTES, ['rules']))).toEqual({ kind: 'here' });
  });
});

describe('rules', () => {
  const other = [...ROUTES, route('0.0.0.0/0', 'vpn', { table: 100 })];
  test.each<[string, Partial<HostRule>, Partial<RoutedPacket>, string | undefined]>([
    ['from, and it is', { from: prefix('10.0.0.0/8') }, { src: address('10.0.0.1') }, 'vpn'],
    ['from, and it is not', { from: prefix('10.0.0.0/8') }, { src: address('192.0.2.7') }, 'eth0'],
    ['from, and nobody knows', { from: prefix('10.0.0.0/8') }, {}, undefined],
    ['turned round', { from: prefix('10.0.0.0/8'), inverted: true }, { src: address('192.0.2.7') }, 'vpn'],
    ['by a mark', { mark: { value: 1, mask: 255 } }, { mark: 0x101 }, 'vpn'],
    ['by a mark that there is not', { mark: { value: 1, mask: 255 } }, {}, 'eth0'],
    ['by interface', { iif: 'eth1' }, { iif: 'eth1' }, 'vpn'],
    ['by port', { protocol: 6, dport: { first: 80, last: 90 } }, { proto: 6, dport: 85 }, 'vpn'],
    [
      'by a port that it is not',
      { protocol: 6, dport: { first: 80, last: 90 } },
      { proto: 6, dport: 91 },
      'eth0',
    ],
    ['not understood', { unknown: ['"flow": 1'] }, {}, undefined],
    [
      'not understood, but not for this one',
      { unknown: ['"flow": 1'], iif: 'eth1' },
      { iif: 'eth0' },
      'eth0',
    ],
    [
      'a default route that is not to count',
      { action: { kind: 'lookup', table: 100, suppressPrefixLength: 0 } },
      {},
      'eth0',
    ],
    ['over others', { action: { kind: 'goto', priority: 32766 } }, {}, 'eth0'],
  ])('%s', (_, rule, packet, device) => {
    const rules = [RULES[0]!, lookup(10, 100, rule), ...RULES.slice(1)];
    const found = to('203.0.113.9', host(rules, other), packet);
    if (device === undefined) expect(found.kind).toBe('unknown');
    else expect(found).toEqual({ kind: 'out', device });
  });
  test('a rule may end the way, and a throw only the table', () => {
    const rules = [RULES[0]!, lookup(10, 100, { action: { kind: 'prohibit' } }), ...RULES.slice(1)];
    expect(to('203.0.113.9', host(rules))).toEqual({ kind: 'nowhere', why: 'prohibit' });
    const thrown = [...ROUTES, route('0.0.0.0/0', '', { table: 100, type: 'throw', nextHops: [] })];
    const asked = [RULES[0]!, lookup(10, 100), ...RULES.slice(1)];
    expect(to('203.0.113.9', host(asked, thrown))).toEqual({ kind: 'out', device: 'eth0' });
  });
});
