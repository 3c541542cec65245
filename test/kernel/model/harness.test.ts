// The harness itself: without rules all packets come through, they are in the state they claim, and a model that is plainly
// right agrees with the kernel while one that is wrong does not.
import type { Address, Ruleset } from '@moat/netfilter';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assertPrivateNetwork } from '../../../lab/guard.ts';
import { buildInjector, type Injector, type InjectorProgram } from '../../../lab/inject.ts';
import { type KernelPacket, numberIn } from '../../../lab/probe.ts';
import { edgeDevices, edgePackets, mixFor } from './edge-packets.ts';
import { type Court, compare, type Judgement } from './judge.ts';
import { loadRuleset } from './kernel-ruleset.ts';
import { randomFrom } from './random.ts';

assertPrivateNetwork();

const SEED = 1;
const PACKETS = 4000;

let program: InjectorProgram;
let injector: Injector;
beforeAll(async () => {
  program = await buildInjector();
  injector = await program.start();
});
afterAll(async () => {
  await injector.close();
  await program.remove();
});

async function load(text: string): Promise<Ruleset> {
  const loaded = await loadRuleset(injector, [{ tool: 'nft', text }]);
  if (loaded.kind === 'refused') throw new Error(loaded.message);
  return loaded.ruleset;
}

/** Packets at the edges of `ruleset`. */
async function packetsFor(ruleset: Ruleset, count = PACKETS): Promise<KernelPacket[]> {
  const random = randomFrom(SEED);
  await injector.addDevices(edgeDevices(ruleset, random));
  return edgePackets(ruleset, injector.devices, mixFor(ruleset), random, count);
}

/** With the text of a packet: what was expected of it and what the kernel did. */
const show = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `0x${each.toString(16)}` : each));

const ALL_HOOKS = ['input', 'forward', 'output']
  .map((hook) => `chain ${hook} { type filter hook ${hook} priority 0; policy accept; }`)
  .join('\n');

const court = (name: string, judge: (packet: KernelPacket) => Judgement): Court => ({
  name,
  judge: () => judge,
});

/** Edges of all kinds, so that packets are made around them; no chain is called. */
const EDGES = `table inet edges { chain aside {
  ip saddr { 10.1.0.0/16, 192.0.2.7 }
  ip daddr { 224.0.0.251, 255.255.255.255, 198.51.100.0/24, 127.0.0.0/8 }
  ip6 saddr 2001:db8:1::/48
  ip6 daddr { ff02::fb, fe80::/10, 2001:db8:2::/64 }
  iifname { "eth0", "eth1.5", "wlan*", "lo" }
  oifname { "eth0", "br-x" }
  tcp dport 20-25
  udp sport 53
  meta l4proto { igmp, gre, esp, ah, sctp, 89, 200 }
  icmp type 0-255
  icmpv6 type 0-255
  ip ttl < 3
  ip dscp ef
  meta length 500
  meta skuid 33
  tcp flags fin
  ct mark 7
  ether saddr 02:00:00:00:01:02
}
}`;

test('without rules every packet comes to its end', async () => {
  await load(`${EDGES}\ntable inet t {\n${ALL_HOOKS}\n}`);
  const ruleset = await load(`${EDGES}\ntable inet t {\n${ALL_HOOKS}\n}`);
  const packets = await packetsFor(ruleset, 20_000);
  expect(packets.length).toBe(20_000);
  const verdicts = await injector.inject(packets);
  const astray = packets.filter((_, i) => verdicts[i] !== 'accept');
  expect(astray.slice(0, 5).map(show)).toEqual([]);
});

test.each(['new', 'established', 'related', 'invalid', 'untracked'])(
  'packets are in the state that they claim: %s',
  async (state) => {
    const hooks = ['input', 'forward', 'output'].map(
      (hook) =>
        `chain ${hook} { type filter hook ${hook} priority 0; policy drop; ct state ${state} accept; }`,
    );
    const ruleset = await load(`${EDGES}\ntable inet t {\n${hooks.join('\n')}\n}`);
    const packets = await packetsFor(ruleset);
    const { differences, verdicts } = await compare(
      injector,
      ruleset,
      [court('by state', ({ fields }) => (fields['state'] === state ? 'accept' : 'drop'))],
      packets,
    );
    expect(differences.slice(0, 5).map(show)).toEqual([]);
    expect(verdicts.get('accept')).toBeGreaterThan(100);
    expect(verdicts.get('lost')).toBeUndefined();
  },
);

const RULES = `table inet t {
  chain pre { type filter hook prerouting priority -300; policy accept; ip saddr 10.6.0.0/15 drop; }
  chain input { type filter hook input priority 0; policy drop;
    ct state established accept
    iifname "eth0" tcp dport 22-24 ct state new accept
    udp dport 53 reject
    ip6 saddr 2001:db8:1::/48 accept
  }
  chain forward { type filter hook forward priority 0; policy drop; oifname "eth1" accept; tcp dport 81 reject with tcp reset; }
  chain output { type filter hook output priority 0; policy accept; meta skuid 1000 drop; ip daddr 198.51.100.0/24 reject; }
}`;

const value = (packet: KernelPacket, name: string): bigint => (packet.fields[name] as Address).value;

/** RULES once more, in TypeScript. */
function plainly(packet: KernelPacket): Judgement {
  const { family, hook, fields } = packet;
  const v4 = family === 'ipv4';
  const isTcp = fields['proto'] === 6;
  const dport = numberIn(fields, 'dport');
  if (hook !== 'output' && v4 && value(packet, 'src') >> 17n === (10n * 256n + 6n) >> 1n) return 'drop';
  if (hook === 'input') {
    if (fields['state'] === 'established') return 'accept';
    if (fields['iif'] === 'eth0' && isTcp && dport >= 22 && dport <= 24 && fields['state'] === 'new')
      return 'accept';
    if (fields['proto'] === 17 && dport === 53) return 'reject';
    return !v4 && value(packet, 'src') >> 80n === 0x20010db80001n ? 'accept' : 'drop';
  }
  if (hook === 'forward') {
    if (fields['oif'] === 'eth1') return 'accept';
    return isTcp && dport === 81 ? 'reject' : 'drop';
  }
  if (fields['uid'] === 1000) return 'drop';
  return v4 && value(packet, 'dst') >> 8n === (198n << 16n) + (51n << 8n) + 100n ? 'reject' : 'accept';
}

describe('a model', () => {
  test('that is right agrees with the kernel about every packet', async () => {
    const ruleset = await load(RULES);
    const packets = await packetsFor(ruleset, 20_000);
    const { differences, verdicts } = await compare(injector, ruleset, [court('plainly', plainly)], packets);
    expect(differences.slice(0, 5).map(show)).toEqual([]);
    for (const verdict of ['accept', 'drop', 'reject'] as const)
      expect(verdicts.get(verdict)).toBeGreaterThan(500);
  });

  test.each<[string, (packet: KernelPacket) => Judgement]>([
    [
      'a port too many',
      (p) => (p.hook === 'input' && numberIn(p.fields, 'dport') === 25 ? 'accept' : plainly(p)),
    ],
    ['drop for reject', (p) => (plainly(p) === 'reject' ? 'drop' : plainly(p))],
    [
      'blind to established',
      (p) => plainly(p.hook === 'input' ? { ...p, fields: { ...p.fields, state: 'new' } } : p),
    ],
    ['blind to users', (p) => plainly(p.hook === 'output' ? { ...p, fields: { ...p.fields, uid: 0 } } : p)],
    [
      'blind to the way out',
      (p) => plainly(p.hook === 'forward' ? { ...p, fields: { ...p.fields, oif: 'eth1' } } : p),
    ],
  ])('that is wrong is found out: %s', async (_, wrong) => {
    const ruleset = await load(RULES);
    const packets = await packetsFor(ruleset);
    const { differences } = await compare(injector, ruleset, [court('wrong', wrong)], packets);
    expect(differences.length).toBeGreaterThan(0);
  });
});

test('traces tell the rules that a packet matched, and the one that decided', async () => {
  const loaded = await loadRuleset(injector, [{ tool: 'nft', text: RULES }], { trace: true });
  if (loaded.kind === 'refused') throw new Error(loaded.message);
  const { ruleset } = loaded;
  const packets = (await packetsFor(ruleset, 2000)).filter((packet) => packet.hook === 'input');
  const traces = await injector.trace(packets);
  const chain = ruleset.tables[0]!.chains.find(({ name }) => name === 'input')!;
  let byPolicy = 0;
  for (const [i, packet] of packets.entries()) {
    const last = traces[i]!.at(-1)!;
    const verdict = plainly(packet);
    if (last.chain === 'pre') {
      expect(verdict).toBe('drop');
      continue;
    }
    expect([last.family, last.table, last.chain]).toEqual(['inet', 't', 'input']);
    const place = chain.rules.findIndex(({ handle }) => handle === last.handle);
    const expected =
      packet.fields['state'] === 'established'
        ? 0
        : verdict === 'reject'
          ? 2
          : verdict === 'drop'
            ? -1
            : [1, 3];
    expect([expected].flat()).toContain(place);
    if (last.kind === 'policy') byPolicy += 1;
  }
  expect(byPolicy).toBeGreaterThan(100);
});
