// What a policy means: for every packet of incoming, outgoing and routed traffic, whether it may pass.
//
// Said from the sentences alone, so that what is compiled from them can be held against it.
import {
  always,
  type Decision,
  decide,
  intersectPackets,
  LEAF,
  NO_INTERFACE,
  noPackets,
  type PacketSet,
  type PacketSpace,
  packetsWhere,
  subtractPackets,
  unionPackets,
} from '@moat/netfilter';
import type { Action, DefaultVerdict, Policy, Traffic } from '../policy/model.ts';
import { type AlwaysPasses, builtIns } from './always.ts';
import { ruleFlows } from './flows.ts';
import { leadsToContainers, type MachineFacts } from './machine-facts.ts';
import { interfaceWords, TOO_MANY } from './meaning-space.ts';

/**
 * For each kind of traffic a decision with the leaves accept, drop and reject; `fall` for packets that are not of that
 * kind:
 *
 * - `incoming`: it arrives on `iif` (never NO_INTERFACE) and is for this host, before anybody translates its addresses. A function of `state`, `iif`, `src`, `dst`
 *   (as dialled), `proto`, `sport`, `dport` and, in IPv6, `ttl` (the hop limit). Broadcast and multicast are for this host.
 * - `outgoing`: it leaves on `oif` for `dst`, which may have been rewritten before, and comes from a process (`iif` is NO_INTERFACE) or from a container (`iif` leads to
 *   containers). A function of `state`, `iif`, `oif`, `src`, `dst`, `proto`, `sport`, `dport`.
 * - `routed`: it arrives on `iif` from another machine, is not for this host and leaves on `oif`; or it was somebody's for
 *   elsewhere and was redirected to a process here (`oif` is NO_INTERFACE). A function of `state`, `iif`, `oif`, `src`,
 *   `dst`, `proto`, `sport`, `dport`.
 *
 * Where a `limit` decides they depend on the free bit TOO_MANY too: reject where it is 1, accept where it is 0.
 */
export interface PolicyMeaning extends Readonly<Record<Traffic, Decision>> {
  /** The new flows that pass without any sentence being asked. */
  readonly always: Readonly<Record<Traffic, readonly AlwaysPasses[]>>;
  /** The packets that are of each kind of traffic. */
  readonly domain: Readonly<Record<Traffic, PacketSet>>;
}

/**
 * The meaning in a space that has `meaningSpaceOptions` or more. Throws TooLarge when the space's budget is used up.
 *
 * By the state of the flow: replies and what belongs to a flow (established, related) pass. What belongs to none
 * (invalid) is dropped when it arrives, also on loopback; what a process of this host sends is judged whatever conntrack
 * thinks of it. New flows are judged, and untracked packets as if each began one:
 * first what always passes (loopback, built-ins, container to container, frames that only cross a bridge), then the
 * sentences in file order, then the default.
 */
export function policyMeaning(space: PacketSpace, policy: Policy, facts: MachineFacts): PolicyMeaning {
  const where = (match: Parameters<typeof packetsWhere>[1]): PacketSet => packetsWhere(space, match);
  const [accept, drop, outside] = [LEAF.accept, LEAF.drop, LEAF.fall].map((leaf) => always(space, leaf)) as [
    Decision,
    Decision,
    Decision,
  ];
  const containers = interfaceWords(space, (name) => leadsToContainers(name, facts));
  const fromProcess = where({ iif: NO_INTERFACE });
  const fromContainer = inOneOf(space, 'iif', containers);
  const toContainer = inOneOf(space, 'oif', containers);
  const staysHere = where({ oif: NO_INTERFACE });
  const arrives = subtractPackets(where({}), fromProcess);
  const domain = {
    incoming: arrives,
    outgoing: subtractPackets(unionPackets(space, [fromProcess, fromContainer]), staysHere),
    routed: unionPackets(space, [
      subtractPackets(arrives, fromContainer),
      intersectPackets(arrives, staysHere),
    ]),
  };

  const passes = {
    incoming: [{ says: 'loopback', packets: where({ iif: 'lo' }) }, ...builtIns(space, 'incoming')],
    outgoing: [
      { says: 'loopback', packets: where({ iif: NO_INTERFACE, oif: 'lo' }) },
      { says: 'to a container on this host', packets: toContainer },
      ...builtIns(space, 'outgoing'),
    ],
    routed: [
      { says: 'loopback', packets: where({ iif: 'lo', oif: NO_INTERFACE }) },
      { says: 'frames that cross a bridge', packets: bridged(space, facts) },
    ],
  };

  const judged = (traffic: Traffic): Decision => {
    const free = unionPackets(
      space,
      passes[traffic].map(({ packets }) => packets),
    );
    return decide(free, accept, sentences(space, policy, traffic));
  };
  const belongs = where({ state: ['established', 'related'] });
  const invalid = where({ state: 'invalid' });
  const of = (traffic: Traffic, dropped: PacketSet): Decision =>
    decide(domain[traffic], decide(belongs, accept, decide(dropped, drop, judged(traffic))), outside);
  return {
    incoming: of('incoming', invalid),
    outgoing: of('outgoing', subtractPackets(invalid, fromProcess)),
    routed: of('routed', invalid),
    always: passes,
    domain,
  };
}

function inOneOf(space: PacketSpace, field: 'iif' | 'oif', words: readonly string[]): PacketSet {
  return words.length === 0 ? noPackets(space) : packetsWhere(space, { [field]: words });
}

/** Frames between two ports of one bridge: both machines are on it, and could talk without this host. */
function bridged(space: PacketSpace, { bridges }: MachineFacts): PacketSet {
  return unionPackets(
    space,
    bridges.map((name) => packetsWhere(space, { iif: name, oif: name })),
  );
}

/** The sentences of one direction, the first that fits deciding, then the default. Routed traffic has no sentences. */
function sentences(space: PacketSpace, policy: Policy, traffic: Traffic): Decision {
  const direction = { incoming: 'in', outgoing: 'out', routed: undefined }[traffic];
  return policy.rules
    .filter((rule) => rule.direction === direction)
    .reduceRight(
      (rest, rule) => decide(ruleFlows(space, rule, policy), verdict(space, rule.action), rest),
      verdict(space, policy.defaults[traffic]),
    );
}

/** ufw's `limit` lets in, and refuses (with an answer) whoever comes too often. */
function verdict(space: PacketSpace, action: Action | DefaultVerdict): Decision {
  const leaves = { allow: LEAF.accept, deny: LEAF.drop, reject: LEAF.reject, limit: LEAF.accept } as const;
  const decision = always(space, leaves[action]);
  if (action !== 'limit') return decision;
  return decide(packetsWhere(space, { [TOO_MANY]: 1 }), always(space, LEAF.reject), decision);
}
