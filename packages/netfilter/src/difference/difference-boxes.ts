// A difference as people read it: boxes as wide as they can be, each with a packet out of it.

import { isOutsideByName } from '../exposure/arrivals.ts';
import { type Interval, intervalSet, subtractIntervals } from '../net/interval.ts';
import { parsePrefix, prefixInterval } from '../net/prefix.ts';
import { type Box, type BoxValues, packetBoxes } from '../space/boxes.ts';
import type { FieldMatch } from '../space/field-match.ts';
import { CT_STATES, type Field, NO_INTERFACE, OTHER_INTERFACE } from '../space/fields.ts';
import { fixFields, forSome } from '../space/packet-fields.ts';
import {
  examplePacket,
  fieldsOf,
  intersectPackets,
  isEmpty,
  type PacketFields,
  packetsCover,
  packetsWhere,
  possibleLeaves,
  samePackets,
  unionPackets,
} from '../space/packet-set.ts';
import type { PacketSet, PacketSpace } from '../space/packet-space.ts';
import type { Road } from './compared-roads.ts';
import { type DifferenceKind, inDoubt, type RoadDifference } from './ruleset-difference.ts';

export type CtState = (typeof CT_STATES)[number];

export interface DifferenceBox {
  readonly road: Road;
  readonly kind: DifferenceKind;
  /** `may`: it depends on what nobody can know, or on what was not understood. */
  readonly certainty: 'must' | 'may';
  /** Packets in these states; `new` is the first packet of a flow. */
  readonly states: readonly CtState[];
  /** Without `state`. Boxes of one difference may overlap. */
  readonly box: Box;
  /** The packets of the box that fare differently. */
  readonly packets: PacketSet;
  /** One of them, as plain as there is one. */
  readonly example: PacketFields;
}

export interface DifferenceBoxesOptions {
  /** Boxes for each kind of difference at most; default 100. */
  readonly limit?: number;
}

export interface DifferenceBoxes {
  readonly boxes: readonly DifferenceBox[];
  /** False: there are more, of the road and kind where `limit` was reached. */
  readonly complete: boolean;
}

const KINDS: readonly DifferenceKind[] = ['opened', 'closed', 'answered', 'silenced'];

export function differenceBoxes(
  difference: RoadDifference,
  { limit = 100 }: DifferenceBoxesOptions = {},
): DifferenceBoxes {
  const { road, asked } = difference;
  const boxes: DifferenceBox[] = [];
  let complete = true;
  for (const kind of KINDS)
    for (const certainty of ['must', 'may'] as const) {
      const set = certainty === 'must' ? difference[kind].certain : inDoubt(difference[kind]);
      for (const { states, packets } of byState(set)) {
        const told = wideBoxes(packets, inState(asked, states[0]!), limit);
        if (!told.complete) complete = false;
        const those = packetsWhere(set.space, { state: states });
        for (const { box, packets: some } of told.boxes) {
          const inBox = intersectPackets(those, intersectPackets(some, set));
          const example = plainExample(inBox);
          if (example === undefined) continue;
          boxes.push({ road, kind, certainty, states, box, packets: inBox, example });
        }
      }
    }
  return { boxes, complete };
}

function inState(set: PacketSet, state: CtState): PacketSet {
  return fixFields(set, { state });
}

/** The packets by the states in which they are the same ones; without those of which there are none. */
function byState(set: PacketSet): { readonly states: CtState[]; readonly packets: PacketSet }[] {
  const groups: { states: CtState[]; packets: PacketSet }[] = [];
  for (const state of ['new', ...CT_STATES.filter((each) => each !== 'new')] as const) {
    const packets = inState(set, state);
    if (isEmpty(packets)) continue;
    const same = groups.find((group) => samePackets(group.packets, packets));
    if (same === undefined) groups.push({ states: [state], packets });
    else same.states.push(state);
  }
  return groups;
}

export interface WideBox {
  readonly box: Box;
  readonly packets: PacketSet;
}

/** Boxes that have all packets of the set, and of those that were asked about no other. */
export function wideBoxes(
  set: PacketSet,
  asked: PacketSet,
  limit = 100,
): { readonly boxes: readonly WideBox[]; readonly complete: boolean } {
  const { space } = set;
  const among = intersectPackets(set, asked);
  let wide = among;
  for (const field of fieldsOf(among)) {
    const wider = forSome(wide, [field]);
    if (samePackets(intersectPackets(wider, asked), among)) wide = wider;
  }
  const { boxes, complete } = packetBoxes(wide, { limit });
  const kept: WideBox[] = boxes.map((box) => widened(space, box, asked, among));
  // What others have as well is left out, the narrowest first.
  for (const each of [...kept].sort((a, b) => Object.keys(b.box).length - Object.keys(a.box).length)) {
    const others = kept.filter((other) => other !== each);
    const rest = unionPackets(
      space,
      others.map(({ packets }) => packets),
    );
    if (packetsCover(rest, intersectPackets(each.packets, among))) kept.splice(kept.indexOf(each), 1);
  }
  return { boxes: kept, complete };
}

/** Without the fields that need not be said, and in the others with values that nobody asked about. */
function widened(space: PacketSpace, box: Box, asked: PacketSet, among: PacketSet): WideBox {
  let current = { box, packets: boxPackets(space, box) };
  const widen = (wider: Box): void => {
    const packets = boxPackets(space, wider);
    if (packetsCover(among, intersectPackets(packets, asked))) current = { box: wider, packets };
  };
  for (const field of Object.keys(box)) {
    const { [field]: _, ...others } = current.box;
    widen(others);
  }
  for (const name of Object.keys(current.box)) {
    const field = space.layout.fields.find((each) => each.name === name)!;
    for (const gap of gapsOf(field, current.box[name]!)) {
      widen({ ...current.box, [name]: withGap(current.box[name]!, gap) });
    }
  }
  return current;
}

type Gap = Interval<bigint> | string;

/** Values that are missing, where these are told rather than those that are there. */
function gapsOf(field: Field, values: BoxValues): readonly Gap[] {
  if (values.kind === 'words') {
    const gaps = field.kind === 'words' ? field.words.filter((word) => !values.words.includes(word)) : [];
    return gaps.length < values.words.length ? gaps : [];
  }
  if (values.kind === 'masks') return [];
  const gaps = subtractIntervals([{ first: 0n, last: (1n << BigInt(field.bits)) - 1n }], values.intervals);
  return gaps.length < values.intervals.length ? gaps : [];
}

function withGap(values: BoxValues, gap: Gap): BoxValues {
  if (typeof gap === 'string')
    return values.kind === 'words' ? { kind: 'words', words: [...values.words, gap] } : values;
  if (values.kind !== 'intervals') return values;
  return { kind: 'intervals', intervals: intervalSet([...values.intervals, gap]) };
}

/** The packets of a box. */
export function boxPackets(space: PacketSpace, box: Box): PacketSet {
  return packetsWhere(
    space,
    Object.fromEntries(Object.entries(box).map(([field, values]) => [field, matchOf(values)])),
  );
}

function matchOf(values: BoxValues): FieldMatch {
  switch (values.kind) {
    case 'words':
      return values.words;
    case 'intervals':
      return values.intervals;
    case 'masks':
      return values.masks;
    default:
      throw new Error(values satisfies never);
  }
}

/** Where examples come from and go to, if they can: networks for documentation, else public ones. */
const STRANGERS = {
  ipv4: ['198.51.100.4/32', '198.51.100.0/24', '203.0.113.0/24', '8.0.0.0/7'],
  ipv6: ['2001:db8:51::4/128', '2001:db8::/32', '2000::/3'],
} as const;
const LISTENERS = {
  ipv4: ['192.0.2.1/32', '192.0.2.0/24'],
  ipv6: ['2001:db8:2::1/128', '2001:db8::/32'],
} as const;

/** A packet of the set that a person understands: a plain new connection if there is one. */
export function plainExample(set: PacketSet): PacketFields | undefined {
  const { space } = set;
  const { family } = space.layout;
  const among = (field: 'src' | 'dst', networks: readonly string[]): PacketSet[] =>
    networks.map((text) => packetsWhere(space, { [field]: networkOf(text) }));
  const outside = outsideInterfaces(space);
  const one = (field: 'iif' | 'oif', words: readonly string[]): PacketSet[] =>
    words.length === 0 ? [] : [packetsWhere(space, { [field]: words })];
  const packet = examplePacket(set, [
    packetsWhere(space, { state: 'new' }),
    packetsWhere(space, { proto: 'tcp' }),
    packetsWhere(space, { proto: 'udp' }),
    packetsWhere(space, { tcpflags: 2 }),
    packetsWhere(space, { dport: { first: 1, last: 65_535 } }),
    ...one('iif', outside),
    ...one('oif', outside),
    ...among('src', STRANGERS[family]),
    ...among('dst', LISTENERS[family]),
    packetsWhere(space, { sport: { first: 32_768, last: 60_999 } }),
  ]);
  return packet && withoutTypes(set, packet);
}

/** Those that have a name and lead outside, else any that no rule names. */
function outsideInterfaces({ layout }: PacketSpace): string[] {
  const field = layout.fields.find(({ name }) => name === 'iif');
  if (field?.kind !== 'words') return [];
  const named = field.words.filter(
    (word) => word !== NO_INTERFACE && !word.endsWith('*') && isOutsideByName(word),
  );
  return named.length > 0 ? named : [OTHER_INTERFACE];
}

function networkOf(text: string) {
  const parsed = parsePrefix(text);
  if (!('prefix' in parsed)) throw new Error(`not a network: ${text}`);
  return prefixInterval(parsed.prefix);
}

/** The packet without types of its addresses that the set does not ask for: they may contradict the address. */
function withoutTypes(set: PacketSet, packet: PacketFields): PacketFields {
  let left = packet;
  for (const field of ['daddrtype', 'saddrtype']) {
    const { [field]: _, ...others } = left;
    if (possibleLeaves(set, others).length === 1) left = others;
  }
  return left;
}
