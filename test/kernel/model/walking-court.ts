// Walking court: the interpreter that explains single packets.
import {
  ct,
  type Host,
  match,
  prefixOf,
  prepareWalk,
  type Ruleset,
  symbol,
  type Table,
} from '@moat/netfilter';
import type { ProbeDevice } from '../../../lab/probe.ts';
import type { Court } from './judge.ts';

/** Knows rules, and the interfaces with their addresses; where packets are routed to is part of the question. */
export const WALKING_COURT: Court = {
  name: 'walking',
  judge: (ruleset, devices) => {
    const walk = prepareWalk(withTracking(ruleset), hostOf(devices));
    return (packet) => walk(packet, { path: false }).verdict;
  },
};

/** The rules that note packets ask for their state, so that the kernel tracks whether the ruleset asks or not. */
function withTracking(ruleset: Ruleset): Ruleset {
  const rule = { statements: [match(ct('state'), symbol('invalid'))] };
  const table: Table = {
    family: 'inet',
    name: 'probe',
    sets: [],
    chains: [{ name: 'aside', rules: [rule] }],
  };
  return { ...ruleset, tables: [...ruleset.tables, table] };
}

function hostOf(devices: readonly ProbeDevice[]): Host {
  const links = devices.map(({ name, mac, v4, v6 }, i) => ({
    name,
    index: i + 1,
    loopback: mac === 0,
    up: true,
    group: 0,
    addresses: [v4, v6].map((address) => ({
      address,
      prefix: prefixOf(address, address.family === 'ipv4' ? 32 : 128),
    })),
  }));
  return { links, routes: [], rules: [], sysctls: {}, missing: ['routes', 'rules', 'sysctls'] };
}
