// Many commands at the same time: each of them counts, none undoes another.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { eventually } from '../../lab/waiting.ts';
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

test('50 additions and 10 deletions at the same time', { timeout: 200_000 }, async () => {
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

test('who waits for a command that hangs is told which one it is', { timeout: 150_000 }, async () => {
  const moat = await moatOn(network.server);
  const bin = join(moat.root, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'nft'), '#!/bin/sh\n[ "$1" = -f ] || exec /usr/sbin/nft "$@"\nexec sleep 300\n');
  chmodSync(join(bin, 'nft'), 0o755);
  await moat.ok('allow', '22');
  const hanging = network.server.spawn(process.execPath, [MOAT_PROGRAM, 'enable', '--confirm', '0'], {
    env: { ...moat.env, PATH: `${bin}:${process.env['PATH']}` },
  });
  const children = (): string => readFileSync(`/proc/${hanging.pid}/task/${hanging.pid}/children`, 'utf8');
  try {
    const holder = (): string => readFileSync(join(moat.root, 'run/moat/lock'), 'utf8');
    expect(await eventually(20_000, async () => /enable/.test(holder()))).toBe(true);
    const begun = performance.now();
    const [allow, disable, status, dry] = await Promise.all([
      moat.run('allow', '80'),
      moat.run('disable'),
      moat.run('status'),
      moat.run('allow', '80', '--dry-run'),
    ]);
    console.log(`gave up after ${((performance.now() - begun) / 1000).toFixed(1)} s: ${allow.stderr.trim()}`);
    for (const waited of [allow, disable]) {
      expect(waited.code).toBe(4);
      expect(waited.stderr).toContain(`another command (moat enable, pid ${hanging.pid}) still holds`);
      expect(waited.stderr).toContain('nothing was changed');
    }
    // Who only asks does not wait.
    expect([status.code, dry.code]).toEqual([0, 0]);
    expect(readFileSync(moat.policy, 'utf8')).not.toContain('80');
  } finally {
    const left = children().split(' ').filter(Boolean).map(Number);
    hanging.kill('SIGKILL');
    for (const pid of left) process.kill(pid, 'SIGKILL');
    await moat.destroy();
  }
});

test('a killed command’s nft keeps the lock until it has ended', async () => {
  const moat = await moatOn(network.server);
  const bin = join(moat.root, 'bin');
  mkdirSync(bin);
  writeFileSync(
    join(bin, 'nft'),
    `#!/bin/sh\n[ "$1" = -f ] || exec /usr/sbin/nft "$@"\ncp "$2" ${bin}/late; touch ${bin}/begun; sleep 3; exec /usr/sbin/nft -f ${bin}/late\n`,
  );
  chmodSync(join(bin, 'nft'), 0o755);
  try {
    await moat.ok('enable', '--confirm', '0');
    const child = network.server.spawn(process.execPath, [MOAT_PROGRAM, 'allow', '6000/tcp'], {
      env: { ...moat.env, PATH: `${bin}:${process.env['PATH']}` },
    });
    const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
    const begun = async (): Promise<boolean> =>
      (await network.server.run('test', ['-e', `${bin}/begun`])).code === 0;
    expect(await eventually(10_000, begun)).toBe(true);
    child.kill('SIGKILL');
    await ended;
    // Had it not waited, the late transaction would now open a port that no sentence names.
    await moat.ok('allow', '6001/tcp');
    const after = readFileSync(moat.policy, 'utf8');
    expect(after).not.toContain('6000');
    await network.server.run('sleep', ['3']);
    expect(sameTable(await loadedTable(network.server), tableOf(after))).toBe(true);
  } finally {
    await moat.run('disable');
    await moat.destroy();
  }
});
