// From where each thing that listens can be reached, by the sentences in their order.
import { type Address, intervalSet, intervalSetHas, prefixInterval } from '@moat/netfilter';
import type { Answering, Listener } from '../kernel/listeners.ts';
import { type Match, matchCovers, matchesOverlap, matchOf } from '../policy/match.ts';
import type { Policy, RuleSentence } from '../policy/model.ts';
import { sideText } from './sides.ts';

export interface Reach {
  readonly listener: Listener;
  /** Where connections may come from, in words; empty: from nowhere outside this host. */
  readonly sources: readonly string[];
  /** Numbers of the sentences that open it, as in `moat status numbered`; 0 stands for the default. */
  readonly rules: readonly number[];
}

/** Things bound to loopback only are left out: nobody outside can dial them. `says`: whether a rule has not ended. */
export function reachOf(
  policy: Policy,
  listeners: readonly Listener[],
  says: (rule: RuleSentence) => boolean = () => true,
): Reach[] {
  return listeners
    .filter(({ address }) => !isLoopback(address))
    .map((listener) => reach(policy, listener, says));
}

function reach(policy: Policy, listener: Listener, says: (rule: RuleSentence) => boolean): Reach {
  const sources: string[] = [];
  const rules: number[] = [];
  const refused: { readonly rule: RuleSentence; readonly match: Match }[] = [];
  for (const [index, rule] of policy.rules.entries()) {
    if (!says(rule) || !concerns(rule, listener, policy)) continue;
    const match = matchOf(atListener(rule, listener), policy.groups);
    if (rule.action === 'deny' || rule.action === 'reject') refused.push({ rule, match });
    else if (!refused.some((earlier) => matchCovers(earlier.match, match))) {
      const but = refused.filter((earlier) => matchesOverlap(earlier.match, match)).map(({ rule }) => rule);
      sources.push(fromText(rule, but));
      rules.push(index + 1);
    }
    if (isTotal(rule, listener)) return { listener, sources, rules };
  }
  if (policy.defaults.incoming === 'allow') {
    sources.push(`anywhere${butText(refused.map(({ rule }) => rule))}`);
    rules.push(0);
  }
  return { listener, sources, rules };
}

/** What the sentence says of this one port, so that sentences with and without ports can be compared. */
function atListener(rule: RuleSentence, listener: Listener): RuleSentence {
  const { protocol, port } = listener;
  // No sentence can name sctp; those that concern it have no ports.
  if (protocol === 'sctp') return rule;
  // Where it names one of the addresses that the listener has, it stays a rule about that address.
  const address = coversAddress(rule, listener) ? ({ kind: 'any' } as const) : rule.to.address;
  return { ...rule, protocol, to: { address, ports: intervalSet([{ first: port, last: port }]) } };
}

function fromText(rule: RuleSentence, but: readonly RuleSentence[]): string {
  const limited = rule.action === 'limit' ? ' (limited)' : '';
  return `${placeText(rule)}${butText(but)}${limited}`;
}

function butText(rules: readonly RuleSentence[]): string {
  return rules.length === 0 ? '' : ` but ${rules.map(placeText).join(' and ')}`;
}

function placeText(rule: RuleSentence): string {
  const anywhere = rule.from.address.kind === 'any' && rule.from.ports === undefined;
  const from = anywhere
    ? 'anywhere'
    : sideText({ ...rule, protocol: 'any', interface: undefined }, 'from', 'ipv4');
  const to =
    rule.to.address.kind === 'any'
      ? ''
      : ` to ${sideText({ ...rule, protocol: 'any', to: { ...rule.to, ports: undefined }, interface: undefined }, 'to', 'ipv4')}`;
  return `${from}${rule.interface === undefined ? '' : ` on ${rule.interface}`}${to}`;
}

/** Decides for every source: what comes after it says nothing about this port. */
function isTotal(rule: RuleSentence, listener: Listener): boolean {
  const everySource =
    rule.from.address.kind === 'any' && rule.from.ports === undefined && rule.interface === undefined;
  return everySource && coversAddress(rule, listener);
}

/** Whether the rule is about every address at which the listener can be dialled. */
function coversAddress({ to }: RuleSentence, { address }: Listener): boolean {
  if (to.address.kind === 'any') return true;
  if (to.address.kind !== 'prefix' || to.address.prefix.family !== address.family) return false;
  const { first, last } = prefixInterval(to.address.prefix);
  // All addresses of the family are dialled at a listener on 0.0.0.0 or ::.
  return address.value === 0n
    ? to.address.prefix.length === 0
    : address.value >= first && address.value <= last;
}

function concerns(rule: RuleSentence, listener: Listener, policy: Policy): boolean {
  if (rule.direction !== 'in') return false;
  if (rule.protocol !== 'any' && rule.protocol !== listener.protocol) return false;
  if (rule.to.ports !== undefined) {
    if (listener.protocol === 'sctp' || !intervalSetHas(rule.to.ports, listener.port)) return false;
  }
  const { from, to } = rule;
  if (from.address.kind === 'prefix' && from.address.prefix.family !== listener.family) return false;
  if (from.address.kind === 'group') {
    const members = policy.groups.get(from.address.name)?.members ?? [];
    if (!members.some(({ family }) => family === listener.family)) return false;
  }
  if (to.address.kind !== 'prefix') return true;
  if (to.address.prefix.family !== listener.family) return false;
  if (listener.address.value === 0n) return true;
  const { first, last } = prefixInterval(to.address.prefix);
  return listener.address.value >= first && listener.address.value <= last;
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback({ family, value }: Address): boolean {
  return family === 'ipv4' ? value >> 24n === 127n : value === 1n;
}

/** `sshd`, `container some-app-container:80`. */
export function answeringText(what: Answering): string {
  switch (what.kind) {
    case 'process':
      return what.name;
    case 'container':
      return `container ${what.name}:${what.containerPort}`;
    case 'forward':
      return `forwarded to ${what.to}`;
    case 'unknown':
      return `not known (uid ${what.uid})`;
    default:
      throw new Error(what satisfies never);
  }
}
