// Not waiting for the end of a change: more time, or back at once. And panic: nothing but the admin, with a way back.
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { type Login, type LoginServer, logIn, startLoginServer } from '../../lab/login.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { eventually, pause } from '../../lab/waiting.ts';
import { endWayBacks } from '../kernel/way-backs.ts';

let network: Network;
let moat: Moat;
let server: Agent;
let third: Agent;
let logins: LoginServer;
const admins: Login[] = [];

beforeEach(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  [server, third] = await Promise.all([startAgent(network.server), startAgent(network.third)]);
  await server.serve(80);
  await third.serve(8080);
  logins = await startLoginServer(network.server, {
    ...moat.env,
    PATH: `${dirname(MOAT_PROGRAM)}:${process.env['PATH']}`,
  });
  for (const port of ['22/tcp', '80/tcp']) await moat.ok('allow', port);
  await moat.ok('enable', '--confirm', '0');
});

afterEach(async () => {
  for (const admin of admins.splice(0)) admin.close();
  logins.stop();
  endWayBacks(moat.root);
  await Promise.all([server.stop(), third.stop()]);
  await network.destroy();
  await moat.destroy();
});

async function login(): Promise<Login> {
  const admin = await logIn(network.outside, network.server);
  admins.push(admin);
  return admin;
}

const policy = (): string => readFileSync(moat.policy, 'utf8');
const dial = async (port = 80): Promise<string> =>
  (await third.dial(network.server.addresses.v4, port, { timeoutMs: 500 })).result;
const dialOut = async (): Promise<string> =>
  (await server.dial(network.third.addresses.v4, 8080, { timeoutMs: 500 })).result;

test('abort goes back at once; extend gives more time, and then it goes back all the same', async () => {
  const before = policy();
  await moat.ok('delete', 'allow', '80/tcp', '--confirm', '600');
  expect(await dial()).toBe('timeout');
  const begun = performance.now();
  expect(await moat.ok('abort')).toContain('in force again');
  console.log(`abort: ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  expect(await dial()).toBe('open');
  expect(policy()).toBe(before);
  for (const words of [['abort'], ['confirm', '--extend', '5m']]) {
    const nothing = await moat.run(...words);
    expect(nothing.code).toBe(3);
    expect(nothing.stderr).toContain('no change waits');
  }
  await moat.ok('delete', 'allow', '80/tcp', '--confirm', '8');
  expect(await moat.ok('confirm', '--extend', '10s')).toMatch(/waits on; 1\ds left/);
  await pause(8500);
  expect(await dial()).toBe('timeout');
  expect((await moat.run('confirm', '--extend', '5x')).code).toBe(2);
  expect((await moat.run('confirm', '--extend', '2d')).code).toBe(1);
  expect(await eventually(30_000, async () => (await dial()) === 'open')).toBe(true);
  expect(await eventually(10_000, async () => policy() === before)).toBe(true);
  // What was aborted or went back is in the history as that.
  const { generations } = JSON.parse(await moat.ok('history', '--json')) as {
    generations: { fate: string }[];
  };
  expect(generations.map(({ fate }) => fate)).toEqual(['final', 'went back', 'went back']);
});

test('panic: only the admin passes; it goes back by itself, or stays when a new connection confirms; calm ends it', async () => {
  const before = policy();
  const admin = await login();
  const [inward, outward] = await Promise.all([
    third.connect(network.server.addresses.v4, 80),
    server.connect(network.third.addresses.v4, 8080),
  ]);
  const panicked = await admin.run('moat panic --confirm 10');
  expect(panicked.code).toBe(0);
  expect(panicked.output).toContain('Nothing passes any more; who administers it now may come in');
  expect(panicked.output).toContain('ended what the new rules refuse');
  expect(await Promise.all([inward.alive(700), outward.alive(700), dial(), dial(22), dialOut()])).toEqual([
    ...[false, false, 'timeout', 'timeout', 'timeout'],
  ]);
  expect((await admin.run('echo here')).output).toContain('here');
  expect(await eventually(30_000, async () => (await dial()) === 'open')).toBe(true);
  expect(await eventually(10_000, async () => policy() === before)).toBe(true);

  expect((await admin.run('moat panic --confirm 60')).code).toBe(0);
  expect((await admin.run('moat confirm')).code).toBe(3);
  const fresh = await login();
  expect((await fresh.run('moat confirm')).code).toBe(0);
  expect(await dial()).toBe('timeout');
  expect(await moat.ok('status')).toContain('198.51.100.4');
  expect((await fresh.run('moat panic --confirm 0')).code).toBe(0);
  const calm = await fresh.run('moat calm --confirm 0');
  expect(calm.output).toContain('The policy from before the panic is in force again');
  expect(await Promise.all([dial(), dialOut()])).toEqual(['open', 'open']);
  expect(policy()).toBe(before);
  expect((await fresh.run('moat calm')).code).toBe(2);
});
