// The way of one concrete packet through the chains of a table at one hook: which rule decides.
import type { Expression, Operand } from '../model/expression.ts';
import type { SetSource } from '../model/inline-set.ts';
import type { Chain, Hook, Rule, Table } from '../model/ruleset.ts';
import type { Match, Statement } from '../model/statement.ts';
import type { Value } from '../model/value.ts';
import type { Verdict } from '../model/verdict.ts';
import type { Address } from '../net/address.ts';
import { prefixInterval } from '../net/prefix.ts';

/** A packet with what the kernel knows about it. Ports are absent in protocols without them. */
export interface Packet {
  /** A name as nft prints it: `tcp`, `udp`, `icmp`, `ipv6-icmp`, `esp`… */
  readonly protocol: string;
  readonly source: Address;
  readonly destination: Address;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** ICMP type by nft's name. */
  readonly icmpType?: string;
  readonly hopLimit?: number;
  readonly inInterface?: string;
  readonly outInterface?: string;
  readonly state: 'new' | 'established' | 'related' | 'invalid' | 'untracked';
  /** What `fib daddr type` answers on the host. */
  readonly destinationType: 'local' | 'broadcast' | 'multicast' | 'anycast' | 'unicast';
  /** Words of `ct status` that hold for the flow (`dnat`, `snat`, …). */
  readonly statuses?: ReadonlySet<string>;
  /** Bits of the flow's conntrack label; a walk returns those that the rules set on the way. */
  readonly labels: ReadonlySet<number>;
}

export interface WalkStep {
  readonly chain: string;
  /** undefined: the base chain's policy. */
  readonly rule: Rule | undefined;
}

export interface Walk {
  /** `unknown`: a rule that was not understood stood in the way. */
  readonly verdict: 'accept' | 'drop' | 'reject' | 'unknown';
  /** The rules that sent the packet on, the deciding one last. */
  readonly path: readonly WalkStep[];
  readonly labels: ReadonlySet<number>;
}

type Outcome =
  | { readonly kind: 'decided'; readonly verdict: Walk['verdict'] }
  | { readonly kind: 'fell through' };

/**
 * Sends the packet through the table's base chains at `hook`, by priority. A rate limit counts as not
 * exceeded. Tables of other owners at the same hook may still drop what is accepted here.
 */
export function walkHook(table: Table, hook: Hook, packet: Packet): Walk {
  const path: WalkStep[] = [];
  let labels = packet.labels;
  const chains = new Map(table.chains.map((chain) => [chain.name, chain]));
  const bases = table.chains
    .filter((chain) => chain.base?.hook === hook)
    .sort((a, b) => a.base!.priority - b.base!.priority);

  const walkChain = (chain: Chain): Outcome => {
    for (const rule of chain.rules) {
      const outcome = walkRule(chain, rule);
      if (outcome !== undefined) return outcome;
    }
    return { kind: 'fell through' };
  };

  /** undefined: the next rule of the same chain. */
  const walkRule = (chain: Chain, rule: Rule): Outcome | undefined => {
    for (const statement of rule.statements) {
      const effect = evaluate(statement, { ...packet, labels }, table);
      if (effect === 'next statement') continue;
      if (effect === 'next rule') return undefined;
      if (effect === 'unknown' || effect === 'reject') {
        path.push({ chain: chain.name, rule });
        return { kind: 'decided', verdict: effect };
      }
      if ('label' in effect) {
        labels = new Set([...labels, effect.label]);
        continue;
      }
      const outcome = follow(chain, rule, effect);
      if (outcome !== 'next statement') return outcome;
    }
    return undefined;
  };

  const follow = (chain: Chain, rule: Rule, verdict: Verdict): Outcome | 'next statement' | undefined => {
    switch (verdict.kind) {
      case 'continue':
        return 'next statement';
      case 'return':
        return { kind: 'fell through' };
      case 'accept':
      case 'drop':
        path.push({ chain: chain.name, rule });
        return { kind: 'decided', verdict: verdict.kind };
      case 'jump':
      case 'goto': {
        path.push({ chain: chain.name, rule });
        const target = chains.get(verdict.chain);
        if (target === undefined) return { kind: 'decided', verdict: 'unknown' };
        const outcome = walkChain(target);
        if (outcome.kind === 'decided' || verdict.kind === 'goto') return outcome;
        path.pop();
        return undefined;
      }
      default:
        throw new Error(verdict satisfies never);
    }
  };

  for (const base of bases) {
    const outcome = walkChain(base);
    if (outcome.kind === 'decided') {
      if (outcome.verdict !== 'accept') return { verdict: outcome.verdict, path, labels };
    } else {
      path.push({ chain: base.name, rule: undefined });
      if (base.base?.policy === 'drop') return { verdict: 'drop', path, labels };
    }
  }
  return { verdict: 'accept', path, labels };
}

type Effect = 'next statement' | 'next rule' | 'unknown' | 'reject' | { readonly label: number } | Verdict;

function evaluate(statement: Statement, packet: Packet, table: Table): Effect {
  switch (statement.kind) {
    case 'match': {
      const left = read(statement.left, packet);
      if (left === 'unknown') return 'unknown';
      if (left === undefined) return 'next rule';
      const equal = isIn(left, alternatives(statement), table);
      if (equal === 'unknown') return 'unknown';
      if (statement.operator === '==' || statement.operator === 'in') {
        return equal ? 'next statement' : 'next rule';
      }
      if (statement.operator === '!=' || statement.operator === '!') {
        return equal ? 'next rule' : 'next statement';
      }
      return 'unknown';
    }
    case 'vmap': {
      if (statement.map.kind === 'named') return 'unknown';
      const left = read(statement.key, packet);
      if (left === 'unknown') return 'unknown';
      if (left === undefined) return 'next rule';
      for (const entry of statement.map.entries) {
        const hit = holds(left, entry.key);
        if (hit === 'unknown') return 'unknown';
        if (hit) return entry.verdict;
      }
      return 'next rule';
    }
    case 'verdict':
      return statement.verdict;
    case 'reject':
      return 'reject';
    case 'limit':
      return statement.over ? 'next rule' : 'next statement';
    case 'dynset':
      return statement.statements.some((inner) => inner.kind === 'limit' && inner.over)
        ? 'next rule'
        : 'next statement';
    case 'counter':
    case 'log':
    case 'last':
    case 'dup':
    case 'effect':
    case 'ipset change':
      return 'next statement';
    case 'object':
      return statement.type === 'counter' ? 'next statement' : 'unknown';
    case 'or':
    case 'quota':
    case 'ct count':
    case 'reset':
    case 'nat':
    case 'tproxy':
    case 'fwd':
    case 'notrack':
    case 'queue':
    case 'synproxy':
    case 'flow':
    case 'ipset':
    case 'free':
      return 'unknown';
    case 'mangle':
      return statement.key.kind === 'ct' && statement.key.key === 'label' && statement.value.kind === 'number'
        ? { label: statement.value.value }
        : 'unknown';
    case 'unknown':
      return 'unknown';
    default:
      throw new Error(statement satisfies never);
  }
}

/** Bits after `in` and `!` are alternatives; compared in any other way they have to be all there, and no others. */
function alternatives({ operator, right }: Match): Operand | SetSource {
  if (right.kind !== 'flags' || (operator !== 'in' && operator !== '!')) return right;
  return { kind: 'elements', elements: right.flags };
}

/** What stands in the packet: one scalar, several bits (labels, statuses), or one per part of a concatenation. */
type Reading =
  | { readonly kind: 'scalar'; readonly value: string | number | Address }
  | { readonly kind: 'bits'; readonly bits: ReadonlySet<number | string> }
  | { readonly kind: 'parts'; readonly parts: readonly Reading[] };

/** undefined: the packet has no such field, and the rule does not match whatever it compares with. */
function read(expression: Expression, packet: Packet): Reading | undefined | 'unknown' {
  switch (expression.kind) {
    case 'payload':
      return scalar(readPayload(expression.protocol, expression.field, packet));
    case 'meta':
      return scalar(readMeta(expression.key, packet));
    case 'ct':
      if (expression.direction !== undefined) return 'unknown';
      if (expression.key === 'state') return { kind: 'scalar', value: packet.state };
      if (expression.key === 'status') return { kind: 'bits', bits: packet.statuses ?? new Set() };
      return expression.key === 'label' ? { kind: 'bits', bits: packet.labels } : 'unknown';
    case 'fib':
      return expression.result === 'type' && expression.flags.join() === 'daddr'
        ? { kind: 'scalar', value: packet.destinationType }
        : 'unknown';
    case 'concat': {
      const parts: Reading[] = [];
      for (const part of expression.parts) {
        const reading = read(part, packet);
        if (reading === undefined || reading === 'unknown') return reading;
        parts.push(reading);
      }
      return { kind: 'parts', parts };
    }
    case 'raw payload':
    case 'exthdr':
    case 'tcp option':
    case 'ip option':
    case 'sctp chunk':
    case 'dccp option':
    case 'rt':
    case 'socket':
    case 'osf':
    case 'ipsec':
    case 'numgen':
    case 'hash':
    case 'mask':
    case 'bits':
    case 'map':
    case 'constant':
    case 'unknown':
      return 'unknown';
    default:
      throw new Error(expression satisfies never);
  }
}

type Scalar = string | number | Address;

function scalar(value: Scalar | undefined | 'unknown field'): Reading | undefined | 'unknown' {
  if (value === 'unknown field') return 'unknown';
  return value === undefined ? undefined : { kind: 'scalar', value };
}

function readPayload(protocol: string, field: string, packet: Packet): Scalar | undefined | 'unknown field' {
  if (protocol === 'ip' || protocol === 'ip6') {
    if (packet.source.family !== (protocol === 'ip' ? 'ipv4' : 'ipv6')) return undefined;
    if (field === 'saddr') return packet.source;
    if (field === 'daddr') return packet.destination;
    return field === 'hoplimit' || field === 'ttl' ? packet.hopLimit : 'unknown field';
  }
  if (protocol === 'tcp' || protocol === 'udp' || protocol === 'th') {
    if (protocol !== 'th' && packet.protocol !== protocol) return undefined;
    if (field === 'dport') return packet.destinationPort;
    return field === 'sport' ? packet.sourcePort : 'unknown field';
  }
  if (protocol === 'icmp' || protocol === 'icmpv6') {
    if (packet.protocol !== (protocol === 'icmp' ? 'icmp' : 'ipv6-icmp')) return undefined;
    return field === 'type' ? packet.icmpType : 'unknown field';
  }
  return 'unknown field';
}

function readMeta(key: string, packet: Packet): Scalar | 'unknown field' {
  switch (key) {
    case 'iifname':
    case 'iif':
      return packet.inInterface ?? '';
    case 'oifname':
    case 'oif':
      return packet.outInterface ?? '';
    case 'l4proto':
      return packet.protocol;
    case 'nfproto':
      return packet.source.family;
    default:
      return 'unknown field';
  }
}

function isIn(reading: Reading, right: Operand | SetSource, table: Table): boolean | 'unknown' {
  if (right.kind === 'expression') return 'unknown';
  if (right.kind !== 'named' && right.kind !== 'elements') return holds(reading, right);
  const set = right.kind === 'named' ? table.sets.find(({ name }) => name === right.name) : right;
  if (set === undefined) return 'unknown';
  let unknown = false;
  for (const element of set.elements) {
    const hit = holds(reading, element);
    if (hit === true) return true;
    if (hit === 'unknown') unknown = true;
  }
  return unknown ? 'unknown' : false;
}

function holds(reading: Reading, value: Value): boolean | 'unknown' {
  if (reading.kind === 'bits') {
    if (value.kind === 'number') return reading.bits.has(value.value);
    return value.kind === 'symbol' ? reading.bits.has(value.name) : 'unknown';
  }
  if (reading.kind === 'parts') {
    if (value.kind !== 'concat' || value.parts.length !== reading.parts.length) return 'unknown';
    const hits = reading.parts.map((part, i) => holds(part, value.parts[i]!));
    return hits.includes(false) ? false : hits.includes('unknown') ? 'unknown' : true;
  }
  const { value: found } = reading;
  switch (value.kind) {
    case 'any':
      return true;
    case 'number':
      return typeof found === 'number' ? found === value.value : 'unknown';
    case 'symbol':
      if (typeof found !== 'string') return 'unknown';
      return value.name.endsWith('*') ? found.startsWith(value.name.slice(0, -1)) : found === value.name;
    case 'address':
      return isAddress(found)
        ? found.family === value.address.family && found.value === value.address.value
        : 'unknown';
    case 'prefix': {
      if (!isAddress(found)) return 'unknown';
      const { first, last } = prefixInterval(value.prefix);
      return found.family === value.prefix.family && found.value >= first && found.value <= last;
    }
    case 'range':
      return inRange(found, value.first, value.last);
    case 'flags':
    case 'boolean':
    case 'bytes':
    case 'concat':
    case 'unknown':
      return 'unknown';
    default:
      throw new Error(value satisfies never);
  }
}

function inRange(found: Scalar, first: Value, last: Value): boolean | 'unknown' {
  if (typeof found === 'number' && first.kind === 'number' && last.kind === 'number') {
    return found >= first.value && found <= last.value;
  }
  if (isAddress(found) && first.kind === 'address' && last.kind === 'address') {
    return (
      found.family === first.address.family &&
      found.value >= first.address.value &&
      found.value <= last.address.value
    );
  }
  return 'unknown';
}

function isAddress(value: Scalar): value is Address {
  return typeof value === 'object';
}
