// What a rule is compiled to: steps that a packet takes one after the other, and where they lead.

import type { Expression } from '../model/expression.ts';
import type { FreeReason } from '../model/extension.ts';
import type { Host } from '../model/host.ts';
import type { Ipset } from '../model/ipset.ts';
import type { Hook, Rule, Table } from '../model/ruleset.ts';
import type { Place } from '../semantics/reading.ts';
import type { Cell, Scalar, Slots } from './cell.ts';

/** Where a step leads: on in the rule, to the next rule, to several places (nobody knows which), or out of the chain. */
export const NEXT = 0;
export const BREAK = 1;
export const FORK = 2;
export const ACCEPT = 3;
export const DROP = 4;
export const REJECT = 5;
export const RETURN = 6;
export const JUMP = 7;
export const GOTO = 8;
/** The end: what comes then is not known at all. */
export const LOST = 9;
export type Outcome = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

/** What a rule did to the packet. */
export type StepVerdict =
  | { readonly kind: 'accept' | 'drop' | 'reject' | 'return' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  /** A field was written: `mark`, `ctmark`, `dst`, …; no value: nobody knows which. */
  | { readonly kind: 'set'; readonly field: string; readonly value: number | bigint | string | undefined }
  | { readonly kind: 'nat'; readonly type: 'snat' | 'dnat' | 'masquerade' | 'redirect' | 'netmap' }
  | { readonly kind: 'notrack' | 'tproxy' | 'queue' }
  /** From here on nobody knows. */
  | { readonly kind: 'unknown' };

/** One thing that happened on the way. */
export interface WalkStep {
  readonly table: Table;
  readonly chain: string;
  readonly hook: Hook;
  readonly priority: number;
  /** undefined: the policy of the base chain. */
  readonly rule: Rule | undefined;
  readonly verdict: StepVerdict;
}

/** Why nobody knows whether a condition holds. */
export type WalkReason =
  | { readonly kind: 'free'; readonly reason: FreeReason }
  /** The packet was given without this field, or it depends on what is not known of the host. */
  | { readonly kind: 'field'; readonly field: string }
  | { readonly kind: 'not understood'; readonly raw: unknown };

export interface Walker {
  cells: Cell[];
  /** Where `JUMP` and `GOTO` lead. */
  target: Program | undefined;
  /** A mapping was set by a statement at the hook where the packet is. */
  mapped: boolean;
  /** What the rule that runs did; collected for the path. */
  readonly did: StepVerdict[] | undefined;
}

export type Step = (walker: Walker) => Outcome;

/** One of the places where the packet may go on; `narrow` writes down what is known of it then. */
export interface Way {
  readonly outcome: Outcome;
  readonly target?: Program;
  readonly narrow?: (walker: Walker) => void;
}

export interface Part {
  readonly step: Step;
  /** After FORK; absent: NEXT or BREAK. */
  readonly ways?: (walker: Walker) => readonly Way[];
  readonly why?: WalkReason;
  /** What it asks for: two parts of a rule with the same text here hold for the same packets. */
  readonly asks?: string;
  /** Whether the packet fares differently when the rule ends before this part. */
  readonly effect: boolean;
}

/** A compiled chain, at one place. */
export interface Program {
  readonly id: number;
  readonly table: Table;
  readonly chain: string;
  rules: readonly CompiledRule[];
}

export interface CompiledRule {
  readonly rule: Rule;
  readonly steps: readonly Step[];
  readonly parts: readonly Part[];
}

/** null: there is nothing to read, and the rule ends. undefined: nobody knows. Names of interfaces are strings. */
export type Read = (walker: Walker) => Scalar | string | undefined | null;

export interface Reader {
  /** Conditions before it, which end the rule. */
  readonly needs: readonly Part[];
  readonly read: Read;
  /** 0: a name. */
  readonly bits: number;
  /** Why `read` may say undefined. */
  readonly why: WalkReason;
  /** What is read is just this field. */
  readonly field?: string;
  /** All packets have the same. */
  readonly constant?: Scalar;
}

/** What compiling needs to know. */
export interface Context {
  readonly place: Place;
  readonly table: Table;
  readonly slots: Slots;
  readonly host: Host | undefined;
  readonly ipsets: ReadonlyMap<string, Ipset> | undefined;
  /** Rates, quotas and counts of connections are taken as not reached. */
  readonly withinLimits: boolean;
  readonly programOf: (chain: string) => Program | undefined;
  /** Reads an expression that is no concatenation. */
  readonly reader: (expression: Expression) => Reader;
}

/** A condition of which nobody knows whether it holds. */
export function unknownPart(why: WalkReason): Part {
  return { step: () => FORK, why, effect: false };
}

export function constantPart(outcome: Outcome): Part {
  return { step: () => outcome, effect: outcome !== NEXT && outcome !== BREAK };
}
