// Random matches: conditions in nft's language that can stand in one rule together.
import type { Random } from './random.ts';
import type { Named } from './random-nft.ts';
import {
  apart,
  INTERFACES,
  MARKS,
  MASKS,
  PORT_RANGES,
  PORTS,
  STATES,
  V4,
  V4_RANGES,
  V6,
  V6_RANGES,
} from './random-values.ts';

/** What a rule's conditions may be about. `transport` `icmp`: that of the network. */
export type RuleContext = {
  readonly hook: string;
  /** Before connection tracking. */
  readonly early: boolean;
  readonly network: 'ip' | 'ip6' | undefined;
  readonly transport: 'tcp' | 'udp' | 'icmp' | undefined;
  readonly sets: readonly Named[];
};

/** At most `count` conditions. */
export function randomMatches(random: Random, context: RuleContext, count: number): string[] {
  const makers = makersFor(context);
  const found = Array.from({ length: count }, () => random.pick(makers)(random));
  // A rule that has a transport asks for it, so that what follows has the ports it needs.
  const { transport, network } = context;
  if (transport === undefined) return found;
  return [transportMatch(random, transport, network), ...found];
}

type Maker = (random: Random) => string;

const not: Maker = (random) => (random.chance(20) ? '!= ' : '');
const braces = (values: readonly string[]): string => `{ ${values.join(', ')} }`;
const oneOrSome = (random: Random, singles: readonly string[], ranges: readonly string[]): string => {
  const at = random.int(10);
  if (at < 4) return random.pick(singles);
  return at < 6 ? random.pick(ranges) : braces(apart(random, singles, 4));
};

function transportMatch(
  random: Random,
  transport: 'tcp' | 'udp' | 'icmp',
  network: RuleContext['network'],
): string {
  if (transport === 'icmp') {
    if (network === 'ip6')
      return `icmpv6 type ${not(random)}${random.pick(['echo-request', braces(['echo-request', 'time-exceeded']), 'nd-neighbor-solicit', '1-4'])}`;
    const v4 = [
      'echo-request',
      braces(['echo-request', 'destination-unreachable']),
      '8-13',
      'timestamp-request',
    ];
    return random.chance(80) ? `icmp type ${not(random)}${random.pick(v4)}` : 'icmp code 1';
  }
  const at = random.int(10);
  if (at < 5) return `${transport} dport ${not(random)}${oneOrSome(random, PORTS, PORT_RANGES)}`;
  if (at < 7) return `${transport} sport ${not(random)}${oneOrSome(random, PORTS, PORT_RANGES)}`;
  if (at < 8)
    return `${transport} dport ${random.pick(['<', '>', '<=', '>='])} ${random.pick(PORTS.slice(0, 6))}`;
  return `meta l4proto ${transport}`;
}

function makersFor(context: RuleContext): Maker[] {
  const { hook, network, transport } = context;
  const ports = transport === 'tcp' || transport === 'udp';
  const arrives = hook !== 'output';
  const leaves = hook === 'forward' || hook === 'output' || hook === 'postrouting';
  return [
    ...(network === undefined ? [] : networkMakers(network)),
    ...(transport === 'tcp' ? TCP_MAKERS : []),
    ...(context.early ? EARLY_MAKERS : TRACKED_MAKERS),
    ...(context.early || network === undefined
      ? []
      : [
          (random: Random) =>
            `ct original ${network} ${random.pick(['saddr', 'daddr'])} ${not(random)}${random.pick(network === 'ip' ? V4 : V6)}`,
        ]),
    ...setMakers(context),
    (random) => `meta mark ${not(random)}${random.pick(MARKS)}`,
    (random) =>
      `meta mark & ${random.pick(MASKS)} ${random.pick(['==', '!='])} ${random.pick(['0', '0x10', '0x1'])}`,
    (random) => `meta mark & ${random.pick(MASKS)} == { 0x1, 0x10, 0 }`,
    (random) => `meta length ${random.pick(['< 60', '60-500', '> 1000', '!= 40'])}`,
    (random) =>
      `iifname ${not(random)}${random.pick(['"eth0"', '"eth*"', braces(INTERFACES.slice(1, 3)), '"lo"', '"nothing"'])}`,
    ...(arrives ? [(random: Random) => `iif ${not(random)}"lo"`] : []),
    ...(leaves
      ? [
          (random: Random) =>
            `oifname ${not(random)}${random.pick(['"eth0"', '"br*"', braces(['eth0', 'br0'])])}`,
        ]
      : []),
    ...(leaves && hook !== 'forward'
      ? [
          (random: Random) => `meta skuid ${not(random)}${random.pick(['0', '1000', '33-1000'])}`,
          () => 'meta skgid 33',
        ]
      : []),
    ...(hook === 'prerouting' || hook === 'input' || hook === 'forward'
      ? [
          (random: Random) =>
            `ether saddr ${not(random)}${braces(['02:00:00:00:01:02', '02:00:00:00:ff:01'])}`,
        ]
      : []),
    ...(hook === 'input' || hook === 'prerouting'
      ? [(random: Random) => `meta pkttype ${not(random)}${random.pick(['host', 'broadcast', 'multicast'])}`]
      : []),
    ...(ports && !context.early
      ? [(random: Random) => `ct original proto-dst ${not(random)}${random.pick(PORTS)}`]
      : []),
    ...(transport === undefined && network === 'ip'
      ? [(random: Random) => `ip protocol ${not(random)}${random.pick(['tcp', braces(['udp', 'icmp'])])}`]
      : []),
    ...(transport === undefined
      ? [
          (random: Random) =>
            `meta l4proto ${not(random)}${random.pick(['tcp', braces(['tcp', 'udp']), 'gre', '89', 'esp', '0-17'])}`,
          (random: Random) =>
            `meta l4proto . th dport ${not(random)}${braces(['tcp . 22', 'udp . 53', 'tcp . 80-90'])}`,
        ]
      : []),
    ...(transport === 'tcp' || transport === 'udp'
      ? [(random: Random) => `th dport ${not(random)}${oneOrSome(random, PORTS, PORT_RANGES)}`]
      : []),
    ...(network === undefined ? [(random: Random) => `meta nfproto ${random.pick(['ipv4', 'ipv6'])}`] : []),
  ];
}

function networkMakers(network: 'ip' | 'ip6'): Maker[] {
  const v4 = network === 'ip';
  const [singles, ranges] = v4 ? [V4, V4_RANGES] : [V6, V6_RANGES];
  const address =
    (side: string): Maker =>
    (random) =>
      `${network} ${side} ${not(random)}${oneOrSome(random, singles, ranges)}`;
  return [
    ...[address('saddr'), address('daddr'), address('saddr'), address('daddr')],
    (random) =>
      v4
        ? `ip saddr & 255.0.255.0 ${random.pick(['==', '!='])} 10.0.2.0`
        : 'ip6 saddr & ffff:ffff:0:ffff:: == 2001:db8:0:2::',
    (random) => `${network} ${v4 ? 'ttl' : 'hoplimit'} ${random.pick(['< 3', '64', '!= 64', '63', '3-63'])}`,
    (random) => `${network} dscp ${not(random)}${random.pick(['ef', 'cs0', braces(['af11', 'cs1'])])}`,
    (random) => `${network} ecn ${not(random)}${random.pick(['ect0', 'ce', 'not-ect'])}`,
    (random) =>
      `fib daddr type ${not(random)}${random.pick(['local', 'unicast', braces(['broadcast', 'multicast'])])}`,
    (random) => `fib saddr type ${not(random)}${random.pick(['local', 'unicast'])}`,
    ...(v4 ? [(random: Random) => `ip length ${random.pick(['< 60', '40', '> 1000'])}`] : []),
  ];
}

const TCP_MAKERS: Maker[] = [
  (random) => `tcp flags ${random.pick(['syn', 'fin', 'ack', 'rst'])}`,
  (random) =>
    `tcp flags & (fin | syn | rst | ack) ${random.pick(['==', '!='])} ${random.pick(['syn', 'ack', 'fin | ack', '0x0'])}`,
  (random) => `tcp flags ${random.pick(['==', '!='])} ${random.pick(['syn', 'ack', 'syn | ack'])}`,
];

const EARLY_MAKERS: Maker[] = [(random) => `ct state ${not(random)}untracked`];

const TRACKED_MAKERS: Maker[] = [
  (random) => `ct state ${random.pick(STATES)}`,
  (random) => `ct state ${not(random)}${braces(random.some(STATES, 2))}`,
  (random) => `ct state ${random.some(STATES, 2).join(',')}`,
  (random) => `ct state ${random.pick(['established,related', 'new', 'invalid'])}`,
  (random) => `ct status ${random.pick(['dnat', 'snat', 'assured', 'seen-reply'])}`,
  (random) => `ct mark ${not(random)}${random.pick(MARKS)}`,
  (random) => `ct mark & 0xff == ${random.pick(['0x1', '0x10', '0'])}`,
  (random) => `ct direction ${random.pick(['original', 'reply'])}`,
];

function setMakers({ sets, network, transport }: RuleContext): Maker[] {
  const makers: Maker[] = [];
  const ports = transport === 'tcp' || transport === 'udp';
  const isOwn = (text: string): boolean =>
    network === 'ip' ? text.includes('ipv4_addr') : text.includes('ipv6_addr');
  for (const { kind, text } of sets) {
    if (kind === 'ports' && ports) makers.push((random) => `${transport} dport ${not(random)}@ports`);
    if (kind === 'links') makers.push((random) => `iifname ${not(random)}@links`);
    if (kind === 'services' && transport === undefined)
      makers.push((random) => `meta l4proto . th dport ${not(random)}@services`);
    if (network === undefined || !isOwn(text)) continue;
    if (kind === 'addresses' || kind === 'empty')
      makers.push((random) => `${network} ${random.pick(['saddr', 'daddr'])} ${not(random)}@${kind}`);
    if ((kind === 'pairs' || kind === 'wide') && ports)
      makers.push(
        (random) =>
          `${network} ${random.pick(['saddr', 'daddr'])} . ${transport} dport ${not(random)}@${kind}`,
      );
  }
  return makers;
}
