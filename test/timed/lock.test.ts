// The lock: who holds it is told to those who wait for too long, and it outlives a command that was killed.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MOAT_PROGRAM, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { eventually } from '../../lab/waiting.ts';
import { loadedTable, sameTable, tableOf } from '../kernel/loaded.ts';

let network: Network;

beforeAll(async () => {
  network = await createNetwork();
});

afterAll(() => network?.destroy());

test('who waits for a command that hangs is told which one it is', async () => {
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
    expect(await eventually(60_000, async () => /enable/.test(holder()))).toBe(true);
    // It would give up its nft after a minute, which is as long as the others wait.
    expect(await eventually(60_000, async () => children().trim() !== '')).toBe(true);
    hanging.kill('SIGSTOP');
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
