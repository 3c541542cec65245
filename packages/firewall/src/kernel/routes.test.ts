import { expect, test } from 'vitest';
import { parseRoutes } from './routes.ts';

const routes = (...list: object[]) => parseRoutes(JSON.stringify(list), 'ipv4');

test('what `ip` prints, with numbers and with names', () => {
  expect(
    routes(
      { dst: 'default', gateway: '192.0.2.9', dev: 'eth0', protocol: '16', metric: 100, flags: [] },
      { type: '2', dst: '192.0.2.1', dev: 'eth0', table: '255', prefsrc: '192.0.2.1', flags: [] },
      { type: 'blackhole', dst: '198.51.100.0/24', table: 'main', flags: [] },
      {
        dst: '10.0.0.0/8',
        tos: '0x10',
        flags: [],
        nexthops: [
          { gateway: '192.0.2.3', dev: 'eth0', flags: ['dead', 'linkdown'] },
          { dev: 'eth1', flags: [] },
        ],
      },
      {
        dst: '10.8.0.0/16',
        via: { family: 'inet6', host: '2001:db8::5' },
        dev: 'eth0',
        table: '100',
        flags: ['linkdown'],
      },
    ),
  ).toEqual([
    {
      family: 'ipv4',
      table: 254,
      type: 'unicast',
      destination: '0.0.0.0/0',
      nextHops: [{ device: 'eth0', gateway: '192.0.2.9' }],
      metric: 100,
    },
    {
      family: 'ipv4',
      table: 255,
      type: 'local',
      destination: '192.0.2.1',
      nextHops: [{ device: 'eth0' }],
      preferredSource: '192.0.2.1',
    },
    { family: 'ipv4', table: 254, type: 'blackhole', destination: '198.51.100.0/24', nextHops: [] },
    {
      family: 'ipv4',
      table: 254,
      type: 'unicast',
      destination: '10.0.0.0/8',
      tos: 16,
      nextHops: [{ device: 'eth0', gateway: '192.0.2.3', dead: true }, { device: 'eth1' }],
    },
    {
      family: 'ipv4',
      table: 100,
      type: 'unicast',
      destination: '10.8.0.0/16',
      nextHops: [{ device: 'eth0', gateway: '2001:db8::5' }],
    },
  ]);
  expect(parseRoutes('[{"dst":"default","dev":"eth0"},{}]', 'ipv6')).toMatchObject([{ destination: '::/0' }]);
  expect(parseRoutes('', 'ipv6')).toEqual([]);
});

test.each([
  [{ dst: '10.0.0.0/8', type: 'sideways' }],
  [{ dst: 'nowhere', dev: 'eth0' }],
  [{ dst: '10.0.0.0/8', table: 'uplink' }],
])('%j is refused in words', (route) => {
  expect(() => routes(route)).toThrow('not a route that moat understands');
});
