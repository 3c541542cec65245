// The roads on which rulesets are compared: what happens to packets from their beginning to their end, whichever hooks
// that leads them through.
import { always, LEAF } from '../space/decision.ts';
import { hasField, NO_INTERFACE, type WordField } from '../space/fields.ts';
import {
  allPackets,
  complementPackets,
  intersectPackets,
  noPackets,
  packetsWhere,
  unionPackets,
} from '../space/packet-set.ts';
import { type Decision, hold, type PacketSet, type PacketSpace, release } from '../space/packet-space.ts';
import { addressTypePackets, surelyTyped } from '../symbolic/address-type-packets.ts';
import { routedForward } from '../symbolic/forward-routes.ts';
import { hookDecision, roadDecision, startDecision } from '../symbolic/road.ts';
import type { RulesetView } from '../symbolic/scope.ts';

/**
 * `input`: from elsewhere to an address of this host, as dialled, also where a rule sends them on (a published port).
 * `groups`: from elsewhere to broadcast, multicast and anycast addresses; where nobody can tell which packets that are, they are
 * `input`. `forward`: from elsewhere to elsewhere. `output`: from
 * this host to elsewhere. `loopback`: from this host to itself.
 */
export const ROADS = ['input', 'groups', 'forward', 'output', 'loopback'] as const;
export type Road = (typeof ROADS)[number];

const LOOPBACK = 'lo';

/** A decision on a road, and the packets that it is about. */
export interface Trip {
  /** Held. */
  readonly decision: Decision;
  readonly packets: () => PacketSet;
}

/** A function that gives what becomes of packets on a road: one trip, for loopback two, out and in again. */
export function roadTrips(view: RulesetView): (road: Road) => Trip[] {
  const { space } = view.analysis;
  const known = new Map<string, Decision>();
  /** Each once, whichever roads need it. */
  const decided = (name: 'arriving' | 'input' | 'forward' | 'output'): Decision => {
    const found = known.get(name) ?? hold(name === 'arriving' ? arriving(view) : roadDecision(view, name));
    known.set(name, found);
    return found;
  };
  return (road) => {
    switch (road) {
      case 'input':
        return [
          { decision: decided('arriving'), packets: () => intersectPackets(toHost(view), outside(space)) },
        ];
      case 'groups':
        return [
          { decision: decided('input'), packets: () => intersectPackets(toGroups(view), outside(space)) },
        ];
      case 'forward':
        return [{ decision: decided('forward'), packets: () => passing(view) }];
      case 'output': {
        const packets = () => packetsWhere(space, { iif: NO_INTERFACE, oif: interfaces(space, LOOPBACK) });
        return [{ decision: decided('output'), packets }];
      }
      case 'loopback': {
        if (!interfaces(space).includes(LOOPBACK)) return [];
        const out = { iif: NO_INTERFACE, oif: LOOPBACK };
        return [
          { decision: decided('output'), packets: () => packetsWhere(space, out) },
          { decision: decided('input'), packets: () => packetsWhere(space, { iif: LOOPBACK }) },
        ];
      }
      default:
        throw new Error(road satisfies never);
    }
  };
}

/** To this host and through `prerouting`, where a rule may send them elsewhere. */
function arriving(view: RulesetView): Decision {
  const { analysis } = view;
  const accepted = always(analysis.space, LEAF.accept);
  const here = hold(hookDecision(view, 'input', accepted, false));
  const beyond = hookDecision(view, 'forward', hookDecision(view, 'postrouting', accepted, false), false);
  const elsewhere = hold(routedForward(analysis, beyond, here));
  const all = hookDecision(view, 'prerouting', { plain: here, mapped: { elsewhere, here } }, false);
  release(here);
  release(elsewhere);
  return startDecision(view, all);
}

const ONE_HOST = ['local'] as const;
const GROUPS = ['broadcast', 'multicast', 'anycast'] as const;

function toHost(view: RulesetView): PacketSet {
  return ofTypes(view, ONE_HOST) ?? allPackets(view.analysis.space);
}

function toGroups(view: RulesetView): PacketSet {
  return ofTypes(view, GROUPS) ?? noPackets(view.analysis.space);
}

/** To another machine. Where nobody can tell which addresses are this host's, any that is one machine's. */
function passing(view: RulesetView): PacketSet {
  const { space } = view.analysis;
  const through = packetsWhere(space, {
    iif: interfaces(space, LOOPBACK),
    oif: interfaces(space, LOOPBACK),
  });
  const [own, groups] = [ofTypes(view, ONE_HOST), toGroups(view)];
  const elsewhere = intersectPackets(intersectPackets(through, outside(space)), complementPackets(groups));
  return own === undefined ? elsewhere : intersectPackets(elsewhere, complementPackets(own));
}

/** Packets to addresses of these types. undefined: neither routes nor a question for the type tell. */
function ofTypes({ analysis }: RulesetView, types: readonly string[]): PacketSet | undefined {
  const { space } = analysis;
  const isAsked = (type: string): boolean => types.includes(type);
  const known = addressTypePackets(analysis, 'daddrtype', isAsked);
  if (known !== undefined) return known;
  if (!hasField(space.layout, 'daddrtype')) return undefined;
  const { asked, sure } = surelyTyped(analysis, 'daddrtype', isAsked)!;
  const asTyped = intersectPackets(packetsWhere(space, { daddrtype: types }), complementPackets(sure));
  return unionPackets(space, [asked, asTyped]);
}

/**
 * From another machine. Nobody outside can dial a loopback address or have one: such packets are martians
 * (fib_validate_source, ip6_rcv).
 */
function outside(space: PacketSpace): PacketSet {
  const loopback =
    space.layout.family === 'ipv4' ? { first: 0x7f00_0000n, last: 0x7fff_ffffn } : { first: 1n, last: 1n };
  const martian = [packetsWhere(space, { src: loopback }), packetsWhere(space, { dst: loopback })];
  const from = packetsWhere(space, { iif: interfaces(space, LOOPBACK) });
  return martian.reduce((left, each) => intersectPackets(left, complementPackets(each)), from);
}

/** The interfaces that a packet can be on, but for some. */
function interfaces(space: PacketSpace, ...but: readonly string[]): string[] {
  const { words } = space.layout.fields.find(({ name }) => name === 'iif') as WordField;
  return words.filter((word) => word !== NO_INTERFACE && !but.includes(word));
}
