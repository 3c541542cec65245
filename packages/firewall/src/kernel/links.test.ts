import { parseAddress } from '@moat/netfilter';
import { expect, test } from 'vitest';
import { linksWith, parseLinks } from './links.ts';

const JSON_TEXT = JSON.stringify([
  {
    ifindex: 1,
    ifname: 'lo',
    flags: ['LOOPBACK', 'UP', 'LOWER_UP'],
    addr_info: [
      { family: 'inet', local: '127.0.0.1', prefixlen: 8, scope: 'host' },
      { family: 'inet6', local: '::1', prefixlen: 128, scope: 'host' },
    ],
  },
  {},
  {
    ifindex: 3,
    link_index: 2,
    ifname: 'vethb',
    flags: ['BROADCAST', 'MULTICAST'],
    master: 'docker0',
    linkinfo: { info_kind: 'veth', info_slave_kind: 'bridge' },
    addr_info: [{ family: 'inet6', local: 'fe80::1', prefixlen: 64, scope: 'link' }],
  },
  {
    ifindex: 4,
    ifname: 'wg0',
    flags: ['POINTOPOINT', 'UP'],
    linkinfo: { info_kind: 'wireguard' },
    addr_info: [
      { family: 'inet', local: '10.0.0.1', address: '10.0.0.2', prefixlen: 32, scope: 'global' },
      { family: 'inet6', local: 'fe80::1', prefixlen: 64, scope: 'link' },
    ],
  },
]);

test('interfaces with what matters about them', () => {
  expect(parseLinks(JSON_TEXT)).toEqual([
    {
      index: 1,
      name: 'lo',
      kind: undefined,
      loopback: true,
      up: true,
      master: undefined,
      addresses: [
        { address: parseAddress('127.0.0.1'), length: 8, scope: 'host' },
        { address: parseAddress('::1'), length: 128, scope: 'host' },
      ],
    },
    {
      index: 3,
      name: 'vethb',
      kind: 'veth',
      loopback: false,
      up: false,
      master: 'docker0',
      addresses: [{ address: parseAddress('fe80::1'), length: 64, scope: 'link' }],
    },
    {
      index: 4,
      name: 'wg0',
      kind: 'wireguard',
      loopback: false,
      up: true,
      master: undefined,
      addresses: [
        { address: parseAddress('10.0.0.1'), length: 32, scope: 'global' },
        { address: parseAddress('fe80::1'), length: 64, scope: 'link' },
      ],
    },
  ]);
});

test('which interfaces have an address', () => {
  const links = parseLinks(JSON_TEXT);
  expect(linksWith(parseAddress('10.0.0.1')!, links)).toEqual(['wg0']);
  expect(linksWith(parseAddress('fe80::1')!, links)).toEqual(['vethb', 'wg0']);
  expect(linksWith(parseAddress('::a00:1')!, links)).toEqual([]);
});
