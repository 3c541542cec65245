// What our table does to packets on each way through the host, whatever the tables of others do between its hooks.
import {
  type Analysis,
  always,
  beginAnalysis,
  type Decision,
  decide,
  fieldFrom,
  fixFields,
  hold,
  hookDecision,
  intersectPackets,
  LEAF,
  NO_INTERFACE,
  type PacketMatch,
  type PacketSet,
  type PacketSpace,
  packetsWhere,
  packetsWithBit,
  roadDecision,
  startDecision,
  subtractPackets,
  type Table,
  viewOf,
} from '@moat/netfilter';
import type { Traffic } from '../policy/model.ts';

/** One way, the packets that go it, and what the table decides about them. */
export interface Road {
  readonly name: string;
  readonly traffic: Traffic;
  readonly packets: PacketSet;
  readonly decision: Decision;
}

/** Fields in which a road says what somebody's DNAT or REDIRECT makes of the destination. */
export const NEW_DESTINATION = { dst: 'new dst', dport: 'new dport' } as const;

/** Bit 5 of a flow's status: its destination was rewritten (nf_conntrack_common.h, IPS_DST_NAT). */
const DNAT = 1 << 5;
/** Types of addresses that are this host's own, to the FIB. */
const OWN = ['local', 'anycast'];

/**
 * The roads through a table on which nothing else is. `containers`: the words of interfaces that lead to containers. The
 * space has what `proofSpaceOptions` says.
 *
 * Incoming packets are judged as they were dialled: whether somebody then redirects them to a process or sends them to a
 * container must make no difference. What was addressed to others is routed, also if somebody redirects it to a process
 * here. What is outgoing or routed is judged by where it goes in the end; that its destination was rewritten must make
 * no difference either.
 */
export function tableRoads(space: PacketSpace, table: Table, containers: readonly string[]): Road[] {
  const ruleset = { tables: [table] };
  const analysis: Analysis = beginAnalysis(space, {
    family: space.layout.family,
    rulesets: [ruleset],
    typesAsGiven: true,
  });
  const view = viewOf(analysis, ruleset);
  const accept = hold(always(space, LEAF.accept));
  const input = hold(hookDecision(view, 'input', accept, false));
  const forward = hold(hookDecision(view, 'forward', accept, false));
  const output = hold(roadDecision(view, 'output'));
  const after = (then: Decision): Decision =>
    hold(startDecision(view, hookDecision(view, 'prerouting', then, false)));
  const plainInput = after(input);
  const redirected = after(asRewritten(input, 'local'));
  const plainForward = after(forward);
  const toContainer = after(asRewritten(forward, undefined));
  const noted = after(fixKnown(forward, { status: DNAT }));

  // Only now the fields are there that the table reads.
  const where = (match: PacketMatch): PacketSet => packetsWhere(space, known(space, match));
  const made = where({ iif: NO_INTERFACE });
  const arrives = subtractPackets(where({}), made);
  const isOwn = where({ daddrtype: OWN });
  const dialledHere = intersectPackets(arrives, isOwn);
  const notHere = hasField(space, 'daddrtype') ? subtractPackets(arrives, isOwn) : arrives;
  const leaves = subtractPackets(where({}), where({ oif: NO_INTERFACE }));
  // A flow over loopback met the host's NAT where it started, and meets it only once.
  const sentOn = subtractPackets(intersectPackets(dialledHere, leaves), where({ iif: 'lo' }));
  const ends = where({ oif: NO_INTERFACE });
  const isNew = where({ state: 'new' });
  const fromContainer = containers.length === 0 ? subtractPackets(ends, ends) : where({ iif: containers });
  const beyond = intersectPackets(notHere, leaves);
  const ofContainers = intersectPackets(beyond, fromContainer);
  const ofMachines = subtractPackets(beyond, fromContainer);
  const road = (name: string, traffic: Traffic, packets: PacketSet, decision: Decision): Road => ({
    ...{ name, traffic, packets, decision },
  });
  return [
    road('to a process', 'incoming', intersectPackets(dialledHere, ends), plainInput),
    road(
      'redirected to another port',
      'incoming',
      intersectPackets(dialledHere, intersectPackets(ends, isNew)),
      redirected,
    ),
    road('sent on to a container', 'incoming', intersectPackets(sentOn, isNew), toContainer),
    road(
      'of a flow that was sent on to a container',
      'incoming',
      intersectPackets(sentOn, where({ state: ['established', 'related', 'invalid'] })),
      plainForward,
    ),
    road('broadcast or multicast', 'incoming', intersectPackets(notHere, ends), plainInput),
    road('from a process', 'outgoing', intersectPackets(made, leaves), output),
    road('from a container', 'outgoing', ofContainers, plainForward),
    road(
      'from a container to a rewritten destination',
      'outgoing',
      intersectPackets(ofContainers, isNew),
      noted,
    ),
    road('through', 'routed', ofMachines, plainForward),
    road('through to a rewritten destination', 'routed', intersectPackets(ofMachines, isNew), noted),
    road(
      'redirected to a process',
      'routed',
      intersectPackets(notHere, intersectPackets(ends, isNew)),
      redirected,
    ),
  ];
}

function hasField({ layout }: PacketSpace, name: string): boolean {
  return layout.fields.some((field) => field.name === name);
}

/** Without the fields that no rule reads: what they say is all the same. */
function known<T>(space: PacketSpace, values: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => hasField(space, name)));
}

function fixKnown(decision: Decision, values: Readonly<Record<string, string | number>>): Decision {
  return fixFields(decision, known(decision.space, values));
}

/** The decision about new flows once their destination is another one, which the FIB calls `type`. */
function asRewritten(decision: Decision, type: string | undefined): Decision {
  const { space } = decision;
  const rewritten = fixKnown(decision, {
    status: DNAT,
    ...(type === undefined ? {} : { daddrtype: type }),
  });
  const bits = (name: string): PacketSet[] => {
    const { bits: count } = space.layout.fields.find((field) => field.name === name)!;
    return Array.from({ length: count }, (_, i) => packetsWithBit(space, name, count - 1 - i));
  };
  const other = fieldFrom(rewritten, { dst: bits(NEW_DESTINATION.dst), dport: bits(NEW_DESTINATION.dport) });
  return decide(packetsWhere(space, { state: 'new' }), other, decision);
}
