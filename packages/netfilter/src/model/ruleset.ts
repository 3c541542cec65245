// A ruleset in netfilter's own words. Compiled rulesets and rulesets read from the kernel are this one type.
import type { Ipset } from './ipset.ts';
import type { Origin, Source } from './origin.ts';
import type { NamedMap, NamedSet } from './set.ts';
import type { ObjectType, Statement } from './statement.ts';

export type TableFamily = 'ip' | 'ip6' | 'inet' | 'arp' | 'bridge' | 'netdev';
export type Hook = 'ingress' | 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'egress';

export interface Rule {
  readonly comment?: string;
  /** The kernel's number for the rule; absent in a compiled ruleset. */
  readonly handle?: number;
  readonly statements: readonly Statement[];
  /** Absent in a compiled ruleset. */
  readonly origin?: Origin;
}

/** What makes a chain a base chain: where the kernel calls it. */
export interface BaseChain {
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: Hook;
  readonly priority: number;
  readonly policy: 'accept' | 'drop';
  /** The interfaces at whose door it stands, for the hooks ingress and egress. */
  readonly devices?: readonly string[];
}

export interface Chain {
  readonly name: string;
  readonly base?: BaseChain;
  readonly rules: readonly Rule[];
}

/** Something else that a table keeps under a name; its settings as nft or iptables tells them. */
export interface NamedObject {
  readonly type: ObjectType;
  readonly name: string;
  readonly settings: unknown;
}

/** Interfaces between which flows may pass by the rules. */
export interface Flowtable {
  readonly name: string;
  readonly hook: string;
  readonly priority: number;
  readonly devices: readonly string[];
}

export interface Table {
  readonly family: TableFamily;
  readonly name: string;
  readonly sets: readonly NamedSet[];
  readonly chains: readonly Chain[];
  readonly maps?: readonly NamedMap[];
  readonly objects?: readonly NamedObject[];
  readonly flowtables?: readonly Flowtable[];
  /** The kernel does not call its chains. */
  readonly dormant?: true;
  /** Absent in a compiled ruleset. The same name may stand for a table of nft and one of iptables-legacy. */
  readonly source?: Source;
  /** Objects and lines that were not understood and belong to no rule. */
  readonly unknown?: readonly unknown[];
}

export interface Ruleset {
  readonly tables: readonly Table[];
  /** The sets that iptables rules ask for. Absent: nobody looked. */
  readonly ipsets?: readonly Ipset[];
}
