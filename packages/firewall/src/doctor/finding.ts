// One thing that will bite: what it is, why it matters, and the commands that mend it.
import type { Severity } from '../report/exposed-service.ts';
import type { Facts } from './facts.ts';

/** Names a kind of finding for scripts; these words do not change. */
export type FindingId =
  | 'other-manager'
  | 'flush-ruleset'
  | 'two-iptables'
  | 'docker-iptables'
  | 'kernel-feature'
  | 'nft-refused'
  | 'ipv6-forwarding'
  | 'ssh-port'
  | 'rule-ends'
  | 'clock'
  | 'oracle-disk'
  | 'boot-unit'
  | 'boot-rules'
  | 'not-loaded'
  | 'way-back-programs'
  | 'way-back-test'
  | 'drift'
  | 'interrupted'
  | 'pending'
  | 'torn-generation'
  | 'names';

export interface Finding {
  readonly id: FindingId;
  readonly severity: Severity;
  /** What was found, as a sentence without a full stop. */
  readonly what: string;
  /** What it leads to. */
  readonly why: string;
  /** What to type, in this order. */
  readonly mend: readonly string[];
}

/** Looks for one thing; empty: it is in order, or the facts do not tell. */
export type Check = (facts: Facts) => readonly Finding[];
