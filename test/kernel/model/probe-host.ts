// Probe host: what the analysis is told of the kernel that packets are put into.
import { type Address, type Host, type HostRoute, parseAddress, prefixOf } from '@moat/netfilter';
import type { ProbeDevice } from '../../../lab/probe.ts';

const LOCAL_TABLE = 255;
const MAIN_TABLE = 254;

/**
 * Interfaces, addresses, and the routes of the tables `local` and `main`. Packets that come in take other ones
 * (lab/probe-rules.ts), so that where they go is part of each packet; rules that ask for types of addresses see these.
 */
export function probeHost(devices: readonly ProbeDevice[]): Host {
  const links = devices.map(({ name, mac, v4, v6 }, i) => ({
    name,
    index: i + 1,
    loopback: mac === 0,
    up: true,
    group: 0,
    addresses: [v4, v6].map((address) => ({ address, prefix: wholeOf(address) })),
  }));
  const routes = devices.flatMap(({ name, mac, v4, v6 }, place) => [
    ...[v4, v6].map((address) => route(LOCAL_TABLE, 'local', address, wholeOf(address).length, name)),
    ...(mac === 0
      ? [
          route(LOCAL_TABLE, 'local', at('127.0.0.0'), 8, name),
          route(LOCAL_TABLE, 'broadcast', at('127.255.255.255'), 32, name),
        ]
      : [at('0.0.0.0'), at('::')].map((all) => route(MAIN_TABLE, 'unicast', all, 0, name, 1000 + place))),
  ]);
  return { links, routes, rules: [], sysctls: {}, missing: ['sysctls'] };
}

const at = (text: string): Address => parseAddress(text)!;

function wholeOf(address: Address) {
  return prefixOf(address, address.family === 'ipv4' ? 32 : 128);
}

function route(
  table: number,
  type: HostRoute['type'],
  to: Address,
  length: number,
  device: string,
  metric = 0,
): HostRoute {
  const { family } = to;
  return { family, table, type, prefix: prefixOf(to, length), nextHops: [{ device, dead: false }], metric };
}
