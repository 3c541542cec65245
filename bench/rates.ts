// Rates: new flows a second that a server takes in or turns away, with each firewall in front of it.
import type { Machine } from '../lab/machine.ts';
import { arrived, buildFlood, type Flood } from './flood.ts';
import { rowsText } from './rows.ts';
import { benchRules, CLOSED_PORT, moatGroupPolicy, moatPolicy, OPEN_PORT } from './rules.ts';
import { ratio, type Summary, summary, summaryText } from './statistics.ts';
import { createServer, createSource, enableMoat, enableUfw, removeServers, type Server } from './subjects.ts';

/** What the rates of one firewall are; ratios are to the two servers without a firewall, round by round. */
export type Rate = {
  readonly subject: string;
  readonly protocol: 'udp' | 'tcp';
  readonly fate: 'accepted' | 'dropped';
  /** Thousands of packets per second of one processor. */
  readonly thousands: Summary;
  /** Microseconds for one packet, from the sending program to the end of its way. */
  readonly micros: Summary;
  /** The best round of each through each other: what disturbs a round makes it slower, never faster. */
  readonly bestToConntrack: number;
  readonly toNothing: Summary;
  readonly toConntrack: Summary;
};

/** `busy`: how much of the wall time the sender had the processor; the rest went to others on this machine. */
export type Rates = { readonly rates: readonly Rate[]; readonly busy: Summary };

type Subject = { readonly name: string; readonly server: Server; readonly filters: boolean };
type Way = { readonly protocol: 'udp' | 'tcp'; readonly fate: 'accepted' | 'dropped' };

const NOTHING = 'no firewall';
const AGAIN = 'no firewall, again';
const CONNTRACK = 'no firewall, conntrack on';
const BY_HAND = 'nft by hand, stateful';

const ROUNDS = 15;
const BURST_MS = 80;

/** The rule looks at outgoing packets only; that it names ct is what makes the kernel track flows. */
const CONNTRACK_RULE = `table ip tracking {
  chain output { type filter hook output priority 0; policy accept; ct state invalid counter
  }
}
`;

/** What a careful admin would write without any tool: the least that a stateful firewall does. */
const RULES_BY_HAND = `table inet by_hand {
  chain input {
    type filter hook input priority 0; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iif "lo" accept
    meta l4proto { tcp, udp } th dport ${OPEN_PORT} accept
  }
}
`;

type Preparation = readonly [name: string, prepare: (server: Server) => Promise<Partial<Ended>>];
type Ended = { destroy(): Promise<void> };

const SUBJECTS: readonly Preparation[] = [
  [NOTHING, async () => ({})],
  [AGAIN, async () => ({})],
  [CONNTRACK, (server) => load(server, CONNTRACK_RULE)],
  [BY_HAND, (server) => load(server, RULES_BY_HAND)],
  ...[10, 1000, 10_000].map(
    (count): Preparation => [
      `moat, ${count} rules`,
      (server) => enableMoat(server, moatPolicy(benchRules(count))),
    ],
  ),
  ['moat, group of 100000', (server) => enableMoat(server, moatGroupPolicy(100_000))],
  ...[10, 1000, 10_000].map(
    (count): Preparation => [`ufw, ${count} rules`, (server) => enableUfw(server, count)],
  ),
];

async function load(server: Server, rules: string): Promise<Partial<Ended>> {
  await server.machine.output('nft', ['-f', '-'], { input: rules });
  return {};
}

/** Prepares a server for each firewall, then sends bursts to all of them in turns. */
export async function measureRates(log: (line: string) => void): Promise<Rates> {
  const flood = await buildFlood();
  const source = await createSource();
  const subjects: Subject[] = [];
  const ends: (() => Promise<void>)[] = [];
  for (const [index, [name, prepare]] of SUBJECTS.entries()) {
    const begun = performance.now();
    const server = await createServer(`bench-${index}`, index);
    ends.push(await flood.sink(server.machine));
    const prepared = await prepare(server);
    ends.push(async () => prepared.destroy?.());
    subjects.push({ name, server, filters: ![NOTHING, AGAIN, CONNTRACK].includes(name) });
    log(`  ${name}: loaded in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  }
  const costs = new Map<string, number[]>();
  const busy: number[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    // Each round begins with another subject, so that none has always the same neighbour in time.
    const turn = ((round + 1) * 4) % subjects.length;
    for (const subject of [...subjects.slice(turn), ...subjects.slice(0, turn)]) {
      for (const way of waysOf(subject)) {
        const { packets, cpuNs, wallNs } = await oneBurst(flood, source, subject, way);
        // The first round warms caches up.
        if (round < 0) continue;
        const key = keyOf(subject.name, way);
        costs.set(key, [...(costs.get(key) ?? []), cpuNs / packets / 1000]);
        busy.push(cpuNs / wallNs);
      }
    }
  }
  for (const end of ends) await end();
  await flood.remove();
  await removeServers();
  return { rates: ratesOf(costs), busy: summary(busy) };
}

const keyOf = (name: string, { protocol, fate }: Way): string => `${name}/${protocol}/${fate}`;

const waysOf = ({ filters }: Subject): Way[] =>
  (filters ? (['dropped', 'accepted'] as const) : (['accepted'] as const)).flatMap((fate) =>
    (['udp', 'tcp'] as const).map((protocol) => ({ protocol, fate })),
  );

/** One burst, after which it is known that every packet met the fate that it was meant for. */
async function oneBurst(flood: Flood, source: Machine, { name, server }: Subject, way: Way) {
  const before = await arrived(server.machine);
  const burst = await flood.burst(source, server, {
    port: way.fate === 'accepted' ? OPEN_PORT : CLOSED_PORT,
    protocol: way.protocol,
    milliseconds: BURST_MS,
  });
  const there = (await arrived(server.machine)) - before;
  const wanted = way.fate === 'accepted' ? burst.packets : 0;
  if (there !== wanted) {
    throw new Error(
      `${name}, ${way.protocol} ${way.fate}: expected ${wanted} packets to arrive, got ${there}`,
    );
  }
  // The table of flows is one for all namespaces; what the next burst finds in it shall not depend on this one.
  if (way.fate === 'accepted') await server.machine.run('conntrack', ['-F']);
  return burst;
}

function ratesOf(costs: ReadonlyMap<string, readonly number[]>): Rate[] {
  return [...costs].map(([key, micros]): Rate => {
    const [subject = '', protocol, fate] = key.split('/') as [string, Way['protocol'], Way['fate']];
    const reference = (name: string): readonly number[] =>
      costs.get(keyOf(name, { protocol, fate: 'accepted' }))!;
    return {
      ...{ subject, protocol, fate },
      thousands: summary(micros.map((each) => 1000 / each)),
      micros: summary(micros),
      bestToConntrack: Math.min(...reference(CONNTRACK)) / Math.min(...micros),
      toNothing: ratio(reference(NOTHING), micros),
      toConntrack: ratio(reference(CONNTRACK), micros),
    };
  });
}

/** The table for people. */
export function ratesText({ rates, busy }: Rates): string {
  const tables = (['dropped', 'accepted'] as const).flatMap((fate) =>
    (['tcp', 'udp'] as const).map((protocol) => {
      const rows = SUBJECTS.flatMap(([name]) => {
        const rate =
          rates.find((each) => each.subject === name && each.protocol === protocol && each.fate === fate) ??
          // Where nothing is dropped, what is accepted is what dropping is compared with.
          rates.find((each) => each.subject === name && each.protocol === protocol);
        if (rate === undefined) return [];
        return [
          [
            name,
            summaryText(rate.thousands, 0),
            rate.micros.median.toFixed(2),
            summaryText(rate.toNothing, 2),
            summaryText(rate.toConntrack, 2),
            rate.bestToConntrack.toFixed(2),
          ],
        ];
      });
      const head = [
        `${protocol === 'tcp' ? 'TCP SYN' : 'UDP'}, ${fate}`,
        'thousand/s',
        'µs/packet',
        '÷ no firewall',
        '÷ conntrack on',
        'best ÷ best',
      ];
      return rowsText([head, ...rows]);
    }),
  );
  return [
    `Packets that begin a new flow, per second of one processor: median (min–max) of ${ROUNDS} rounds.`,
    `"${AGAIN}" is the same thing twice: how far its ratio is from 1 is the noise of this run.`,
    `The sender had the processor for ${summaryText(busy, 2)} of the wall time.`,
    `"best ÷ best": the fastest round of each, to conntrack on.`,
    ...tables.map((text) => `\n${text}`),
  ].join('\n');
}
