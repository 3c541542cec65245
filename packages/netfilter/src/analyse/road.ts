// The way of a packet through the hooks, as one decision: all base chains of all owners in the kernel's order, with
// connection tracking, address translation and routing between them.
//
//   prerouting: raw · conntrack -200 · mangle · nat -100 · …   input:   … · nat 100
//                         route ─┬─ to this host ────────────▶
//                                └─ elsewhere ─▶ forward: … · postrouting: … · nat 100
//   output: raw · conntrack -200 · mangle · nat -100 · …       postrouting: …
import type { Chain, Hook, Ruleset, Table } from '../model/ruleset.ts';
import { always, decide, LEAF } from '../space/decision.ts';
import { hasField } from '../space/fields.ts';
import { fieldFrom, fixFields } from '../space/packet-fields.ts';
import { intersectPackets, packetsWhere, subtractPackets } from '../space/packet-set.ts';
import { type Decision, hold, type PacketSet, type PacketSpace, release } from '../space/packet-space.ts';
import { asSet, fieldBits } from './bit-vector.ts';
import { type ChainRun, chainDecision, chainRun } from './chain-decision.ts';
import type { Place } from './reading.ts';
import type { RulesetView } from './scope.ts';

/** A base chain with the table that it stands in. */
export interface BaseAt {
  readonly table: Table;
  readonly chain: Chain;
  /** Where the kernel really calls it: chains of NAT all stand where the kernel's own NAT does (nf_nat_proto.c). */
  readonly priority: number;
}

const NAT_PRIORITY: Readonly<Partial<Record<Hook, number>>> = {
  prerouting: -100,
  output: -100,
  input: 100,
  postrouting: 100,
};
/** NF_IP_PRI_CONNTRACK. */
export const CONNTRACK_PRIORITY = -200;

/** The base chains that the kernel calls at a hook for packets of the family, in its order. */
export function baseChains(ruleset: Ruleset, hook: Hook, family: 'ipv4' | 'ipv6'): BaseAt[] {
  const own = family === 'ipv4' ? 'ip' : 'ip6';
  const found: BaseAt[] = [];
  for (const table of ruleset.tables) {
    if (table.dormant === true || (table.family !== own && table.family !== 'inet')) continue;
    for (const chain of table.chains) {
      if (chain.base?.hook !== hook) continue;
      const priority =
        chain.base.type === 'nat' ? (NAT_PRIORITY[hook] ?? chain.base.priority) : chain.base.priority;
      found.push({ table, chain, priority });
    }
  }
  // Of two at one place the one that was registered later comes first (net/netfilter/core.c nf_hook_entries_grow).
  return found
    .reverse()
    .sort((a, b) => a.priority - b.priority || a.chain.base!.priority - b.chain.base!.priority);
}

export interface RoadOptions {
  /** What a packet that went all the way gets; accepted by default. */
  readonly end?: Decision;
  /** Somebody else may rewrite the destination where NAT does, to `new dst` and `new dport`. */
  readonly rewritten?: PacketSet;
  /** What marks packets have at first; 0 unless `any`. */
  readonly mark?: 'any';
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

/** All that happens at one hook, before `after`. */
export function hookDecision(
  view: RulesetView,
  hook: Hook,
  after: Decision,
  madeHere: boolean,
  { rewritten }: RoadOptions = {},
): Decision {
  const { analysis, ruleset } = view;
  const { space, family } = analysis;
  const bases = baseChains(ruleset, hook, family);
  const tracks = hook === 'prerouting' || hook === 'output';
  const natAt = NAT_PRIORITY[hook];
  let decision = after;
  let isTracked = !tracks;
  let isRewritten = rewritten === undefined || hook !== 'prerouting';
  const pass = (priority: number): void => {
    if (!isRewritten && natAt !== undefined && priority < natAt) {
      decision = rewrittenDecision(space, decision, rewritten!);
      isRewritten = true;
    }
    if (!isTracked && priority < CONNTRACK_PRIORITY) {
      decision = conntrackDecision(view, decision);
      isTracked = true;
    }
  };
  const runs = new Map<string, ChainRun>();
  for (let i = bases.length - 1; i >= 0; i--) {
    const { table, chain, priority } = bases[i]!;
    pass(priority);
    const early = tracks && priority < CONNTRACK_PRIORITY;
    const place: Place = { family, hook, early, ...(madeHere ? { madeHere } : {}) };
    if (chain.base!.type === 'nat') {
      // Together with the other chains of NAT, which are looked at for the first packet of a flow only.
      const group = bases.filter((other) => other.chain.base!.type === 'nat');
      const first = bases.indexOf(group[0]!);
      hold(decision);
      const translated = natDecision(view, group, place, decision);
      const asked = natPackets(space);
      release(decision);
      decision = decide(asked, translated, decision);
      i = first;
      continue;
    }
    const key = `${ruleset.tables.indexOf(table)} ${early}`;
    const run = runs.get(key) ?? chainRun(view, table, place);
    runs.set(key, run);
    decision = baseDecision(run, chain, decision);
  }
  pass(Number.NEGATIVE_INFINITY);
  for (const run of runs.values()) for (const alone of run.alone.values()) release(alone);
  return decision;
}

/** A base chain: accepting in it ends it alone, dropping ends everything. */
function baseDecision(run: ChainRun, { name, base }: Chain, after: Decision, mapped?: Decision): Decision {
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
function natDecision(view: RulesetView, group: readonly BaseAt[], place: Place, after: Decision): Decision {
  let decision = after;
  for (const { table, chain } of [...group].reverse()) {
    decision = baseDecision(chainRun(view, table, place), chain, decision, after);
  }
  return decision;
}

/** nf_nat_core.c nf_nat_inet_fn: new flows, and flows that another one announced; errors are translated with their flow. */
function natPackets(space: PacketSpace): PacketSet {
  const icmp = space.layout.family === 'ipv4' ? 1 : 58;
  const errors = packetsWhere(space, { state: 'related', proto: icmp });
  return subtractPackets(packetsWhere(space, { state: ['new', 'related'] }), errors);
}

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
  if (hasField(layout, 'early state')) {
    const given = packetsWhere(space, { 'early state': 'untracked' });
    tracked = decide(given, fixFields(tracked, { state: 'untracked' }), tracked);
  }
  return tracked;
}

function rewrittenDecision(space: PacketSpace, decision: Decision, which: PacketSet): Decision {
  const bits = (name: string): PacketSet[] => fieldBits(space, name).map((bit) => asSet(space, bit));
  const other = fieldFrom(decision, { dst: bits('new dst'), dport: bits('new dport') });
  return decide(intersectPackets(which, natPackets(space)), other, decision);
}

/** Puts `forward` and `input` behind routing: `local` are the packets that are for this host. */
export function routedDecision(local: PacketSet, input: Decision, forward: Decision): Decision {
  return decide(local, input, forward);
}
