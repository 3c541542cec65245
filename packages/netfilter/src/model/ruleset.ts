// A ruleset in netfilter's own words. Compiled rulesets and rulesets read from the kernel are this one type.
import type { Expression } from './expression.ts';
import type { Value } from './value.ts';

export type TableFamily = 'ip' | 'ip6' | 'inet' | 'arp' | 'bridge' | 'netdev';
export type Hook = 'ingress' | 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'egress';

export type Verdict =
  | { readonly kind: 'accept' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'continue' }
  | { readonly kind: 'return' }
  | { readonly kind: 'jump'; readonly chain: string }
  | { readonly kind: 'goto'; readonly chain: string };

/** `elements` in a rule (anonymous), or the name of a set of the table. */
export type SetSource =
  | { readonly kind: 'elements'; readonly elements: readonly Value[] }
  | { readonly kind: 'named'; readonly name: string };

export interface MapEntry {
  readonly key: Value;
  readonly verdict: Verdict;
}

export type VerdictMap =
  | { readonly kind: 'entries'; readonly entries: readonly MapEntry[] }
  | { readonly kind: 'named'; readonly name: string };

export type MatchOperator = '==' | '!=' | '<' | '>' | '<=' | '>=' | 'in';

export interface Limit {
  readonly kind: 'limit';
  readonly rate: number;
  readonly per: string;
  /** Packets that may come at once; nft's own default is 5. */
  readonly burst: number;
  /** true: matches packets above the rate; false: those within. */
  readonly over: boolean;
}

export type Statement =
  | {
      readonly kind: 'match';
      readonly operator: MatchOperator;
      readonly left: Expression;
      readonly right: Value | SetSource;
    }
  | { readonly kind: 'vmap'; readonly key: Expression; readonly map: VerdictMap }
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  | {
      readonly kind: 'reject';
      readonly type: 'tcp reset' | 'icmpx' | 'icmp' | 'icmpv6';
      readonly code?: string;
    }
  | { readonly kind: 'counter'; readonly packets: number; readonly bytes: number }
  | { readonly kind: 'log'; readonly prefix?: string; readonly level?: string; readonly group?: number }
  | Limit
  | { readonly kind: 'mangle'; readonly key: Expression; readonly value: Value }
  | {
      readonly kind: 'dynset';
      readonly operation: 'add' | 'update';
      readonly set: string;
      readonly element: Expression;
      readonly statements: readonly Statement[];
    }
  | { readonly kind: 'unknown'; readonly raw: unknown };

export interface Rule {
  readonly comment?: string;
  /** The kernel's number for the rule; absent in a compiled ruleset. */
  readonly handle?: number;
  readonly statements: readonly Statement[];
}

/** What makes a chain a base chain: where the kernel calls it. */
export interface BaseChain {
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: Hook;
  readonly priority: number;
  readonly policy: 'accept' | 'drop';
}

export interface Chain {
  readonly name: string;
  readonly base?: BaseChain;
  readonly rules: readonly Rule[];
}

/** A named set. `elements` of a dynamic set are what packets put there: run-time state, not rules. */
export interface NamedSet {
  readonly name: string;
  readonly type: readonly string[];
  readonly interval: boolean;
  readonly dynamic: boolean;
  /** Seconds that an element lives. */
  readonly timeout?: number;
  readonly size?: number;
  readonly elements: readonly Value[];
}

export interface Table {
  readonly family: TableFamily;
  readonly name: string;
  readonly sets: readonly NamedSet[];
  readonly chains: readonly Chain[];
}

export interface Ruleset {
  readonly tables: readonly Table[];
}
