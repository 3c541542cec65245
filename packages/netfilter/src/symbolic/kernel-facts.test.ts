// What the kernel does with single packets, asked of the interpreter and of the symbolic run alike.
import { describe, expect, test } from 'vitest';
import { ct, meta, operand, payload } from '../model/expression.ts';
import type { Host } from '../model/host.ts';
import type { BaseChain, Hook, Ruleset, Table } from '../model/ruleset.ts';
import { match, type Statement, verdict } from '../model/statement.ts';
import { boolean, number, symbol } from '../model/value.ts';
import { type Address, parseAddress } from '../net/address.ts';
import { prefixOf } from '../net/prefix.ts';
import { readIptablesSave } from '../read/iptables-save.ts';
import { LEAF } from '../space/decision.ts';
import { type PacketFields, possibleLeaves } from '../space/packet-set.ts';
import { packetSpace } from '../space/packet-space.ts';
import { prepareWalk, type WalkPacket } from '../walk/walk.ts';
import { beginAnalysis, interfaceWord, spaceFor } from './analysis.ts';
import { roadDecision } from './road.ts';
import { viewOf } from './scope.ts';

const address = (text: string): Address => parseAddress(text)!;
const V4: PacketFields = {
  state: 'new',
  'early state': 'invalid',
  iif: 'eth0',
  oif: '-',
  proto: 6,
  src: address('198.51.100.4'),
  dst: address('203.0.113.1'),
  sport: 50_000,
  dport: 22,
  tcpflags: 2,
  ttl: 64,
  mark: 0,
};
const V6: PacketFields = { ...V4, src: address('2001:db8::4'), dst: address('2001:db8:1::1') };
const UDP: PacketFields = { ...V4, proto: 17, tcpflags: 0 };
const INVALID: PacketFields = { ...V4, state: 'invalid' };

type Rules = readonly (readonly Statement[])[];
const DROP = verdict({ kind: 'drop' });

function base(hook: Hook, priority: number, type: BaseChain['type'], rules: Rules): Table['chains'][number] {
  return {
    name: `${type} ${hook} ${priority}`,
    base: { type, hook, priority, policy: 'accept' },
    rules: rules.map((statements) => ({ statements })),
  };
}
const inet = (...chains: Table['chains']): Ruleset => ({
  tables: [{ family: 'inet', name: 't', sets: [], chains }],
});
const input = (...rules: Rules): Ruleset => inet(base('input', 0, 'filter', rules));
const forward = (...rules: Rules): Ruleset => inet(base('forward', 0, 'filter', rules));

/** What both say; `unknown` of either is a word of its own. */
function judged(ruleset: Ruleset, packet: WalkPacket, host?: Host): string {
  const walked = prepareWalk(ruleset, host)(packet).verdict;
  const { family, hook, fields } = packet;
  const asked = { family, rulesets: [ruleset], host, interfaces: ['eth0', 'eth1'] };
  const space = packetSpace(spaceFor(asked));
  const decision = roadDecision(viewOf(beginAnalysis(space, asked), ruleset), hook, { mark: 'any' });
  const known: Record<string, PacketFields[string]> = {};
  for (const { name } of space.layout.fields) {
    const value = fields[name];
    if (value === undefined) continue;
    known[name] = name === 'iif' || name === 'oif' ? interfaceWord(space, String(value)) : value;
  }
  const words = possibleLeaves(decision, known).map((leaf) =>
    Object.entries(LEAF)
      .find(([, number]) => number === leaf)
      ?.at(0),
  );
  const found = words.length === 1 ? String(words[0]) : 'unknown';
  return found === walked ? found : `symbolic ${found}, walked ${walked}`;
}

const HOST: Host = {
  links: ['eth0', 'eth1', 'lo'].map((name, i) => {
    const own = address(`203.0.113.${i + 1}`);
    const addresses = [{ address: own, prefix: prefixOf(own, 32) }];
    return { name, index: i + 2, loopback: name === 'lo', up: true, group: 0, addresses };
  }),
  routes: [
    route('198.51.100.0', 24, 'eth0'),
    route('198.51.100.0', 25, 'eth1'),
    route('2001:db8::', 32, 'eth0'),
    route('2001:db8::', 48, 'eth1'),
    route('fe80::', 64, 'eth0'),
    route('fe80::', 64, 'eth1'),
    route('2001:db8:9::', 64, 'eth0'),
    route('2001:db8:9::', 64, 'eth1'),
  ],
  rules: [],
  sysctls: {},
  missing: ['sysctls'],
};

function route(to: string, length: number, device: string): Host['routes'][number] {
  const prefix = prefixOf(address(to), length);
  const { family } = prefix;
  return { family, table: 254, type: 'unicast', prefix, metric: 0, nextHops: [{ device, dead: false }] };
}

const comesIn = (fields: PacketFields): WalkPacket => ({ family: familyOf(fields), hook: 'input', fields });
const goesThrough = (fields: PacketFields): WalkPacket => ({
  family: familyOf(fields),
  hook: 'forward',
  fields: { ...fields, oif: 'eth1' },
});
const familyOf = ({ src }: PacketFields) => (src as Address).family;

type Case = readonly [what: string, ruleset: Ruleset, packet: WalkPacket, expected: string];

describe('hops', () => {
  const ttlIs = (value: number) => match(payload('ip', 'ttl'), number(value));
  const before = inet(base('prerouting', -300, 'filter', [[ttlIs(64), DROP]]));
  const after = inet(base('postrouting', 0, 'filter', [[ttlIs(63), DROP]]));
  test.each<Case>([
    ['are one less for forwarding rules', forward([ttlIs(63), DROP]), goesThrough(V4), 'drop'],
    ['are not what they were', forward([ttlIs(64), DROP]), goesThrough(V4), 'accept'],
    ['down to none', forward([ttlIs(0), DROP]), goesThrough({ ...V4, ttl: 1 }), 'drop'],
    ['are all there before', before, goesThrough(V4), 'drop'],
    ['are one less after', after, goesThrough(V4), 'drop'],
    ['are all there for what is for the host', input([ttlIs(64), DROP]), comesIn(V4), 'drop'],
    [
      'count for IPv6',
      forward([match(payload('ip6', 'hoplimit'), number(63)), DROP]),
      goesThrough(V6),
      'drop',
    ],
    [
      'are as a rule wrote them before',
      inet(
        base('prerouting', -150, 'filter', [
          [{ kind: 'mangle', key: payload('ip', 'ttl'), value: number(5) }],
        ]),
        base('forward', 0, 'filter', [[ttlIs(4), DROP]]),
      ),
      goesThrough(V4),
      'drop',
    ],
  ])('%s', (_, ruleset, packet, expected) => {
    expect(judged(ruleset, packet)).toBe(expected);
  });
});

describe('conditions that a listing does not show', () => {
  const write = (protocol: string, field: string): Statement => ({
    kind: 'mangle',
    key: payload(protocol, field),
    value: number(9),
  });
  const reject = (type: 'tcp reset' | 'icmp' | 'icmpv6' | 'icmpx'): Statement => ({ kind: 'reject', type });
  const notMac = match(payload('ether', 'saddr'), number(7), '!=');
  const hops6 = input([write('ip6', 'hoplimit'), DROP]);
  test.each<Case>([
    ['a header of the other family', hops6, comesIn(V4), 'accept'],
    ['a header of this family', hops6, comesIn(V6), 'drop'],
    ['one that is read', input([write('ip', 'dscp'), DROP]), comesIn(V6), 'accept'],
    ['the header of a protocol', input([write('tcp', 'dport'), DROP]), comesIn(UDP), 'accept'],
    ['of that protocol', input([write('tcp', 'dport'), DROP]), comesIn(V4), 'drop'],
    ['a reset for UDP', input([reject('tcp reset')], [DROP]), comesIn(UDP), 'drop'],
    ['a reset for TCP', input([reject('tcp reset')], [DROP]), comesIn(V4), 'reject'],
    ['an ICMP error for IPv6', input([reject('icmp')], [DROP]), comesIn(V6), 'drop'],
    ['an ICMP error for IPv4', input([reject('icmp')], [DROP]), comesIn(V4), 'reject'],
    ['an ICMPv6 error for IPv6', input([reject('icmpv6')], [DROP]), comesIn(V6), 'reject'],
    [
      'a link address of loopback',
      input([notMac, DROP]),
      comesIn({ ...V4, iiftype: 772, smac: 0 }),
      'accept',
    ],
    ['a link address', input([notMac, DROP]), comesIn({ ...V4, iiftype: 1, smac: 5 }), 'drop'],
    ['one for either', input([reject('icmpx')], [DROP]), comesIn(V6), 'reject'],
  ])('%s', (_, ruleset, packet, expected) => {
    expect(judged(ruleset, packet)).toBe(expected);
  });
});

describe('flows', () => {
  const original = (family: string | undefined, text: string) =>
    match(ct('daddr', 'original', family), { kind: 'address', address: address(text) }, '!=');
  const markOfFlow: Statement = { kind: 'mangle', key: meta('mark'), value: operand(ct('mark')) };
  test.each<Case>([
    ['an IPv4 one has no IPv6 address', input([original('ip6', '::1'), DROP]), comesIn(V4), 'accept'],
    ['an IPv6 one has', input([original('ip6', '::1'), DROP]), comesIn(V6), 'drop'],
    ['there is none to take a mark from', input([markOfFlow, DROP]), comesIn(INVALID), 'accept'],
    ['there is one', input([markOfFlow, DROP]), comesIn(V4), 'drop'],
  ])('%s', (_, ruleset, packet, expected) => {
    expect(judged(ruleset, packet)).toBe(expected);
  });
  const redirected = inet(
    base('prerouting', -100, 'nat', [[{ kind: 'nat', type: 'redirect', flags: [] }]]),
    base('input', 0, 'filter', [[match(ct('status'), symbol('dnat'), 'in'), DROP]]),
  );
  const OTHER = { ...V4, dst: address('203.0.113.9'), status: 0 };
  test('one that is redirected to where it goes anyway does not count as translated', () => {
    expect(judged(redirected, comesIn({ ...V4, status: 0 }), HOST)).toBe('accept');
    expect(judged(redirected, comesIn(OTHER), HOST)).toBe('drop');
  });
  test('without knowledge of the host nobody can say, and the question stays small', () => {
    expect(judged(redirected, comesIn(OTHER))).toBe('unknown');
  });
});

describe('addrtype of IPv6', () => {
  const drops = (options: string): Ruleset =>
    readIptablesSave(`*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m addrtype ${options} -j DROP\nCOMMIT\n`, {
      family: 'ip6',
    }).ruleset;
  const to = (text: string, daddrtype: string): WalkPacket =>
    comesIn({ ...V6, dst: address(text), daddrtype });
  const local = to('2001:db8:1::1', 'local');
  const other = to('2001:db8:1::2', 'unicast');
  const group = to('ff02::1', 'multicast');
  test.each<Case>([
    ['local addresses are unicast', drops('--dst-type UNICAST'), local, 'drop'],
    ['and so are others', drops('--dst-type UNICAST'), other, 'drop'],
    ['groups are not', drops('--dst-type UNICAST'), group, 'accept'],
    ['nor are mapped ones', drops('--dst-type UNICAST'), to('::ffff:192.0.2.1', 'unicast'), 'accept'],
    ['both have to hold', drops('--dst-type LOCAL,UNICAST'), local, 'drop'],
    ['one is not enough', drops('--dst-type LOCAL,UNICAST'), other, 'accept'],
    ['nothing is a group and local', drops('--dst-type LOCAL,MULTICAST'), group, 'accept'],
    ['negated: not both', drops('! --dst-type LOCAL,UNICAST'), other, 'drop'],
    ['negated: both', drops('! --dst-type LOCAL,UNICAST'), local, 'accept'],
    ['a group', drops('--dst-type MULTICAST'), group, 'drop'],
    ['the unspecified address', drops('--dst-type UNSPEC'), to('::', 'unicast'), 'drop'],
  ])('%s', (_, ruleset, packet, expected) => {
    expect(judged(ruleset, packet)).toBe(expected);
  });
});

describe('the way back', () => {
  const missing = match({ kind: 'fib', result: 'oif', flags: ['saddr', 'iif'] }, boolean(false));
  const spoofed = inet(base('prerouting', -300, 'filter', [[missing, DROP]]));
  const from = (src: string, iif: string): WalkPacket =>
    comesIn({ ...(src.includes(':') ? V6 : V4), src: address(src), iif });
  test.each<readonly [string, WalkPacket, string]>([
    ['leads where it came in', from('198.51.100.200', 'eth0'), 'accept'],
    ['leads elsewhere', from('198.51.100.200', 'eth1'), 'drop'],
    ['by the longer prefix', from('198.51.100.4', 'eth1'), 'accept'],
    ['and not by the shorter one', from('198.51.100.4', 'eth0'), 'drop'],
    ['by the longer one in IPv6', from('2001:db8::4', 'eth1'), 'accept'],
    ['by either from a link-local address', from('fe80::4', 'eth1'), 'accept'],
    ['there is none', from('192.0.2.1', 'eth0'), 'drop'],
    ['of loopback', from('192.0.2.1', 'lo'), 'accept'],
  ])('%s', (_, packet, expected) => {
    expect(judged(spoofed, packet, HOST)).toBe(expected);
  });
  test('is not known where two routes of IPv6 are for the same network', () => {
    expect(judged(spoofed, from('2001:db8:9::4', 'eth1'), HOST)).toBe('unknown');
    expect(judged(spoofed, from('2001:db8:9::4', 'eth0'), HOST)).toBe('accept');
  });
  test('is not known without routes', () => {
    expect(judged(spoofed, from('192.0.2.1', 'eth0'))).toBe('unknown');
  });
});
