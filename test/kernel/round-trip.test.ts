// Random policies: the kernel takes them, lists what was meant, and decides packets as the sentences say.
import { parseAddress, renderChange, renderReplacement, type Table, tableDifferences } from '@moat/netfilter';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { createNetwork, ipBatch, type Network } from '../../lab/network.ts';
import {
  type Flow,
  flowText,
  meaning,
  policies,
  policyText,
  type RandomPolicy,
  WIDE_WORLD,
  type World,
} from '../random-policy.ts';
import { loadedTable, tableOf } from './loaded.ts';

let network: Network;
let outside: Agent;
let server: Agent;

/** Addresses that the client has, networks around them, and two ports of which the second is served. */
const SOURCES = {
  ipv4: ['198.51.100.4', '198.51.100.16', '198.51.100.31', '198.51.100.32', '198.51.100.129'],
  ipv6: ['2001:db8:4::4', '2001:db8:4::10', '2001:db8:4::1f', '2001:db8:4::20', '2001:db8:4::8000'],
};
const PORTS = [79, 80, 90, 91];
const PACKET_WORLD: World = {
  networks: [
    ...['198.51.100.4', '198.51.100.16/28', '198.51.100.16/31', '198.51.100.32', '198.51.100.0/25'],
    ...['198.51.100.128/25', '0.0.0.0/0', '2001:db8:4::4', '2001:db8:4::10/124', '2001:db8:4::20'],
    ...['2001:db8:4::/113', '2001:db8:4::8000/113', '::/0', '203.0.113.130', '2001:db8:5::10'],
  ],
  ports: [
    [79, 79],
    [80, 80],
    [80, 90],
    [90, 91],
    [1, 79],
    [1024, 65535],
    [1, 1023],
  ],
  interfaces: ['eth0', 'eth+', 'other0'],
  protocols: ['tcp', 'udp'],
};

beforeAll(async () => {
  network = await createNetwork();
  [outside, server] = await Promise.all([startAgent(network.outside), startAgent(network.server)]);
  await Promise.all(PORTS.map((port) => server.serve(port)));
  const own = [...SOURCES.ipv4.slice(1), ...SOURCES.ipv6.slice(1)];
  const lines = own.map((address) =>
    address.includes(':') ? `addr add ${address}/64 dev eth0 nodad` : `addr add ${address}/24 dev eth0`,
  );
  await ipBatch(['-n', network.outside.path.replace('/run/netns/', '')], lines);
});

afterAll(async () => {
  await Promise.all([outside, server].map((agent) => agent?.stop()));
  await network?.destroy();
});

async function load(text: string, policy: RandomPolicy): Promise<void> {
  const done = await network.server.run('nft', ['-f', '-'], { input: text });
  if (done.code !== 0) throw new Error(`${done.stderr}\n${policyText(policy)}`);
}

async function expectLoaded(wanted: Table, policy: RandomPolicy): Promise<Table> {
  const found = (await loadedTable(network.server))!;
  const differences = tableDifferences(wanted, found);
  if (differences.length > 0)
    throw new Error(`${JSON.stringify(differences, null, 2)}\n${policyText(policy)}`);
  return found;
}

/** So many policies, the small before the large, the same ones for the same seed. */
function sample(world: World, most: number, count: number): RandomPolicy[] {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  return fc.sample(policies(world, most), { numRuns: count, seed });
}

test('300 policies, each whole and from one to the next', async () => {
  let current: Table | undefined;
  let changes = 0;
  for (const [i, policy] of sample(WIDE_WORLD, 25, 300).entries()) {
    const wanted = tableOf(policyText(policy));
    // From what the kernel lists to what is wanted, in the smallest way; then, from nothing, in one piece.
    const change = renderChange(wanted, current);
    if (change !== undefined) {
      await load(change, policy);
      if (!change.includes('delete table')) changes++;
    }
    current = await expectLoaded(wanted, policy);
    expect(renderChange(wanted, current)).toBeUndefined();
    if (i % 3 === 0) {
      await load(renderReplacement(wanted), policy);
      current = await expectLoaded(wanted, policy);
    }
    // What the way back and the next boot would load says the same.
    if (i % 5 === 0) {
      const plain = {
        ...current,
        sets: current.sets.map((set) => (set.dynamic ? { ...set, elements: [] } : set)),
      };
      await load(renderReplacement(plain), policy);
      current = await expectLoaded(wanted, policy);
    }
  }
  console.log(`300 policies, ${changes} of them reached by changing what was there`);
  expect(changes).toBeGreaterThan(50);
});

/** Edits as an admin makes them: one sentence comes, goes or changes its action; a group gets other members. */
function neighbour(policy: RandomPolicy, other: RandomPolicy, kind: number): RandomPolicy {
  const [extra] = other.lines;
  switch (kind % 4) {
    case 0:
      return extra === undefined ? policy : { ...policy, lines: [extra, ...policy.lines] };
    case 1:
      return { ...policy, lines: policy.lines.slice(1) };
    case 2:
      return { ...policy, groups: other.groups };
    default:
      return { ...policy, defaults: other.defaults, logging: other.logging };
  }
}

test('300 small edits, never by replacing the table where base chains stay', async () => {
  const others = sample(WIDE_WORLD, 12, 300);
  let policy = others[0]!;
  await load(renderReplacement(tableOf(policyText(policy))), policy);
  let current = await expectLoaded(tableOf(policyText(policy)), policy);
  const replaced = { no: 0, yes: 0 };
  for (const [i, other] of others.entries()) {
    policy = i % 40 === 39 ? other : neighbour(policy, other, i);
    const wanted = tableOf(policyText(policy));
    const change = renderChange(wanted, current);
    if (change === undefined) continue;
    await load(change, policy);
    current = await expectLoaded(wanted, policy);
    replaced[change.includes('delete table') ? 'yes' : 'no']++;
  }
  console.log(`${replaced.no} edits changed the table, ${replaced.yes} replaced it`);
  expect(replaced.no).toBeGreaterThan(150);
});

const VERDICTS = { open: 'accept', refused: 'reject', unreachable: 'reject', timeout: 'drop' } as const;

test('40 policies in packets', async () => {
  const counts = { accept: 0, reject: 0, drop: 0 };
  for (const policy of sample(PACKET_WORLD, 8, 40)) {
    // A limit would count the connections of the test itself.
    const lines = policy.lines.filter(({ action }) => action !== 'limit');
    const plain = { ...policy, lines, defaults: { ...policy.defaults, outgoing: 'accept' as const } };
    await load(renderReplacement(tableOf(policyText(plain))), plain);
    const dials = (['ipv4', 'ipv6'] as const).flatMap((family) =>
      SOURCES[family].flatMap((source) => PORTS.map((port) => ({ family, source, port }))),
    );
    await Promise.all(
      dials.map(async ({ family, source, port }) => {
        const host = network.server.addresses[family === 'ipv4' ? 'v4' : 'v6'];
        const { result } = await outside.dial(host, port, { source, timeoutMs: 1500 });
        const flow: Flow = {
          ...{ direction: 'in', interface: 'eth0', protocol: 'tcp' },
          ...{ source: parseAddress(source)!, destination: parseAddress(host)! },
          // Any unprivileged one: no sentence tells them apart.
          ...{ sourcePort: 40_000, destinationPort: port },
        };
        const wanted = meaning(plain, flow);
        counts[wanted]++;
        if (VERDICTS[result] !== wanted) {
          throw new Error(`${flowText(flow)}: wanted ${wanted}, got ${result}\n${policyText(plain)}`);
        }
      }),
    );
  }
  console.log(`1600 dials: ${JSON.stringify(counts)}`);
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(100);
});
