// The way of one packet through all the rules that it meets: which of them decides.
import type { Host } from '../model/host.ts';
import type { Ruleset } from '../model/ruleset.ts';
import type { IpFamily } from '../net/address.ts';
import type { PacketFields } from '../space/packet-set.ts';
import { makeSlots, type Slots } from './cell.ts';
import { fieldsOf, packetCells, type WalkPacket } from './packet.ts';
import type { Run, WalkUnknown, WalkVerdict } from './position.ts';
import { type Compiler, compiler } from './program.ts';
import { runStages } from './run.ts';
import { HOOKS_ON_THE_WAY, type Stage, stagesOf, type WalkHook } from './stages.ts';
import type { WalkStep } from './step.ts';
import { usesConntrack } from './track.ts';

export type { WalkPacket } from './packet.ts';
export type { WalkUnknown, WalkVerdict } from './position.ts';
export type { WalkHook } from './stages.ts';
export type { StepVerdict, WalkReason, WalkStep } from './step.ts';

export interface WalkResult {
  /** `unknown`: it depends on what nobody knows, or on what was not understood. */
  readonly verdict: WalkVerdict;
  /**
   * What the rules and policies did, in order, the deciding one last; empty when nobody asked for it. Of an unknown
   * verdict: as far as it is the same on all ways.
   */
  readonly path: readonly WalkStep[];
  /** The packet where it ended, after translation: what is known for sure. Empty when nobody asked for the path. */
  readonly fields: PacketFields;
  /** The conditions of which it is not known whether they hold; they may have made no difference. */
  readonly unknowns: readonly WalkUnknown[];
}

export interface PrepareOptions {
  /** `limits not exceeded`: rates, quotas and counts of connections are taken as not reached. */
  readonly assume?: 'limits not exceeded';
}

export interface WalkOptions {
  /** Default true. Without it a walk is faster. */
  readonly path?: boolean;
}

export type WalkFunction = (packet: WalkPacket, options?: WalkOptions) => WalkResult;

/**
 * A function that sends packets through the ruleset's base chains, hook after hook and by priority, as the kernel does
 * with the first packet of a flow (for other states than new: with a packet of a flow that has its translations).
 * Each chain is compiled when the first packet comes to its hook. `host`: for types of addresses; without it only
 * loopback, multicast and broadcast addresses have one, unless the packet says it (`daddrtype`).
 */
export function prepareWalk(ruleset: Ruleset, host?: Host, options: PrepareOptions = {}): WalkFunction {
  const ipsets = ruleset.ipsets && new Map(ruleset.ipsets.map((set) => [set.name, set]));
  const withinLimits = options.assume === 'limits not exceeded';
  const natRuns = usesConntrack(ruleset);
  const roads = new Map<string, { stages: readonly Stage[]; slots: Slots }>();
  const compilers = new Map<IpFamily, { compile: Compiler; slots: Slots }>();
  const roadOf = (family: IpFamily, hook: WalkHook) => {
    const key = `${family} ${hook}`;
    const known = roads.get(key);
    if (known !== undefined) return known;
    const slots = compilers.get(family)?.slots ?? coreSlots();
    const compile = compilers.get(family)?.compile ?? compiler({ slots, host, ipsets, withinLimits });
    compilers.set(family, { compile, slots });
    const road = {
      stages: stagesOf(ruleset, family, HOOKS_ON_THE_WAY[hook], compile, slots, natRuns),
      slots,
    };
    roads.set(key, road);
    return road;
  };
  return (packet, { path = true } = {}) => {
    const { stages, slots } = roadOf(packet.family, packet.hook);
    const run = runStages(stages, packetCells(packet, slots), path);
    return resultOf(run, slots, packet.family, path);
  };
}

/** With the fields that a packet is made with, whether rules read them or not. */
export function coreSlots(): Slots {
  const slots = makeSlots();
  for (const field of ['proto', 'icmptype', 'icmpcode', 'state', 'early state']) slots.of(field, 8);
  slots.of('no interface', 0);
  return slots;
}

export function resultOf(run: Run, slots: Slots, family: IpFamily, withPath: boolean): WalkResult {
  const [first, ...others] = run.ends;
  const agreed = first !== undefined && others.every(({ verdict }) => verdict === first.verdict);
  const verdict = agreed && !run.incomplete ? first.verdict : 'unknown';
  const { unknowns } = run;
  if (!withPath || first === undefined) return { verdict, path: [], fields: {}, unknowns };
  // What differs between the ends is not known.
  const cells = first.cells.map((cell, slot) =>
    others.every((end) => end.cells[slot] === cell) ? cell : undefined,
  );
  const lost = first.verdict === 'unknown' && unknowns.length <= 1;
  const path = verdict === 'unknown' && !lost ? first.path.slice(0, run.sure) : first.path;
  return { verdict, path, fields: fieldsOf(cells, slots, family), unknowns };
}
