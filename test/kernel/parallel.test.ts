// Many commands at the same time: each of them counts, none undoes another.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { loadedTable, sameTable, tableOf } from './loaded.ts';

let network: Network;
let outside: Agent;
let server: Agent;

const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);
const ADDED = range(6000, 50);
const DELETED = range(7000, 10);

beforeAll(async () => {
  network = await createNetwork();
  [outside, server] = await Promise.all([startAgent(network.outside), startAgent(network.server)]);
  await Promise.all([...ADDED, ...DELETED].map((port) => server.serve(port)));
});

afterAll(async () => {
  await Promise.all([outside, server].map((agent) => agent?.stop()));
  await network?.destroy();
});

async function reached(ports: readonly number[]): Promise<number[]> {
  const open = await Promise.all(
    ports.map(async (port) => {
      const results = await Promise.all(
        (['v4', 'v6'] as const).map((family) =>
          outside.dial(network.server.addresses[family], port, { timeoutMs: 900 }),
        ),
      );
      return results.filter(({ result }) => result === 'open').length;
    }),
  );
  return open;
}

test('50 additions and 10 deletions at the same time', async () => {
  const moat = await moatOn(network.server);
  try {
    writeFilePolicy(moat, DELETED);
    await moat.ok('enable', '--confirm', '0');
    const begun = performance.now();
    const results = await Promise.all([
      ...ADDED.map((port) => moat.run('allow', String(port))),
      ...DELETED.map((port) => moat.run('delete', 'allow', `${port}/tcp`, '--confirm', '0')),
    ]);
    const seconds = (performance.now() - begun) / 1000;
    expect(results.filter(({ code }) => code !== 0)).toEqual([]);
    const lines = readFileSync(moat.policy, 'utf8').split('\n');
    const rules = lines.filter((line) => line.startsWith('allow'));
    expect(rules.sort()).toEqual(ADDED.map((port) => `allow ${port}`));
    expect(sameTable(await loadedTable(network.server), tableOf(lines.join('\n')))).toBe(true);
    expect(await reached(ADDED)).toEqual(ADDED.map(() => 2));
    expect(await reached(DELETED)).toEqual(DELETED.map(() => 0));
    console.log(`60 commands at once took ${seconds.toFixed(1)} s; all 50 ports open, all 10 closed`);
  } finally {
    await moat.run('disable');
    await moat.destroy();
  }
});

function writeFilePolicy(moat: Moat, ports: readonly number[]): void {
  mkdirSync(join(moat.root, 'etc/moat'), { recursive: true });
  writeFileSync(moat.policy, ports.map((port) => `allow ${port}/tcp\n`).join(''));
}
