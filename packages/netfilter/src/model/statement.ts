// What a rule is made of: conditions, effects, verdicts, in the order in which the kernel goes through them.
import type { Expression, Operand } from './expression.ts';
import type { FreeStatement, XtEffect } from './extension.ts';
import type { SetSource, VerdictMap } from './inline-set.ts';
import type { IpsetChange, IpsetMatch } from './ipset.ts';
import type { Duplicate, Forward, Nat, Tproxy } from './nat.ts';
import type { Value } from './value.ts';
import type { Verdict } from './verdict.ts';

/** On bit fields `in` asks for any of the bits on the right, `!` for none of them. */
export type MatchOperator = '==' | '!=' | '<' | '>' | '<=' | '>=' | 'in' | '!';

export interface Match {
  readonly kind: 'match';
  readonly operator: MatchOperator;
  readonly left: Expression;
  readonly right: Operand | SetSource;
}

export interface Limit {
  readonly kind: 'limit';
  readonly rate: number;
  readonly per: string;
  /** Packets (or units of `burstUnit`) that may come at once; nft's own default is 5 packets. */
  readonly burst: number;
  /** true: matches packets above the rate; false: those within. */
  readonly over: boolean;
  /** Of the rate; absent: packets. */
  readonly unit?: ByteUnit;
  readonly burstUnit?: ByteUnit;
}

export type ByteUnit = 'bytes' | 'kbytes' | 'mbytes';

export interface Log {
  readonly kind: 'log';
  readonly prefix?: string;
  readonly level?: string;
  /** Sent to the listeners of this nfnetlink group in place of the kernel's log. */
  readonly group?: number;
  readonly flags?: readonly string[];
  readonly snaplen?: number;
  readonly queueThreshold?: number;
}

export type Statement =
  | Match
  /** A miss ends the rule; a hit is a verdict. */
  | { readonly kind: 'vmap'; readonly key: Expression; readonly map: VerdictMap }
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  | {
      readonly kind: 'reject';
      readonly type: 'tcp reset' | 'icmpx' | 'icmp' | 'icmpv6';
      readonly code?: string;
    }
  /** One of the lists of conditions has to hold in full. nft has no word for it; iptables options mean it. */
  | { readonly kind: 'or'; readonly branches: readonly (readonly Statement[])[] }
  | { readonly kind: 'counter'; readonly packets: number; readonly bytes: number }
  | Log
  | Limit
  /** Matches until (`over`: as soon as) so many bytes have passed. */
  | { readonly kind: 'quota'; readonly bytes: number; readonly over: boolean }
  /** Matches while there are at most (`over`: more than) so many connections with this set element or rule. */
  | { readonly kind: 'ct count'; readonly count: number; readonly over: boolean }
  /** An object of the table by its name, or by a map that gives the name. */
  | { readonly kind: 'object'; readonly type: ObjectType; readonly name: Operand }
  /** Writes a field of the packet, its flow or its mark. */
  | { readonly kind: 'mangle'; readonly key: Expression; readonly value: Operand }
  /** Takes a TCP option out. */
  | { readonly kind: 'reset'; readonly option: Expression }
  /** Puts an element into a set, a map or a meter (or takes it out); inner statements are the element's own. */
  | {
      readonly kind: 'dynset';
      readonly operation: 'add' | 'update' | 'delete';
      readonly set: string;
      readonly element: Expression;
      readonly statements: readonly Statement[];
      /** What the key is mapped to, when `set` is a map. */
      readonly data?: Operand;
      /** Seconds that the element lives, when not the set's own. */
      readonly timeout?: number;
      /** The set was made by the rule itself: a meter. */
      readonly meter?: true;
    }
  | Nat
  | Tproxy
  | Duplicate
  | Forward
  /** The flow is not tracked: later rules see it as untracked, and NAT leaves it alone. */
  | { readonly kind: 'notrack' }
  /** A program decides. `bypass` among the flags: accept when no program listens. */
  | { readonly kind: 'queue'; readonly queue: Operand; readonly flags: readonly string[] }
  /** The kernel answers SYNs itself; only whole handshakes go on. */
  | {
      readonly kind: 'synproxy';
      readonly mss?: number;
      readonly wscale?: number;
      readonly flags: readonly string[];
    }
  /** From here on the flow's packets pass by the rules, through this flowtable. */
  | { readonly kind: 'flow'; readonly flowtable: string }
  /** Remembers when it was reached last. */
  | { readonly kind: 'last' }
  | IpsetMatch
  | IpsetChange
  | FreeStatement
  | XtEffect
  | { readonly kind: 'unknown'; readonly raw: unknown };

/** What a table can keep under a name and a rule can call. */
export type ObjectType =
  | 'counter'
  | 'quota'
  | 'limit'
  | 'ct helper'
  | 'ct timeout'
  | 'ct expectation'
  | 'synproxy'
  | 'secmark'
  | 'tunnel';

export function match(
  left: Expression,
  right: Operand | SetSource,
  operator: MatchOperator = '==',
): Statement {
  return { kind: 'match', operator, left, right };
}

export function verdict(of: Verdict): Statement {
  return { kind: 'verdict', verdict: of };
}

/** A value that stands for several is a set; a single one is itself. */
export function oneOf(values: readonly Value[]): Value | SetSource {
  return values.length === 1 ? values[0]! : { kind: 'elements', elements: values };
}
