// A list of 100,000 bans: in one go, at once in force, kept over a boot, and what it makes of the commands after it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { isElement } from './loaded.ts';

let network: Network;
let moat: Moat;
let server: Agent;
let third: Agent;

beforeEach(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  [server, third] = await Promise.all([startAgent(network.server), startAgent(network.third)]);
  await server.serve(80);
  await moat.ok('allow', '80/tcp');
});

afterEach(async () => {
  await Promise.all([server, third].map((agent) => agent.stop()));
  await network.destroy();
  await moat.destroy();
});

const nft = (...words: string[]): Promise<string> => network.server.output('nft', words);
const reach = async (): Promise<string> =>
  (await third.dial(network.server.addresses.v4, 80, { timeoutMs: 600 })).result;

test('100,000 bans load in one go', async () => {
  await moat.ok('enable', '--confirm', '0');
  const list = Array.from({ length: 100_000 }, (_, i) =>
    i % 10 === 0
      ? `2001:db8:f000:${(i / 10).toString(16)}::/64 for 1d`
      : `10.${(i >> 15) & 255}.${(i >> 7) & 255}.${(i * 2) & 255} for 1d because list`,
  );
  writeFileSync(join(moat.root, 'list'), `${list.join('\n')}\n192.0.2.9\n`);
  const begun = performance.now();
  const input = readFileSync(join(moat.root, 'list'), 'utf8');
  const done = await network.server.run(process.execPath, [MOAT_PROGRAM, 'ban', '-'], {
    env: moat.env,
    input,
  });
  const loaded = performance.now();
  expect(done.stderr).toBe('');
  expect(done.stdout).toContain('Banned 100001 networks and addresses');
  expect(await reach()).toBe('timeout');
  expect(await isElement(network.server, 'banned_v6', '2001:db8:f000:64::1')).toBe(true);
  const again = performance.now();
  await moat.ok('ban', '203.0.113.200', 'for', '1h');
  const one = performance.now();
  await moat.ok('allow', '443');
  const changed = performance.now();
  await nft('flush', 'ruleset');
  const flushed = performance.now();
  await network.server.output('sh', [join(moat.root, 'var/lib/moat/boot.sh')]);
  const booted = performance.now();
  expect(await reach()).toBe('timeout');
  expect(await isElement(network.server, 'banned_v4', '10.0.0.2')).toBe(true);
  const times = {
    '100,000 bans': loaded - begun,
    'one more': one - again,
    'allow 443': changed - one,
    boot: booted - flushed,
  };
  console.log(
    Object.entries(times)
      .map(([what, ms]) => `${what}: ${(ms / 1000).toFixed(1)} s`)
      .join(', '),
  );
});
