import { expect, test } from 'vitest';
import { PROTOCOLS } from '../net/protocol.ts';
import { ct, meta, payload } from './expression.ts';
import { DSCP, ICMPV6_TYPES, named, symbolNumber } from './names.ts';

test.each([
  [meta('l4proto'), 'tcp', 6],
  [payload('ip', 'protocol'), 'ipv6-icmp', 58],
  [payload('icmp', 'type'), 'echo-request', 8],
  [payload('icmpv6', 'type'), 'nd-neighbor-advert', 136],
  [payload('icmpv6', 'code'), 'port-unreachable', 4],
  [payload('ip', 'dscp'), 'af41', 34],
  [payload('tcp', 'flags'), 'urg', 32],
  [ct('state'), 'untracked', 64],
  [ct('status'), 'dnat', 32],
  [{ kind: 'fib', result: 'type', flags: ['daddr'] } as const, 'multicast', 5],
  [meta('pkttype'), 'other', 3],
  [meta('iifname'), 'tcp', undefined],
])('%j: %s is %s', (left, name, value) => {
  expect(symbolNumber(left, name)).toBe(value);
});

test('a number has the name that nft prints', () => {
  expect(named(PROTOCOLS, 58)).toEqual({ kind: 'symbol', name: 'ipv6-icmp' });
  expect(named(ICMPV6_TYPES, 132)).toEqual({ kind: 'symbol', name: 'mld-listener-done' });
  expect(named(DSCP, 0)).toEqual({ kind: 'symbol', name: 'cs0' });
  expect(named(PROTOCOLS, 250)).toEqual({ kind: 'number', value: 250 });
});
