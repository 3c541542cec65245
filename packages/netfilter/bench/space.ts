// What packet sets cost: first-match lists of three shapes in each order of variables, and large sets of addresses.
// `node --import tsx packages/netfilter/bench/space.ts [LARGEST]`: lists of 100, 1,000 … up to LARGEST rules (10,000).
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Interval, intervalSet } from '../src/net/interval.ts';
import { TooLarge } from '../src/space/bdd.ts';
import { packetBoxes } from '../src/space/boxes.ts';
import { always, decide, LEAF, packetsDecided } from '../src/space/decision.ts';
import { VARIABLE_ORDERS, type VariableOrder } from '../src/space/fields.ts';
import { diagramSize, leafFor, type PacketMatch, packetsWhere } from '../src/space/packet-set.ts';
import { hold, packetSpace, release, tidySpace } from '../src/space/packet-space.ts';

interface Rule {
  readonly match: PacketMatch;
  readonly isAllowed: boolean;
}

/** Numbers from 0 to 1 that look random and are the same each time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * srcport: any network, any range of ports, half of them allowed. random: 40 % also have any destination network.
 * real: 60 networks, 40 hosts, 20 services, four of five allowed.
 */
const SHAPES: Readonly<Record<string, (count: number, random: () => number) => Rule[]>> = {
  srcport: (count, random) => Array.from({ length: count }, () => anyRule(random, 0)),
  random: (count, random) => Array.from({ length: count }, () => anyRule(random, 0.4)),
  real: (count, random) => {
    const below = (end: number) => Math.floor(random() * end);
    const networks = Array.from({ length: 60 }, () => network(random, 16 + below(9)));
    const hosts = Array.from({ length: 40 }, () => network(random, 32));
    const services = Array.from({ length: 20 }, () => ({
      proto: random() < 0.7 ? 6 : 17,
      first: below(10_000),
      length: random() < 0.1 ? 10 : 0,
    }));
    return Array.from({ length: count }, () => {
      const { proto, first, length } = services[below(20)]!;
      const dport = { first, last: first + length };
      return {
        match: { src: networks[below(60)]!, dst: hosts[below(40)]!, proto, dport },
        isAllowed: random() < 0.8,
      };
    });
  },
};

function anyRule(random: () => number, withDestination: number): Rule {
  const below = (end: number) => Math.floor(random() * end);
  const first = below(65_536);
  return {
    match: {
      src: network(random, 8 + below(25)),
      ...(random() < withDestination && { dst: network(random, 8 + below(25)) }),
      proto: random() < 0.5 ? 6 : 17,
      dport: { first, last: Math.min(65_535, first + below(1000)) },
    },
    isAllowed: random() < 0.5,
  };
}

function network(random: () => number, length: number): Interval<number> {
  const size = 2 ** (32 - length);
  const first = Math.floor((random() * 2 ** 32) / size) * size;
  return { first, last: first + size - 1 };
}

/** CPU milliseconds of user and kernel: the machine may be busy with other things. */
function timed<T>(work: () => T): { value: T; ms: number } {
  const before = process.cpuUsage();
  const value = work();
  const { user, system } = process.cpuUsage(before);
  return { value, ms: (user + system) / 1000 };
}

const megabytes = (): string => `${Math.round(process.resourceUsage().maxRSS / 1024)} MB`;

/** Back to front, tidied up between the rules. */
function measureRules(shape: string, count: number, order: VariableOrder): string {
  const rules = SHAPES[shape]!(count, numbers(42));
  const space = packetSpace({ family: 'ipv4', order });
  const compile = () => {
    let all = hold(always(space, LEAF.drop));
    for (const { match, isAllowed } of rules.reverse()) {
      const next = hold(
        decide(packetsWhere(space, match), always(space, isAllowed ? LEAF.accept : LEAF.drop), all),
      );
      release(all);
      all = next;
      tidySpace(space);
    }
    return all;
  };
  try {
    const { value, ms } = timed(compile);
    const nodes = diagramSize(value);
    const boxes = timed(() => packetBoxes(packetsDecided(value, LEAF.accept), { limit: 20_000 }));
    const random = numbers(7);
    const packets = Array.from({ length: 60_000 }, () => ({
      src: Math.floor(random() * 2 ** 32),
      dst: Math.floor(random() * 2 ** 32),
      proto: 6,
      dport: Math.floor(random() * 65_536),
    }));
    const walk = timed(() => packets.filter((packet) => leafFor(value, packet) === LEAF.accept).length);
    const { boxes: list, complete } = boxes.value;
    return [
      `${ms.toFixed(0)} ms`,
      `${nodes} nodes`,
      megabytes(),
      `${list.length}${complete ? '' : '+'} boxes ${boxes.ms.toFixed(0)} ms`,
      `60,000 packets ${walk.ms.toFixed(0)} ms`,
    ].join(', ');
  } catch (error) {
    if (error instanceof TooLarge) return `too large: ${error.message}, ${megabytes()}`;
    throw error;
  }
}

function measureAddresses(count: number, bits: 32 | 128): string {
  const random = numbers(1);
  const word = () => BigInt(Math.floor(random() * 2 ** 32));
  // IPv6 as it is handed out: any host of any of 1,000 networks of 64 bits.
  const networks = Array.from({ length: 1000 }, () => (0x2001_0db8n << 32n) | word());
  const address = (): bigint =>
    bits === 32 ? word() : (networks[Math.floor(random() * 1000)]! << 64n) | (word() << 32n) | word();
  const list = intervalSet(
    Array.from({ length: count }, () => {
      const value = address();
      return { first: value, last: value };
    }),
  );
  const space = packetSpace({ family: bits === 32 ? 'ipv4' : 'ipv6' });
  const { value, ms } = timed(() => packetsWhere(space, { src: list }));
  return `${ms.toFixed(0)} ms, ${diagramSize(value)} nodes, ${megabytes()}`;
}

const [, , ...words] = process.argv;
if (words[0] === 'rules') console.log(measureRules(words[1]!, Number(words[2]), words[3] as VariableOrder));
else if (words[0] === 'addresses')
  console.log(measureAddresses(Number(words[1]), words[2] === '32' ? 32 : 128));
else {
  const largest = Number(words[0] ?? 10_000);
  /** Each in a process of its own: cold, and with a peak of memory that is its own. */
  const show = (name: string, given: readonly string[]): void => {
    const done = spawnSync(
      process.execPath,
      [...process.execArgv, fileURLToPath(import.meta.url), ...given],
      {
        encoding: 'utf8',
      },
    );
    console.log(`${name.padEnd(26)}${done.status === 0 ? done.stdout.trim() : done.stderr}`);
  };
  for (const bits of ['32', '128'])
    for (const count of ['10000', '100000'])
      show(`${count} addresses of ${bits} bits`, ['addresses', count, bits]);
  for (const shape of Object.keys(SHAPES)) {
    for (let count = 100; count <= largest; count *= 10) {
      for (const order of Object.keys(VARIABLE_ORDERS))
        show(`${shape} ${count} ${order}`, ['rules', shape, String(count), order]);
    }
  }
}
