// The way of a packet through the hooks: which base chains it meets, in which order.

import { ADDRESS_TYPES, CT_STATES } from '../model/names.ts';
import type { BaseChain, Chain, Hook, Ruleset, Table } from '../model/ruleset.ts';
import type { IpFamily } from '../net/address.ts';
import type { Place } from './reading.ts';
import type { Cell, Slots } from './walk-cell.ts';
import { fieldPart } from './walk-field.ts';
import type { Compiler } from './walk-program.ts';
import { BREAK, FORK, NEXT, type Part, type Program } from './walk-step.ts';
import { tracking } from './walk-track.ts';
import { WORD_BITS } from './walk-word.ts';

export type WalkHook = 'input' | 'forward' | 'output';

export type Stage =
  | {
      readonly kind: 'chain';
      readonly program: Program;
      readonly base: BaseChain;
      /** Called for flows without a mapping of its kind. */
      readonly nat: boolean;
    }
  /** Connection tracking looks at the packet. */
  | { readonly kind: 'track'; readonly run: (cells: Cell[]) => void }
  /** The nat chains of a hook follow, up to the stage `past`: for packets that open a flow. */
  | { readonly kind: 'nat'; readonly opens: Part; readonly past: number };

/** The hooks that a packet comes to on its way in, through or out. */
export const HOOKS_ON_THE_WAY: Readonly<Record<WalkHook, readonly Hook[]>> = {
  input: ['prerouting', 'input'],
  forward: ['prerouting', 'forward', 'postrouting'],
  output: ['output', 'postrouting'],
};

/** include/uapi/linux/netfilter_ipv4.h NF_IP_PRI_CONNTRACK, NF_IP_PRI_NAT_DST, NF_IP_PRI_NAT_SRC. */
const TRACKING = -200;
const NAT: Readonly<Partial<Record<Hook, number>>> = {
  prerouting: -100,
  output: -100,
  input: 100,
  postrouting: 100,
};

interface Base {
  readonly table: Table;
  readonly chain: Chain;
  readonly base: BaseChain;
}

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
    const stage = ({ table, chain, base }: Base): Stage => {
      const place: Place = {
        family,
        hook,
        early: first && base.priority < TRACKING,
        ...(madeHere ? { madeHere } : {}),
      };
      return { kind: 'chain', program: compile(table, chain, place), base, nat: base.type === 'nat' };
    };
    if (hook === 'forward') stages.push({ kind: 'track', run: forUnicast(slots) });
    const bases = basesAt(ruleset, family, hook);
    const nat = natRuns ? bases.filter(({ base }) => base.type === 'nat') : [];
    const others = bases.filter(({ base }) => base.type !== 'nat');
    const priority = NAT[hook] ?? 0;
    const early = first ? others.filter(({ base }) => base.priority < TRACKING) : [];
    const rest = others.slice(early.length);
    const before = nat.length === 0 ? rest : rest.filter((each) => each.base.priority < priority);
    stages.push(...early.map(stage));
    if (first) stages.push({ kind: 'track', run: tracking(slots, family) });
    stages.push(...before.map(stage));
    if (nat.length > 0) {
      const states = ['related', 'new'].map((state) => CT_STATES.get(state)!);
      const set = states.map((state) => ({ first: state, last: state }));
      const opens = fieldPart(slots, 'state', WORD_BITS, set, false);
      const past = stages.length + 2 + nat.length;
      stages.push({ kind: 'nat', opens, past }, { kind: 'nat', opens: noErrorPart(slots, family), past });
      stages.push(...nat.map(stage));
    }
    stages.push(...rest.slice(before.length).map(stage));
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

/** nf_nat_core.c nf_nat_inet_fn: an ICMP error is translated as the flow that it is about, without asking the chains. */
function noErrorPart(slots: Slots, family: IpFamily): Part {
  const related = CT_STATES.get('related')!;
  const icmp = family === 'ipv4' ? 1 : 58;
  const isRelated = fieldPart(slots, 'state', WORD_BITS, [{ first: related, last: related }], false);
  const isIcmp = fieldPart(slots, 'proto', 8, [{ first: icmp, last: icmp }], false);
  return {
    step: (walker) => {
      const outcomes = [isRelated.step(walker), isIcmp.step(walker)];
      if (outcomes.includes(BREAK)) return NEXT;
      return outcomes.includes(FORK) ? FORK : BREAK;
    },
    ways: (walker) => {
      const [state, proto] = [isRelated, isIcmp].map((part) => part.step(walker) === FORK);
      const [error, other] = [isRelated, isIcmp].map((part) => part.ways!(walker));
      return [
        // Which of the two is not so is known only if the other one is.
        { outcome: NEXT, ...(state && proto ? {} : { narrow: (state ? error : other)![1]!.narrow! }) },
        {
          outcome: BREAK,
          narrow: (each) => {
            for (const ways of [error, other]) ways![0]!.narrow!(each);
          },
        },
      ];
    },
    why: { kind: 'field', field: 'state' },
    effect: false,
  };
}

/** By priority; those of the same one in the order of the tables. nf_nat_core.c registers the nat chains as one. */
function basesAt({ tables }: Ruleset, family: IpFamily, hook: Hook): readonly Base[] {
  const own = family === 'ipv4' ? 'ip' : 'ip6';
  return tables
    .filter((table) => (table.family === 'inet' || table.family === own) && table.dormant !== true)
    .flatMap((table) =>
      table.chains.flatMap((chain) =>
        chain.base?.hook === hook ? [{ table, chain, base: chain.base }] : [],
      ),
    )
    .sort((a, b) => a.base.priority - b.base.priority);
}
