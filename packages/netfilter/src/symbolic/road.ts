// The way of a packet through the hooks, as one decision: all base chains of all owners in the kernel's order, with
// connection tracking, address translation and routing between them.
//
//   prerouting: raw · conntrack -200 · mangle · nat -100 · …   input:   … · nat 100
//                         route ─┬─ to this host ────────────▶
//                                └─ elsewhere ─▶ forward: … · postrouting: … · nat 100
//   output: raw · conntrack -200 · mangle · nat -100 · …       postrouting: …
import type { Chain, Hook } from '../model/ruleset.ts';
import { type BaseAt, baseChains, CONNTRACK_PRIORITY, NAT_PRIORITY } from '../semantics/base-chains.ts';
import type { Place } from '../semantics/reading.ts';
import { always, decide, LEAF } from '../space/decision.ts';
import { hasField } from '../space/fields.ts';
import { fieldFrom, fixFields } from '../space/packet-fields.ts';
import { intersectPackets, packetsWhere, subtractPackets } from '../space/packet-set.ts';
import { type Decision, hold, type PacketSet, type PacketSpace, release } from '../space/packet-space.ts';
import { asSet, bitNot, bitOr, bitXor, fieldBits } from './bit-vector.ts';
import { type ChainRun, chainDecision, chainRun } from './chain-decision.ts';
import type { Mapped } from './ends.ts';
import type { RulesetView } from './scope.ts';

/** What is known of chains already, by table and place. Begins as an empty map. */
export type ChainRuns = Map<string, ChainRun>;

export interface RoadOptions {
  /** What a packet that went all the way gets; accepted by default. */
  readonly end?: Decision;
  /** Somebody else may rewrite the destination where NAT does, to `new dst` and `new dport`. */
  readonly rewritten?: PacketSet;
  /** What marks packets have at first; 0 unless `any`. */
  readonly mark?: 'any';
  /** Chains that were looked at, to be shared by all calls with the same view. What they decide stays held. */
  readonly runs?: ChainRuns;
}

/** What becomes of packets that go this way: for `input` and `forward` from prerouting on, and to the end. */
export function roadDecision(
  view: RulesetView,
  road: 'input' | 'forward' | 'output',
  options: RoadOptions = {},
): Decision {
  const { space } = view.analysis;
  let decision = options.end ?? always(space, LEAF.accept);
  if (road === 'output') {
    decision = hookDecision(view, 'postrouting', decision, true);
    return startDecision(view, hookDecision(view, 'output', decision, true, options), options);
  }
  if (road === 'forward') decision = hookDecision(view, 'postrouting', decision, false);
  decision = hookDecision(view, road, decision, false);
  return startDecision(view, hookDecision(view, 'prerouting', decision, false, options), options);
}

/** What a packet is before any rule saw it. */
export function startDecision(view: RulesetView, decision: Decision, { mark }: RoadOptions = {}): Decision {
  const { space } = view.analysis;
  let started = decision;
  if (mark !== 'any' && hasField(space.layout, 'mark')) started = fixFields(started, { mark: 0 });
  if (hasField(space.layout, 'early state')) {
    const untracked = packetsWhere(space, { state: 'untracked' });
    started = decide(
      untracked,
      fixFields(started, { 'early state': 'untracked' }),
      fixFields(started, { 'early state': 'invalid' }),
    );
  }
  return started;
}

/** What comes after a hook. */
export interface After {
  readonly plain: Decision;
  /** Where the hook rewrites destinations, and that decides where the packet goes. As `plain` if absent. */
  readonly mapped?: Mapped;
}

/** All that happens at one hook, before `after`. */
export function hookDecision(
  view: RulesetView,
  hook: Hook,
  after: Decision | After,
  madeHere: boolean,
  { rewritten, runs: shared }: RoadOptions = {},
): Decision {
  const { analysis, ruleset } = view;
  const { space, family } = analysis;
  const bases = baseChains(ruleset, hook, family);
  const group = bases.filter(({ chain }) => chain.base!.type === 'nat');
  const tracks = hook === 'prerouting' || hook === 'output';
  const ends: After = 'plain' in after ? after : { plain: after };
  const runs: ChainRuns = shared ?? new Map();
  /** All that these chains do, before `decision`. */
  const backwards = (some: readonly BaseAt[], decision: Decision): Decision => {
    let before = decision;
    for (const { table, chain, priority } of [...some].reverse()) {
      const early = tracks && priority < CONNTRACK_PRIORITY;
      const place: Place = { family, hook, early, ...(madeHere ? { madeHere } : {}) };
      const key = `${ruleset.tables.indexOf(table)} ${hook} ${early} ${madeHere}`;
      const run = runs.get(key) ?? chainRun(view, table, place);
      runs.set(key, run);
      before = baseDecision(run, chain, before);
    }
    return before;
  };
  const natAt = NAT_PRIORITY[hook] ?? 0;
  const isBefore = ({ chain, priority }: BaseAt): boolean => chain.base!.type !== 'nat' && priority < natAt;
  const late = bases.filter((base) => !isBefore(base) && base.chain.base!.type !== 'nat');
  const early = bases.filter(isBefore);
  const { plain, mapped: elsewhereAndHere } = ends;
  const kept = [plain, ...(elsewhereAndHere === undefined ? [] : Object.values(elsewhereAndHere))];
  for (const each of kept) hold(each);
  const untranslated = hold(backwards(late, plain));
  kept.push(untranslated);
  let decision = untranslated;
  let mapped: Mapped = { elsewhere: decision, here: decision };
  if (ends.mapped !== undefined && (group.length > 0 || rewritten !== undefined)) {
    const elsewhere = hold(backwards(late, ends.mapped.elsewhere));
    kept.push(elsewhere);
    const here = hold(backwards(late, ends.mapped.here));
    kept.push(here);
    mapped = { elsewhere, here };
  }
  if (rewritten !== undefined && hook === 'prerouting') {
    decision = rewrittenDecision(space, decision, mapped.elsewhere, rewritten);
  }
  if (group.length > 0) {
    const place: Place = { family, hook, early: false, ...(madeHere ? { madeHere } : {}) };
    const translated = natDecision(view, group, place, decision, mapped);
    decision = decide(natPackets(space), translated, untranslated);
  }
  for (const each of kept) release(each);
  decision = backwards(
    early.filter(({ priority }) => priority >= CONNTRACK_PRIORITY || !tracks),
    decision,
  );
  if (tracks) {
    decision = conntrackDecision(view, decision);
    const raw = early.filter(({ priority }) => priority < CONNTRACK_PRIORITY);
    decision = backwards(raw, decision);
  }
  if (shared === undefined)
    for (const run of runs.values()) for (const alone of run.alone.values()) release(alone);
  return hook === 'forward' ? oneHopOn(decision) : decision;
}

/**
 * ip_forward.c, ip6_output.c: a packet has one hop less when the rules for forwarding see it. Those that have none left
 * never come here.
 */
function oneHopOn(decision: Decision): Decision {
  const { space } = decision;
  if (!hasField(space.layout, 'ttl')) return decision;
  const old = fieldBits(space, 'ttl');
  const bits = old.map((bit, i) => asSet(space, bitXor(bit, bitNot(old.slice(i + 1).reduce(bitOr, 0)))));
  const some = packetsWhere(space, { ttl: [{ first: 1, last: 255 }] });
  return decide(some, fieldFrom(decision, { ttl: bits }), decision);
}

/** A base chain: accepting in it ends it alone, dropping ends everything. */
function baseDecision(run: ChainRun, { name, base }: Chain, after: Decision, mapped?: Mapped): Decision {
  const { space } = run.view.analysis;
  hold(after);
  const fall = base!.policy === 'drop' ? always(space, LEAF.drop) : after;
  const decision = chainDecision(run, name, {
    accept: after,
    fall,
    ...(mapped === undefined ? {} : { mapped }),
  });
  release(after);
  return decision;
}

/** Chains that all stand at one place: once one of them rewrote an address, the others are passed by. */
function natDecision(
  view: RulesetView,
  group: readonly BaseAt[],
  place: Place,
  after: Decision,
  mapped: Mapped,
): Decision {
  let decision = after;
  for (const { table, chain } of [...group].reverse()) {
    const run = chainRun(view, table, place);
    decision = baseDecision(run, chain, decision, mapped);
    for (const alone of run.alone.values()) release(alone);
  }
  return decision;
}

/** nf_nat_core.c nf_nat_inet_fn: new flows, and flows that another one announced; errors are translated with their flow. */
function natPackets(space: PacketSpace): PacketSet {
  return subtractPackets(packetsWhere(space, { state: ['new', 'related'] }), errorPackets(space));
}

/** ICMP messages about a flow, which may be one of another protocol. */
function errorPackets(space: PacketSpace): PacketSet {
  return packetsWhere(space, { state: 'related', proto: space.layout.family === 'ipv4' ? 1 : 58 });
}

const TRACKED = ['new', 'established', 'related'];

/** What is known of a flow when its entry has been looked up. */
function conntrackDecision(view: RulesetView, decision: Decision): Decision {
  const { space } = view.analysis;
  const { layout } = space;
  let tracked = decision;
  const isNew = packetsWhere(space, { state: 'new' });
  // The first packet of a flow: nothing was noted yet, and its own tuple is the original one.
  const blank: Record<string, number> = {};
  for (const field of ['status', 'ctmark', 'label', 'ctdir']) if (hasField(layout, field)) blank[field] = 0;
  const tuple: Record<string, PacketSet[]> = {};
  for (const [original, now] of [
    ['osrc', 'src'],
    ['odst', 'dst'],
    ['osport', 'sport'],
    ['odport', 'dport'],
  ] as const) {
    if (hasField(layout, original)) tuple[original] = fieldBits(space, now).map((bit) => asSet(space, bit));
  }
  if (Object.keys(blank).length > 0) tracked = decide(isNew, fixFields(tracked, blank), tracked);
  if (Object.keys(tuple).length > 0) tracked = decide(isNew, fieldFrom(tracked, tuple), tracked);
  if (hasField(layout, 'oproto')) {
    const bits = fieldBits(space, 'proto').map((bit) => asSet(space, bit));
    const own = subtractPackets(packetsWhere(space, { state: TRACKED }), errorPackets(space));
    tracked = decide(own, fieldFrom(tracked, { oproto: bits }), tracked);
  }
  if (hasField(layout, 'early state')) {
    const given = packetsWhere(space, { 'early state': 'untracked' });
    tracked = decide(given, fixFields(tracked, { state: 'untracked' }), tracked);
  }
  return tracked;
}

function rewrittenDecision(
  space: PacketSpace,
  decision: Decision,
  mapped: Decision,
  which: PacketSet,
): Decision {
  const bits = (name: string): PacketSet[] => fieldBits(space, name).map((bit) => asSet(space, bit));
  const other = fieldFrom(mapped, { dst: bits('new dst'), dport: bits('new dport') });
  return decide(intersectPackets(which, natPackets(space)), other, decision);
}

/** Puts `forward` and `input` behind routing: `local` are the packets that are for this host. */
export function routedDecision(local: PacketSet, input: Decision, forward: Decision): Decision {
  return decide(local, input, forward);
}
