// What a policy says, free of its spelling: defaults, groups and sentences in file order.
import type { IntervalSet, Prefix } from '@moat/netfilter';

export type Action = 'allow' | 'deny' | 'reject' | 'limit';
export type DefaultVerdict = 'allow' | 'deny' | 'reject';
export type Traffic = 'incoming' | 'outgoing' | 'routed';
export type LogLevel = 'off' | 'low' | 'medium' | 'high' | 'full';

/** `any` without ports means every protocol; with ports it means tcp and udp. */
export type SentenceProtocol = 'any' | 'tcp' | 'udp' | 'ah' | 'esp' | 'gre' | 'vrrp' | 'ipv6' | 'igmp';

export type EndpointAddress =
  | { readonly kind: 'any' }
  | { readonly kind: 'prefix'; readonly prefix: Prefix }
  | { readonly kind: 'group'; readonly name: string };

/** One side of a sentence. `ports` undefined means any port. */
export interface Endpoint {
  readonly address: EndpointAddress;
  readonly ports: IntervalSet<number> | undefined;
}

/** `allow from blog to any port 3306 proto tcp comment 'the blog'` */
export interface RuleSentence {
  readonly kind: 'rule';
  readonly action: Action;
  readonly direction: 'in' | 'out';
  readonly interface: string | undefined;
  readonly protocol: SentenceProtocol;
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** The sentence says nothing any more from then on: seconds since 1970. Absent: it does not end. */
  readonly until?: number;
  readonly comment: string | undefined;
}

/** `default deny incoming` */
export interface DefaultSentence {
  readonly kind: 'default';
  readonly verdict: DefaultVerdict;
  readonly traffic: Traffic;
}

/** `logging low` */
export interface LoggingSentence {
  readonly kind: 'logging';
  readonly level: LogLevel;
}

/** `group blog 203.0.113.7 2001:db8::7 blog.example.org`; several lines of one name add up. */
export interface GroupSentence {
  readonly kind: 'group';
  readonly name: string;
  readonly members: readonly Prefix[];
  /** Names of hosts, in lower case. */
  readonly names: readonly string[];
}

/**
 * `expect deny from any to any port mysql`: no rule, but what must hold of them all. `inInterface` is where the flow
 * comes in, `outInterface` where it leaves; only `routed` has both.
 */
export interface ExpectSentence {
  readonly kind: 'expect';
  readonly verdict: DefaultVerdict;
  readonly traffic: Traffic;
  readonly inInterface: string | undefined;
  readonly outInterface: string | undefined;
  readonly protocol: SentenceProtocol;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly comment: string | undefined;
}

export type Sentence = RuleSentence | DefaultSentence | LoggingSentence | GroupSentence | ExpectSentence;

export interface Group {
  readonly name: string;
  /** What it stands for now: what is written, and what the names were answered with. */
  readonly members: readonly Prefix[];
  /** The addresses and networks that are written. */
  readonly written: readonly Prefix[];
  /** Names of hosts, in lower case. */
  readonly names: readonly string[];
}

/** A whole policy. `rules` are in file order; the first that matches a flow decides. */
export interface Policy {
  readonly defaults: Readonly<Record<Traffic, DefaultVerdict>>;
  readonly logging: LogLevel;
  readonly groups: ReadonlyMap<string, Group>;
  readonly rules: readonly RuleSentence[];
  /** In file order. They decide nothing: a policy that does not keep them is not applied. */
  readonly expectations: readonly ExpectSentence[];
}

/** What holds where the file says nothing: closed, as ufw ships it. */
export const DEFAULTS: Readonly<Record<Traffic, DefaultVerdict>> = {
  incoming: 'deny',
  outgoing: 'allow',
  routed: 'deny',
};
export const DEFAULT_LOGGING: LogLevel = 'low';
