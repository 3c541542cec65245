// Differences between rulesets, held against the kernel: each packet that is told as an example flips, and packets outside of
// all differences fare as before.
import {
  type Address,
  differenceBoxes,
  type FieldValue,
  type Host,
  type HostRoute,
  type IpFamily,
  inSomeOrder,
  interfaceWord,
  intersectPackets,
  type PacketSet,
  type PacketSpace,
  packetsWhere,
  pairInput,
  parsePrefix,
  possibleLeaves,
  type Road,
  type RoadDifference,
  type Ruleset,
  rulesetDifferences,
  spaceFor,
} from '@moat/netfilter';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assertPrivateNetwork } from '../../../lab/guard.ts';
import { buildInjector, type Injector, type InjectorProgram } from '../../../lab/inject.ts';
import { completePacket, type KernelPacket } from '../../../lab/probe.ts';
import { CONTAINERS, PAIRS, type Pair, TRANSLATIONS } from './difference-pairs.ts';
import { edgeDevices, edgePackets, mixFor } from './edge-packets.ts';
import { loadRuleset, type RulesetText } from './kernel-ruleset.ts';
import { probeHost } from './probe-host.ts';
import { randomFrom } from './random.ts';
import { replay } from './replay.ts';

assertPrivateNetwork();

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

const FAMILIES: readonly IpFamily[] = ['ipv4', 'ipv6'];
const HOOKS: Readonly<Partial<Record<Road, KernelPacket['hook']>>> = {
  input: 'input',
  forward: 'forward',
  output: 'output',
};
const OUTSIDE = 1000;
/** Of routes to containers. */
const TABLE = 97;

async function loaded(texts: readonly RulesetText[]): Promise<Ruleset> {
  const read = await loadRuleset(injector, texts);
  if (read.kind === 'refused') throw new Error(read.message);
  return read.ruleset;
}

/** Packets that can be put in: interfaces that exist, and on the road to this host its own addresses. */
function injectable(space: PacketSpace, road: Road): PacketSet {
  const { family } = space.layout;
  const own = injector.devices.map(({ v4, v6 }) => (family === 'ipv4' ? v4 : v6));
  const [links] = space.layout.fields.flatMap((field) =>
    field.name === 'iif' && field.kind === 'words' ? [field] : [],
  );
  const names = links!.words.filter(
    (word) =>
      word !== 'lo' && (word === '*' || word === '-' || injector.devices.some(({ name }) => name === word)),
  );
  const has = (name: string): boolean => space.layout.fields.some((field) => field.name === name);
  const unicast =
    family === 'ipv4'
      ? [
          { first: 0x0100_0000n, last: 0x7eff_ffffn },
          { first: 0x8000_0000n, last: 0xdfff_ffffn },
        ]
      : [{ first: 0x2000n << 112n, last: (0x4000n << 112n) - 1n }];
  return packetsWhere(space, {
    state: ['new', 'untracked'],
    iif: names,
    oif: road === 'input' ? '-' : names,
    // Of other protocols not every packet can begin a flow.
    proto: ['tcp', 'udp'],
    src: unicast,
    dst: road === 'input' ? own : unicast,
    ...(has('daddrtype') ? { daddrtype: road === 'input' ? 'local' : 'unicast' } : {}),
    ...(has('ttl') ? { ttl: 64 } : {}),
    ...(has('label') ? { label: 0 } : {}),
    ...(has('status') ? { status: 0 } : {}),
  });
}

/** Loopback's own, and what nobody outside can send (its addresses, which the harness lets in all the same). */
function isMartian({ hook, fields }: KernelPacket): boolean {
  const isLoopback = (name: string): boolean => {
    const { family, value } = fields[name] as Address;
    return family === 'ipv4' ? value >> 24n === 127n : value === 1n;
  };
  if (fields['iif'] === 'lo' || fields['oif'] === 'lo') return true;
  return hook !== 'output' && (isLoopback('src') || isLoopback('dst'));
}

/** The harness leads packets to this host or through it whatever their destination; where rules ask for its type that matters. */
function goesItsWay({ hook, fields }: KernelPacket): boolean {
  const type = fields['daddrtype'];
  return hook === 'input' ? type !== 'unicast' : hook === 'output' || type === 'unicast';
}

function isOutside(
  space: PacketSpace,
  differences: readonly RoadDifference[],
  { hook, fields }: KernelPacket,
): boolean {
  const known: Record<string, FieldValue> = {};
  for (const field of space.layout.fields) {
    const value = fields[field.name];
    if (value === undefined) continue;
    const isInterface = (field.name === 'iif' || field.name === 'oif') && value !== '-';
    known[field.name] = isInterface ? interfaceWord(space, String(value)) : value;
  }
  return differences.every(
    ({ road, opened, closed, answered, silenced }) =>
      (road === 'input' || road === 'groups' ? 'input' : road) !== hook ||
      [opened, closed, answered, silenced].every(
        ({ possible }) => !possibleLeaves(possible, known).includes(1),
      ),
  );
}

const show = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `0x${each.toString(16)}` : each));

/** @param hostOf what is known of the kernel; undefined: where packets go is part of each */
async function holdsInKernel(
  [name, before, after]: Pair,
  hostOf: () => Host | undefined = () => undefined,
): Promise<void> {
  const random = randomFrom(7);
  const [first, second] = [await loaded(before), await loaded(after)];
  await injector.addDevices([...edgeDevices(first, random), ...edgeDevices(second, random)]);
  const host = hostOf();
  const witnesses: { kind: string; packet: KernelPacket }[] = [];
  const outside: KernelPacket[] = [];
  for (const family of FAMILIES) {
    const pair = { family, before: first, after: second, host } as const;
    const options = spaceFor({ ...pairInput(pair), interfaces: injector.devices.map((each) => each.name) });
    const done = inSomeOrder(options, (space) => {
      const { differences } = rulesetDifferences(space, pair);
      for (const difference of differences) {
        const hook = HOOKS[difference.road];
        if (hook === undefined) continue;
        const { road } = difference;
        const those = (set: PacketSet) => intersectPackets(set, injectable(space, road));
        const narrowed = Object.fromEntries(
          (['opened', 'closed', 'answered', 'silenced'] as const).map((kind) => [
            kind,
            { certain: those(difference[kind].certain), possible: those(difference[kind].certain) },
          ]),
        ) as unknown as RoadDifference;
        const { boxes } = differenceBoxes({ ...difference, ...narrowed, asked: those(difference.asked) });
        for (const { kind, example } of boxes) {
          const { state, iif, oif, src, dst, proto, sport, dport, tcpflags, ttl } = example;
          const fields = {
            state,
            iif,
            oif,
            src,
            dst,
            proto,
            sport,
            dport,
            tcpflags,
            ...(ttl === undefined ? {} : { ttl }),
          };
          witnesses.push({ kind, packet: { family, hook, fields } as KernelPacket });
        }
      }
      const mix = mixFor(first).filter(([of]) => of === family);
      const edges = [first, second].flatMap((ruleset) =>
        mix.length === 0 ? [] : edgePackets(ruleset, injector.devices, mix, random, 2 * OUTSIDE),
      );
      for (const packet of edges) {
        const complete = completePacket(packet, injector.devices);
        const isRouted =
          (host === undefined && !space.layout.fields.some(({ name }) => name === 'daddrtype')) ||
          goesItsWay(complete);
        if (isRouted && !isMartian(complete) && isOutside(space, differences, complete))
          outside.push(complete);
      }
    });
    expect(done.kind).toBe('done');
  }
  const told = await replay(
    injector,
    before,
    after,
    witnesses.map(({ packet }) => packet),
  );
  const flips = told.map((each, i) => [witnesses[i]!.kind, each.before, each.after]);
  for (const [i, [kind, was, is]] of flips.entries()) {
    const of = show(told[i]);
    if (kind === 'opened') expect([was === 'accept', is], of).toEqual([false, 'accept']);
    else if (kind === 'closed') expect([was, is === 'accept'], of).toEqual(['accept', false]);
    // Not every refusal is answered.
    else
      expect([was, is]).toEqual(
        kind === 'answered' ? ['drop', expect.any(String)] : [expect.any(String), 'drop'],
      );
  }
  expect(witnesses.length > 0).toBe(name !== 'an order that does not');
  const same = await replay(injector, before, after, outside);
  const astray = same.filter((each) => each.before !== each.after && each.before !== 'lost');
  expect(astray.slice(0, 2).map(show)).toEqual([]);
  expect(outside.length).toBeGreaterThan(OUTSIDE);
  console.log(`${name}: ${witnesses.length} witnesses, ${outside.length} packets outside`);
}

test.each(PAIRS)('the kernel sees what is told: %s', (...pair) => holdsInKernel(pair));

test('the kernel sees what is told of translations', async () => {
  await injector.addDevices(['eth0', 'docker0']);
  const links = CONTAINERS.map((text) => {
    const parsed = parsePrefix(text);
    if ('problem' in parsed) throw new Error(text);
    return parsed.prefix;
  });
  for (const [i, { family }] of links.entries()) {
    const ip = family === 'ipv4' ? 'ip -4' : 'ip -6';
    const script = `${ip} route add default dev docker0 table ${TABLE}
${ip} rule add pref 5 to ${CONTAINERS[i]} lookup ${TABLE}`;
    const { code, stderr } = await injector.run('sh', ['-ec', script]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  }
  const routes = links.map(
    (prefix): HostRoute => ({
      ...{ family: prefix.family, table: 254, type: 'unicast', metric: 0, prefix },
      nextHops: [{ device: 'docker0', dead: false }],
    }),
  );
  for (const pair of TRANSLATIONS)
    await holdsInKernel(pair, () => {
      const host = probeHost(injector.devices);
      return { ...host, routes: [...host.routes, ...routes] };
    });
});
