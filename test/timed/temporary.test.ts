// Sentences that end: by the kernel, with every program of ours dead; over reload and reboot with the time left.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { logIn, startLoginServer } from '../../lab/login.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { eventually, pause } from '../../lab/waiting.ts';
import { endWayBacks } from '../kernel/way-backs.ts';

let network: Network;
let moat: Moat;
let server: Agent;
let third: Agent;

beforeEach(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  [server, third] = await Promise.all([startAgent(network.server), startAgent(network.third)]);
  for (const port of [80, 81, 82]) await server.serve(port);
  await moat.ok('allow', '443');
});

afterEach(async () => {
  endWayBacks(moat.root);
  await Promise.all([server.stop(), third.stop()]);
  await network.destroy();
  await moat.destroy();
});

const dial = async (port: number, family: 'v4' | 'v6' = 'v4'): Promise<string> =>
  (await third.dial(network.server.addresses[family], port, { timeoutMs: 500 })).result;
const both = (port: number): Promise<string[]> => Promise.all([dial(port), dial(port, 'v6')]);
const nft = (...words: string[]): Promise<string> => network.server.output('nft', words);
const policy = (): string => readFileSync(moat.policy, 'utf8');

/** When the port answers so, over both families. */
async function until(port: number, result: string, limitMs: number): Promise<number> {
  expect(await eventually(limitMs, async () => (await both(port)).every((each) => each === result))).toBe(
    true,
  );
  return performance.now();
}

test('an allow and a deny end by the kernel alone, in both families', async () => {
  await moat.ok('enable', '--confirm', '0');
  await moat.ok('allow', '81/tcp');
  await moat.ok('prepend', 'deny', '81', 'for', '20s', '--confirm', '0');
  const begun = performance.now();
  expect(await moat.ok('allow', '80/tcp', 'for', '20s')).toContain('Rule 4 added');
  const allowed = performance.now();
  expect(policy()).toMatch(/^allow 80\/tcp until 20\d\d-\S+Z$/m);
  expect(await Promise.all([both(80), both(81)])).toEqual([
    ['open', 'open'],
    ['timeout', 'timeout'],
  ]);
  const status = await moat.ok('status');
  expect(status).toMatch(/80\/tcp\s+ALLOW.*\(\d+s left\)/);
  console.log(status);
  // No file and no program of ours is there any more.
  chmodSync(moat.root, 0);
  const closed = await until(80, 'timeout', 24_000);
  await until(81, 'open', 3000);
  console.log(`for 20s: closed again ${((closed - allowed) / 1000).toFixed(1)} s after the command's end`);
  // The kernel begins to count somewhere within the command.
  expect(closed - begun).toBeGreaterThan(19_500);
  expect(closed - allowed).toBeLessThan(22_500);
  chmodSync(moat.root, 0o755);
  const after = await moat.ok('status');
  expect(after).toMatch(/80\/tcp\s+ALLOW.*\(ended\)/);
  expect(after).toContain('2 rules have ended');
  expect(JSON.parse(await moat.ok('status', '--json'))).toMatchObject({ drifted: [], edited: false });
  expect(await nft('list', 'table', 'inet', 'moat')).toContain('until_');
  await moat.ok('reload');
  expect(await nft('list', 'table', 'inet', 'moat')).not.toContain('until_');
  expect(await moat.ok('reload')).toContain('nothing to do');
  expect(await dial(81)).toBe('open');
});

test('over reload, a change that goes back, a whole replacement and a boot it keeps the time that is left', async () => {
  await moat.ok('enable', '--confirm', '0');
  const begun = performance.now();
  await moat.ok('allow', '80/tcp', 'for', '60s');
  const allowed = performance.now();
  await moat.ok('allow', '82/tcp', 'for', '1d');
  await moat.ok('reload');
  await moat.ok('delete', 'allow', '80/tcp', '--confirm', '8');
  expect(await dial(80)).toBe('timeout');
  expect(await eventually(30_000, async () => (await dial(80)) === 'open')).toBe(true);
  await nft('delete', 'chain', 'inet', 'moat', 'input');
  await nft('add', 'chain', 'inet', 'moat', 'input', '{ type filter hook input priority -7; }');
  await moat.ok('reload', '--confirm', '0');
  expect(await both(80)).toEqual(['open', 'open']);
  await nft('flush', 'ruleset');
  await network.server.output('sh', [join(moat.root, 'var/lib/moat/boot.sh')]);
  expect(await both(80)).toEqual(['open', 'open']);
  const closed = await until(80, 'timeout', 65_000);
  const after = ((closed - allowed) / 1000).toFixed(1);
  console.log(`for 60s, through reload, way back, replacement and boot: closed after ${after} s`);
  // Each listing cuts off a part of a second, each writing adds one.
  expect(closed - begun).toBeGreaterThan(58_000);
  expect(closed - allowed).toBeLessThan(64_000);
  // A boot after its end does not open it again; the kernel may have been a second early.
  await pause(Math.max(0, allowed + 62_000 - performance.now()));
  await nft('flush', 'ruleset');
  await network.server.output('sh', [join(moat.root, 'var/lib/moat/boot.sh')]);
  expect(await Promise.all([dial(80), dial(82)])).toEqual(['timeout', 'open']);
  // Nor does a clock that is set back give it more than it had.
  const script = `date() { echo 1000; }\n${readFileSync(join(moat.root, 'var/lib/moat/boot.sh'), 'utf8')}`;
  await nft('flush', 'ruleset');
  await network.server.output('sh', ['-c', script]);
  expect(await nft('list', 'table', 'inet', 'moat')).toMatch(/ipv4 timeout (23h|24h|1d)/);
});

test('a moment in the file; `for` in the file and a moment that is over are told', async () => {
  const soon = new Date(Date.now() + 3_600_000).toISOString().slice(0, 19);
  writeFileSync(moat.policy, `allow 80/tcp until ${soon}Z\nallow 81/tcp until 2020-01-01T00:00Z\n`);
  await moat.ok('enable', '--confirm', '0');
  expect(await Promise.all([dial(80), dial(81)])).toEqual(['open', 'timeout']);
  expect(await moat.ok('status')).toMatch(/81\/tcp.*\(ended\)/);
  const past = await moat.run('allow', '82/tcp', 'until', '2020-01-01');
  expect(past.code).toBe(2);
  expect(past.stderr).toContain('over already');
  writeFileSync(moat.policy, 'allow 80/tcp for 2h\n');
  const inFile = await moat.run('reload');
  expect(inFile.code).toBe(2);
  expect(inFile.stderr).toContain('a file has none');
});

test('a rule that gets an end takes something away and waits; an admin it lets in is told', async () => {
  const logins = await startLoginServer(network.server, {
    ...moat.env,
    PATH: `${dirname(MOAT_PROGRAM)}:${process.env['PATH']}`,
  });
  const admin = await logIn(network.outside, network.server);
  try {
    await moat.ok('allow', '22/tcp');
    await moat.ok('enable', '--confirm', '0');
    const { code, output } = await admin.run('moat allow 22/tcp for 1h --confirm 2');
    expect(code).toBe(0);
    expect(output).toContain('within');
    expect(output).toContain('ends by itself: say it without an end to keep it');
    await pause(2500);
    expect(await eventually(30_000, async () => !policy().includes('until'))).toBe(true);
  } finally {
    admin.close();
    logins.stop();
  }
});
