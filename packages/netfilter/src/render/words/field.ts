// What a rule reads, as a noun: `source address`, `mark`, `the connection's mark`.
import type { Expression, Operand } from '../../model/expression.ts';
import { allOf, anyOf, notUnderstood } from './list.ts';
import { namedMapWords, type Surroundings, valueWords } from './value.ts';

const PAYLOAD: Readonly<Record<string, string>> = {
  saddr: 'source address',
  daddr: 'destination address',
  sport: 'source port',
  dport: 'destination port',
  protocol: 'protocol',
  nexthdr: 'next header',
  ttl: 'time to live',
  hoplimit: 'hop limit',
  length: 'length',
  'frag-off': 'fragment offset',
};

const META: Readonly<Record<string, string>> = {
  iifname: 'incoming interface',
  oifname: 'outgoing interface',
  iif: 'incoming interface',
  oif: 'outgoing interface',
  iiftype: 'type of the incoming interface',
  oiftype: 'type of the outgoing interface',
  iifkind: 'kind of the incoming interface',
  oifkind: 'kind of the outgoing interface',
  iifgroup: 'group of the incoming interface',
  oifgroup: 'group of the outgoing interface',
  ibrname: 'incoming bridge',
  obrname: 'outgoing bridge',
  'physdev-in': 'incoming bridge port',
  'physdev-out': 'outgoing bridge port',
  mark: 'mark',
  l4proto: 'protocol',
  nfproto: 'IP version',
  protocol: 'link protocol',
  length: 'length',
  skuid: 'user of the socket',
  skgid: 'group of the socket',
  pkttype: 'packet type',
  priority: 'traffic class',
  cgroup: 'control group',
  rtclassid: 'routing realm',
  hour: 'time of day',
  day: 'day of the week',
  time: 'time',
  nftrace: 'tracing',
  random: 'a random number',
  cpu: 'processor',
  secmark: 'security mark',
  ipsec: 'IPsec',
  secpath: 'IPsec',
  socket: 'socket of this host',
};

const CT: Readonly<Record<string, string>> = {
  state: 'connection state',
  status: 'connection status',
  mark: "connection's mark",
  label: "connection's label",
  direction: 'direction in the connection',
  helper: 'connection helper',
  zone: 'conntrack zone',
  bytes: 'bytes of the connection',
  packets: 'packets of the connection',
  avgpkt: 'average packet of the connection',
  expiration: 'seconds until the connection expires',
  saddr: 'source address of the connection',
  daddr: 'destination address of the connection',
  'proto-src': 'source port of the connection',
  'proto-dst': 'destination port of the connection',
  protocol: 'protocol of the connection',
  l3proto: 'IP version of the connection',
  secmark: 'security mark of the connection',
  event: 'events told of the connection',
  id: 'number of the connection',
};

const FIB: Readonly<Record<string, string>> = {
  type: 'kind',
  oif: 'route',
  oifname: 'route',
};

/** The noun for what is read. */
export function fieldWords(expression: Expression, around: Surroundings): string {
  switch (expression.kind) {
    case 'payload': {
      const { protocol, field } = expression;
      const mac = protocol === 'ether' && (field === 'saddr' || field === 'daddr') ? ' (MAC)' : '';
      const of = ['ip', 'ip6', 'ether', 'th'].includes(protocol) ? '' : `${protocol} `;
      return PAYLOAD[field] === undefined ? `${protocol} ${field}` : `${of}${PAYLOAD[field]}${mac}`;
    }
    case 'raw payload':
      return `the ${expression.bits} bits at bit ${expression.offset} of the ${BASES[expression.base] ?? expression.base} header`;
    case 'exthdr':
      return part('IPv6 header', expression.name, expression.field);
    case 'tcp option':
      return part('TCP option', expression.name, expression.field);
    case 'ip option':
      return part('IP option', expression.name, expression.field);
    case 'sctp chunk':
      return part('SCTP chunk', expression.name, expression.field);
    case 'dccp option':
      return part('DCCP option', expression.name, expression.field);
    case 'meta':
      return META[expression.key] ?? `meta ${expression.key}`;
    case 'ct': {
      const noun = CT[expression.key] ?? `ct ${expression.key}`;
      return expression.direction === undefined ? noun : `${noun} (${expression.direction} direction)`;
    }
    case 'rt':
      return RT[expression.key] ?? `route's ${expression.key}`;
    case 'fib':
      return `${FIB[expression.result] ?? expression.result} of ${allOf(expression.flags.map(flagWords))}`;
    case 'socket':
      return `socket's ${expression.key}`;
    case 'osf':
      return `guessed operating system (${expression.key})`;
    case 'ipsec':
      return `IPsec ${expression.key} (${expression.direction})`;
    case 'numgen':
      return expression.mode === 'random'
        ? `a random number from ${numbers(expression)}`
        : `a number that counts from ${numbers(expression)}`;
    case 'hash':
      return `a hash of ${expression.of === undefined ? 'the flow' : fieldWords(expression.of, around)} from ${numbers(expression)}`;
    case 'concat':
      return allOf(expression.parts.map((each) => fieldWords(each, around)));
    case 'mask':
      return `${fieldWords(expression.of, around)} (bits ${valueWords(expression, expression.mask)})`;
    case 'bits': {
      const { left, operator, right } = expression;
      const shift = operator === '<<' || operator === '>>';
      const by = shift && right.kind === 'number' ? right.value : operandWords(expression, right, around);
      return `${fieldWords(left, around)} ${OPERATORS[operator]} ${by}`;
    }
    case 'map': {
      const key = fieldWords(expression.key, around);
      const { map } = expression;
      if (map.kind === 'named') return `what ${namedMapWords(map.name, around)} says for ${key}`;
      const entries = map.entries.map(
        (entry) => `${valueWords(expression.key, entry.key)} → ${valueWords(expression.key, entry.data)}`,
      );
      return `what ${key} says (${anyOf(entries)})`;
    }
    case 'constant':
      return valueWords(expression, expression.value);
    case 'unknown':
      return notUnderstood(expression.raw);
    default:
      throw new Error(expression satisfies never);
  }
}

/** A constant, or the noun for what is read in its place. */
export function operandWords(left: Expression, operand: Operand, around: Surroundings): string {
  return operand.kind === 'expression'
    ? definite(fieldWords(operand.expression, around))
    : valueWords(left, operand);
}

/** `the mark`; what has an article already, or needs none, stays. */
export function definite(noun: string): string {
  return /^(?:the|a|what|UNKNOWN) /.test(noun) || /^[0-9]/.test(noun) ? noun : `the ${noun}`;
}

const BASES: Readonly<Record<string, string>> = { ll: 'link', nh: 'network', th: 'transport', ih: 'inner' };

const RT: Readonly<Record<string, string>> = {
  mtu: "path's largest segment",
  nexthop: 'next hop',
  classid: 'routing realm',
  ipsec: 'IPsec on the route',
};

const OPERATORS = {
  '&': 'and-ed with',
  '|': 'or-ed with',
  '^': 'xor-ed with',
  '<<': 'shifted left by',
  '>>': 'shifted right by',
} as const;

function flagWords(flag: string): string {
  return (
    {
      saddr: 'the source',
      daddr: 'the destination',
      iif: 'the incoming interface',
      oif: 'the outgoing interface',
    }[flag] ?? `the ${flag}`
  );
}

function part(kind: string, name: string, field: string | undefined): string {
  return field === undefined ? `${kind} ${name}` : `${field} of ${kind} ${name}`;
}

function numbers({ modulus, offset }: { readonly modulus: number; readonly offset: number }): string {
  return `${offset} to ${offset + modulus - 1}`;
}
