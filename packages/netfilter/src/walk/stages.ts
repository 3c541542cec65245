// The way of a packet through the hooks: which base chains it meets, in which order.

import { ADDRESS_TYPES, CT_STATES } from '../model/names.ts';
import type { BaseChain, Hook, Ruleset } from '../model/ruleset.ts';
import type { IpFamily } from '../net/address.ts';
import { type BaseAt, baseChains, CONNTRACK_PRIORITY } from '../semantics/base-chains.ts';
import type { Place } from '../semantics/reading.ts';
import type { Cell, Slots } from './cell.ts';
import { fieldPart } from './field.ts';
import type { Compiler } from './program.ts';
import { BREAK, type Part, type Program } from './step.ts';
import { tracking } from './track.ts';
import { WORD_BITS } from './word.ts';

export type WalkHook = 'input' | 'forward' | 'output';

export type Stage =
  | {
      readonly kind: 'chain';
      readonly program: Program;
      readonly base: BaseChain;
      /** Called for flows without a mapping of its kind. */
      readonly nat: boolean;
    }
  /** The kernel itself does something: connection tracking looks at the packet, a hop is counted. */
  | { readonly kind: 'kernel'; readonly run: (cells: Cell[]) => void }
  /** The nat chains of a hook follow, up to the stage `past`: for packets that open a flow. */
  | { readonly kind: 'nat'; readonly opens: Part; readonly past: number };

/** The hooks that a packet comes to on its way in, through or out. */
export const HOOKS_ON_THE_WAY: Readonly<Record<WalkHook, readonly Hook[]>> = {
  input: ['prerouting', 'input'],
  forward: ['prerouting', 'forward', 'postrouting'],
  output: ['output', 'postrouting'],
};

/** The stages for a packet of `family` at these hooks. */
export function stagesOf(
  ruleset: Ruleset,
  family: IpFamily,
  hooks: readonly Hook[],
  compile: Compiler,
  slots: Slots,
  natRuns: boolean,
): readonly Stage[] {
  const stages: Stage[] = [];
  for (const hook of hooks) {
    const first = hook === 'prerouting' || hook === 'output';
    const madeHere = hook === 'postrouting' && hooks.includes('output');
    const stage = ({ table, chain, priority }: BaseAt): Stage => {
      const early = first && priority < CONNTRACK_PRIORITY;
      const place: Place = { family, hook, early, ...(madeHere ? { madeHere } : {}) };
      const base = chain.base!;
      return { kind: 'chain', program: compile(table, chain, place), base, nat: base.type === 'nat' };
    };
    if (hook === 'forward') stages.push({ kind: 'kernel', run: forUnicast(slots) });
    const isNat = ({ chain }: BaseAt): boolean => chain.base!.type === 'nat';
    const bases = baseChains(ruleset, hook, family).filter((each) => natRuns || !isNat(each));
    const early = first ? bases.filter(({ priority }) => priority < CONNTRACK_PRIORITY) : [];
    stages.push(...early.map(stage));
    if (first) stages.push({ kind: 'kernel', run: tracking(slots, family) });
    if (hook === 'forward' && hooks.includes('prerouting')) stages.push({ kind: 'kernel', run: hop(slots) });
    // The kernel calls all chains of NAT as one.
    const nat = bases.filter(isNat);
    let others = bases.slice(early.length).filter((each) => !isNat(each));
    if (nat.length > 0) {
      const before = others.filter((each) => bases.indexOf(each) < bases.indexOf(nat[0]!));
      others = others.slice(before.length);
      stages.push(...before.map(stage));
      stages.push({ kind: 'nat', opens: opensFlow(slots), past: stages.length + 1 + nat.length });
      stages.push(...nat.map(stage));
    }
    stages.push(...others.map(stage));
  }
  return stages;
}

/** What routing passes on is for a unicast address; multicast routing aside. */
function forUnicast(slots: Slots): (cells: Cell[]) => void {
  const type = slots.of('daddrtype', WORD_BITS);
  return (cells) => {
    cells[type] ??= ADDRESS_TYPES.get('unicast');
  };
}

/** See `oneHopOn` in road.ts. */
function hop(slots: Slots): (cells: Cell[]) => void {
  const slot = slots.of('ttl', 8);
  return (cells) => {
    const left = cells[slot];
    cells[slot] = typeof left === 'number' ? Math.max(0, left - 1) : undefined;
  };
}

const ICMP: readonly Cell[] = [1, 58];

/** nf_nat_core.c nf_nat_inet_fn: NAT is for the first packet of a flow; errors are rewritten as the flow they tell of. */
function opensFlow(slots: Slots): Part {
  const states = ['related', 'new'].map((state) => CT_STATES.get(state)!);
  const set = states.map((state) => ({ first: state, last: state }));
  const part = fieldPart(slots, 'state', WORD_BITS, set, false);
  const state = slots.of('state', WORD_BITS);
  const protocol = slots.of('proto', 8);
  return {
    ...part,
    step: (walker) => {
      const isError = walker.cells[state] === states[0] && ICMP.includes(walker.cells[protocol]);
      return isError ? BREAK : part.step(walker);
    },
  };
}
