// Address translation backwards: what comes after it is asked about the packet with its new addresses.
import type { Operand } from '../model/expression.ts';
import type { Nat } from '../model/nat.ts';
import { bitsOf } from '../net/address.ts';
import { always, decide, LEAF, renameLeaves } from '../space/decision.ts';
import { fieldOf, hasField, type WordField } from '../space/fields.ts';
import { fieldFrom, fixFields } from '../space/packet-fields.ts';
import {
  allPackets,
  fieldsOf,
  intersectPackets,
  isEmpty,
  noPackets,
  packetsWhere,
  samePackets,
} from '../space/packet-set.ts';
import { type Decision, hold, type PacketSet, type PacketSpace, release } from '../space/packet-space.ts';
import { freeField } from './analysis.ts';
import {
  asSet,
  type Bit,
  type BitVector,
  bitsChosen,
  constantBits,
  fieldBits,
  resized,
  vectorIn,
  vectorsEqual,
} from './bit-vector.ts';
import { ALWAYS, both, conditionSet } from './condition.ts';
import type { Mapped } from './ends.ts';
import { mapped, operandVector, type Seen } from './expression-vector.ts';
import { keysCondition } from './match-condition.ts';
import { freeNumber, freeSet, type Scope } from './scope.ts';

/** A packet with this bit of `ct status` has had that side of it rewritten: nf_conntrack_common.h IPS_SRC_NAT, IPS_DST_NAT. */
const STATUS_BIT = { source: 4, destination: 5 } as const;

/** `then` for the packet as the statement rewrites it; `next` where a map has nothing for it. */
export function mappedDecision(
  scope: Scope,
  nat: Nat,
  part: string,
  after: Mapped,
  next: Decision,
): Decision {
  const { analysis } = scope.view;
  const { space, family } = analysis;
  if (nat.family !== undefined && (nat.family === 'ip') !== (family === 'ipv4')) return next;
  const side = sideOf(scope, nat);
  const [address, port] = side === 'destination' ? ['dst', 'dport'] : ['src', 'sport'];
  hold(next);
  const then = nat.type === 'redirect' ? after.here : after.elsewhere;
  hold(then);
  const to = targetOf(scope, nat, part, address, port);
  let decision: Decision;
  if (to === 'nothing') decision = next;
  else {
    const typed = side === 'destination' ? withTypeOf(scope, then, nat) : then;
    const marked = withStatus(typed, side);
    // Mostly nobody asks, and comparing addresses costs a diagram each.
    const unchanged = samePackets(marked, typed)
      ? noPackets(space)
      : sameTuple(scope, part, address, port, to);
    const target = {
      ...(to.address === undefined ? {} : { [address]: sets(space, to.address.bits) }),
      ...(to.port === undefined ? {} : { [port]: sets(space, to.port.bits) }),
    };
    const changed = fieldFrom(marked, target);
    let rewritten = isEmpty(unchanged) ? changed : decide(unchanged, fieldFrom(typed, target), changed);
    const leaf = side === 'destination' ? scope.view.mappedLeaf?.(scope.rule, nat) : undefined;
    if (leaf !== undefined) rewritten = renameLeaves(rewritten, { [LEAF.accept]: leaf });
    const readable = both(to.address?.readable ?? ALWAYS, to.port?.readable ?? ALWAYS);
    decision = readable === ALWAYS ? rewritten : decide(conditionSet(space, readable), rewritten, next);
  }
  release(then);
  release(next);
  // The kernel drops what it cannot redirect: there is no address on the interface (nf_nat_redirect.c).
  return to !== 'nothing' && to.possible !== undefined
    ? decide(to.possible, decision, always(space, LEAF.drop))
    : decision;
}

function sets(space: PacketSpace, bits: BitVector): PacketSet[] {
  return bits.map((bit) => asSet(space, bit));
}

/** Which side of the packet it rewrites. */
function sideOf({ place }: Scope, { type }: Nat): 'source' | 'destination' {
  if (type === 'dnat' || type === 'redirect') return 'destination';
  if (type === 'snat' || type === 'masquerade') return 'source';
  return place.hook === 'prerouting' || place.hook === 'output' ? 'destination' : 'source';
}

interface Target {
  readonly address: Seen | undefined;
  readonly port: Seen | undefined;
  /** Absent: for all packets. */
  readonly possible?: PacketSet;
}

function targetOf(scope: Scope, nat: Nat, part: string, address: string, port: string): Target | 'nothing' {
  const { family } = scope.view.analysis;
  const bits = bitsOf(family);
  if (nat.type === 'redirect' || nat.type === 'masquerade') {
    const own =
      nat.type === 'redirect' ? redirected(scope) : { address: free(scope, `${part} address`, bits, 'host') };
    const given =
      nat.port === undefined ? undefined : rewriteTo(scope, nat, nat.port, port, 16, `${part} port`);
    return given === 'nothing' ? 'nothing' : { ...own, port: given };
  }
  const map =
    nat.address?.kind === 'expression' && nat.address.expression.kind === 'map'
      ? nat.address.expression
      : undefined;
  if (map !== undefined && isPair(scope, map)) {
    const both = mapped(scope, map, bits + 16, `${part} address`, keysCondition, ['address', 'port']);
    if (both === 'nothing') return 'nothing';
    return {
      address: { bits: both.bits.slice(0, bits), readable: both.readable },
      port: { bits: both.bits.slice(bits), readable: ALWAYS },
    };
  }
  const toAddress =
    nat.address === undefined
      ? undefined
      : rewriteTo(scope, nat, nat.address, address, bits, `${part} address`);
  const toPort =
    nat.port === undefined ? undefined : rewriteTo(scope, nat, nat.port, port, 16, `${part} port`);
  if (toAddress === 'nothing' || toPort === 'nothing') return 'nothing';
  return { address: toAddress, port: toPort };
}

function isPair(scope: Scope, { map }: { readonly map: { readonly kind: string } & object }): boolean {
  const of = map as
    | { kind: 'named'; name: string }
    | { kind: 'entries'; entries: readonly { data: { kind: string } }[] };
  if (of.kind === 'entries') return of.entries.some(({ data }) => data.kind === 'concat');
  const named = scope.table.maps?.find(({ name }) => name === of.name);
  return named?.kind === 'data' && named.entries.some(({ data }) => data.kind === 'concat');
}

function free(scope: Scope, part: string, bits: number, reason: 'host' | 'chance'): Seen {
  const field = freeNumber(scope, part, bits, reason);
  return { bits: fieldBits(scope.view.analysis.space, field), readable: ALWAYS };
}

/** What the field becomes: a value, one of a range, or what a map gives. */
function rewriteTo(
  scope: Scope,
  nat: Nat,
  to: Operand,
  field: string,
  bits: number,
  part: string,
): Seen | 'nothing' {
  const { space } = scope.view.analysis;
  if (to.kind === 'prefix') {
    const { value, length } = to.prefix;
    const kept = fieldBits(space, field).slice(length);
    const netmap = nat.type === 'netmap' || nat.flags.includes('netmap') || nat.flags.includes('prefix');
    if (netmap) return { bits: [...constantBits(value, bits).slice(0, length), ...kept], readable: ALWAYS };
    const chosen = free(scope, part, bits - length, 'chance').bits;
    return { bits: [...constantBits(value, bits).slice(0, length), ...chosen], readable: ALWAYS };
  }
  if (to.kind === 'range') {
    const first = boundOf(to.first);
    const last = boundOf(to.last);
    if (first !== undefined && last !== undefined && first <= last) {
      const any = free(scope, part, bits, 'chance').bits;
      // A free number that lies outside stands for the first of the range.
      const inside = vectorIn(space, any, { first, last });
      return { bits: bitsChosen(inside, any, constantBits(first, bits)), readable: ALWAYS };
    }
  }
  const seen = operandVector(
    scope,
    to,
    { kind: 'payload', protocol: 'ip', field: 'daddr' },
    bits,
    part,
    keysCondition,
  );
  return seen === 'nothing' ? 'nothing' : { bits: resized(seen.bits, bits), readable: seen.readable };
}

function boundOf(value: Operand): bigint | undefined {
  if (value.kind === 'number') return BigInt(value.value);
  return value.kind === 'address' ? value.address.value : undefined;
}

/** To the host itself: its address on the interface where the packet came in, or loopback for its own packets. */
function redirected(scope: Scope): { readonly address: Seen; readonly possible?: PacketSet } {
  const { analysis } = scope.view;
  const { space, family, host } = analysis;
  const bits = bitsOf(family);
  if (scope.place.hook === 'output') {
    const loopback = family === 'ipv4' ? 0x7f00_0001n : 1n;
    return { address: { bits: constantBits(loopback, bits), readable: ALWAYS } };
  }
  if (host === undefined || host.missing.includes('links')) {
    const field = freeField(analysis, 'address of the interface', bits, { reason: 'host' });
    return { address: { bits: fieldBits(space, field), readable: ALWAYS } };
  }
  let vector = constantBits(0n, bits);
  const known: string[] = [];
  for (const { name, addresses } of host.links) {
    const [first] = addresses.filter(({ address }) => address.family === family);
    if (first === undefined) continue;
    known.push(name);
    vector = bitsChosen(packetsWhere(space, { iif: name }), constantBits(first.address.value, bits), vector);
  }
  return { address: { bits: vector, readable: ALWAYS }, possible: packetsWhere(space, { iif: known }) };
}

/**
 * The packets whose address and port become what they are: the flow does not count as translated (nf_nat_core.c). Whether
 * a number that nobody knows is the old one is not known either; a diagram that compares the two has no bounds.
 */
function sameTuple(scope: Scope, part: string, address: string, port: string, to: Target): PacketSet {
  const { space, free: unknown } = scope.view.analysis;
  if (!hasField(space.layout, 'status')) return noPackets(space);
  const isFree = (bit: Bit): boolean =>
    typeof bit !== 'number' && fieldsOf(bit).some((field) => unknown.has(field));
  const same = (field: string, seen: Seen | undefined): PacketSet => {
    if (seen === undefined) return allPackets(space);
    if (seen.bits.some(isFree)) return freeSet(scope, `${part} ${field} stays`, 'chance');
    return vectorsEqual(space, seen.bits, fieldBits(space, field));
  };
  return intersectPackets(same(address, to.address), same(port, to.port));
}

/** The flow is known from here on as one whose address was rewritten. */
function withStatus(decision: Decision, side: 'source' | 'destination'): Decision {
  const { space } = decision;
  if (!hasField(space.layout, 'status')) return decision;
  const { bits } = fieldOf(space.layout, 'status');
  const one = asSet(space, 1);
  const functions = Array.from({ length: bits }, (_, i) =>
    bits - 1 - i === STATUS_BIT[side] ? one : undefined,
  );
  return fieldFrom(decision, { status: functions });
}

/** Without the host's routes the type of a new destination is another unknown than that of the old one. */
function withTypeOf(scope: Scope, decision: Decision, nat: Nat): Decision {
  const { analysis } = scope.view;
  const { space } = analysis;
  if (!hasField(space.layout, 'daddrtype') || !fieldsOf(decision).includes('daddrtype')) return decision;
  if (nat.type === 'redirect') return fixFields(decision, { daddrtype: 'local' });
  const field = fieldOf(space.layout, 'daddrtype') as WordField & { readonly bits: number };
  const what = nat.address?.kind === 'address' ? String(nat.address.address.value) : 'what it is sent to';
  const other = freeField(analysis, `type of ${what}`, field.bits, { reason: 'host' });
  return fieldFrom(decision, { daddrtype: sets(space, fieldBits(space, other)) });
}
