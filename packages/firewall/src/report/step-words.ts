// One step of a packet's way in words: the rule, whose it is, and for moat's own rules the sentence behind it.
import {
  type Address,
  bitsOf,
  intervalSet,
  type Owner,
  prefixOf,
  type Ruleset,
  ruleWords,
  type Table,
  type WalkPacket,
  type WalkStep,
} from '@moat/netfilter';
import { matchCovers, matchOf } from '../policy/match.ts';
import type { Endpoint, Policy, RuleSentence, SentenceProtocol } from '../policy/model.ts';
import { formatSentence } from '../policy/print.ts';
import type { PathStep } from './path-step.ts';
import { tableName } from './rule-place.ts';

/** The sentences that the loaded rules of moat were made from, each with the id that its rules carry. */
export interface PolicyNow {
  readonly policy: Policy;
  readonly ids: readonly string[];
}

export interface StepWords {
  /** The rule, or the policy, in words. */
  readonly rule: string;
  /** `docker (iptables nat/DOCKER rule 2)`. */
  readonly place: string;
  /** Why, in one line. */
  readonly why: string;
  readonly sentence: { readonly number: number; readonly text: string } | undefined;
  /** It only lets pass what was judged elsewhere. */
  readonly trivial: boolean;
  /** It carries out what another rule decided. */
  readonly helper: boolean;
}

export function stepWords(
  { table, rule, verdict }: WalkStep,
  step: PathStep,
  owner: Owner,
  ruleset: Ruleset,
  policy: PolicyNow | undefined,
  packet: WalkPacket,
): StepWords {
  const where = `${tableName(table)}/${step.chain}`;
  if (rule === undefined) {
    const words = `policy ${step.verdict}`;
    const who = owner.certainty === 'guess' ? '' : ` of ${owner.name}`;
    return {
      rule: words,
      place: placeOf(owner, `${where} policy`),
      why: `no rule${who} decides; ${words} of ${where}`,
      ...{ sentence: undefined, trivial: true, helper: false },
    };
  }
  const words = ruleWords(rule, table, ruleset.ipsets);
  const place = placeOf(owner, `${where} rule ${step.rule}`);
  const own = isOwn(table) ? /^moat:(.+)$/.exec(rule.comment ?? '')?.[1] : undefined;
  if (own === undefined) {
    return {
      rule: words,
      place,
      why: `${place}: ${words}`,
      sentence: undefined,
      trivial: false,
      helper: false,
    };
  }
  const id = /^([0-9a-f]{8})(?:\+\d+)?$/.exec(own);
  const sentence = id === null ? undefined : sentenceOf(policy, packet, own);
  const said = sentence === undefined ? undefined : `rule ${sentence.number}: ${sentence.text}`;
  return {
    rule: words,
    place,
    why: said ?? ownWords(own, verdict.kind, words) ?? `${place}: ${words}`,
    sentence,
    trivial:
      own === 'dialled-here' || (own === 'state' && verdict.kind !== 'accept' && verdict.kind !== 'drop'),
    helper: own === 'refuse',
  };
}

/** Where nothing tells whose it is the place must do. */
function placeOf({ name, certainty }: Owner, where: string): string {
  return certainty === 'guess' ? where : `${name} (${where})`;
}

/** What the comments of moat's own rules stand for. */
function ownWords(comment: string, verdict: string, words: string): string | undefined {
  const [, traffic] = /^default-(incoming|outgoing|routed)$/.exec(comment) ?? [];
  if (traffic !== undefined) {
    const deny = verdict === 'accept' ? 'allow' : verdict === 'drop' ? 'deny' : 'reject';
    return `no rule ${deny === 'allow' ? 'refuses' : 'allows'} it; default ${deny} (${traffic})`;
  }
  switch (comment) {
    case 'state':
      return verdict === 'drop' ? INVALID : 'part of a connection that was let through before';
    case 'invalid':
      return INVALID;
    case 'loopback':
      return 'loopback is always let through';
    case 'builtin':
      return `built in: ${words}`;
    default:
      return undefined;
  }
}

const INVALID = 'it belongs to no connection that the kernel knows (invalid)';

function isOwn({ family, name }: Table): boolean {
  return family === 'inet' && name === 'moat';
}

/**
 * The first sentence in the order of the policy that is about all such packets, or else the one whose id the rule carries
 * (`1f3a5c70+2`: it has two more).
 */
function sentenceOf(
  now: PolicyNow | undefined,
  packet: WalkPacket,
  comment: string,
): { readonly number: number; readonly text: string } | undefined {
  if (now === undefined) return undefined;
  const { policy, ids } = now;
  const named = ids.indexOf(comment.slice(0, 8));
  const told = (index: number) => ({ number: index + 1, text: formatSentence(policy.rules[index]!) });
  if (!comment.includes('+')) return named < 0 ? undefined : told(named);
  const like = matchOf(packetRule(packet), new Map());
  const first = policy.rules.findIndex((rule) => matchCovers(matchOf(rule, policy.groups), like));
  if (first >= 0) return told(first);
  return named < 0 ? undefined : told(named);
}

const NAMED: Readonly<Record<number, SentenceProtocol>> = {
  6: 'tcp',
  17: 'udp',
  51: 'ah',
  50: 'esp',
  47: 'gre',
  112: 'vrrp',
  41: 'ipv6',
  2: 'igmp',
};

/** The sentence protocol of a number; `any` for what no sentence can name. */
export function sentenceProtocol(proto: unknown): SentenceProtocol {
  return NAMED[Number(proto)] ?? 'any';
}

/** A rule that is about this packet alone, as far as it is known. */
function packetRule({ hook, fields }: WalkPacket): RuleSentence {
  const side = (address: unknown, port: unknown): Endpoint => ({
    address:
      typeof address === 'object'
        ? { kind: 'prefix', prefix: prefixOf(address as Address, bitsOf((address as Address).family)) }
        : { kind: 'any' },
    ports: typeof port === 'number' ? intervalSet([{ first: port, last: port }]) : undefined,
  });
  const direction = hook === 'output' ? 'out' : 'in';
  const name = fields[direction === 'out' ? 'oif' : 'iif'];
  return {
    kind: 'rule',
    action: 'allow',
    direction,
    interface: typeof name === 'string' && name !== '-' ? name : undefined,
    protocol: sentenceProtocol(fields['proto']),
    from: side(fields['src'], fields['sport']),
    to: side(fields['dst'], fields['dport']),
    comment: undefined,
  };
}
