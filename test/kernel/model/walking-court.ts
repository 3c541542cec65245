// Walking court: the interpreter that explains single packets.
import { ct, match, prepareWalk, type Ruleset, symbol, type Table } from '@moat/netfilter';
import type { Court } from './judge.ts';
import { probeHost } from './probe-host.ts';

/** Knows rules, and the interfaces with their addresses; where packets are routed to is part of the question. */
export const WALKING_COURT: Court = {
  name: 'walking',
  judge: (ruleset, devices) => {
    const walk = prepareWalk(withTracking(ruleset), probeHost(devices));
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
