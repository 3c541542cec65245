// Every applied state is kept and can be brought back: history, show generation, diff, undo.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { type Login, type LoginServer, logIn, startLoginServer } from '../../lab/login.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { eventually } from '../../lab/waiting.ts';
import { loadedTable, sameTable, tableOf } from './loaded.ts';
import { endWayBacks } from './way-backs.ts';

let network: Network;
let moat: Moat;
let server: Agent;
let outside: Agent;
let logins: LoginServer | undefined;

beforeEach(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  [server, outside] = await Promise.all([startAgent(network.server), startAgent(network.outside)]);
  for (const port of [80, 81]) await server.serve(port);
});

afterEach(async () => {
  logins?.stop();
  logins = undefined;
  endWayBacks(moat.root);
  await Promise.all([server.stop(), outside.stop()]);
  await network.destroy();
  await moat.destroy();
});

const reach = async (port: number): Promise<string> =>
  (await outside.dial(network.server.addresses.v4, port, { timeoutMs: 700 })).result;
const policy = (): string => readFileSync(moat.policy, 'utf8');
const file = (number: number): string => join(moat.root, 'var/lib/moat/generations', String(number));

interface History {
  readonly current: number | null;
  readonly generations: readonly {
    readonly number: number;
    readonly why: string;
    readonly fate: string;
    readonly summary: readonly string[];
    readonly who: { readonly user: string; readonly from?: string };
  }[];
  readonly broken: readonly { readonly file: string }[];
}
const history = async (): Promise<History> => JSON.parse(await moat.ok('history', '--json')) as History;

async function threeStates(): Promise<void> {
  await moat.ok('allow', '80/tcp');
  await moat.ok('enable', '--confirm', '0');
  await moat.ok('allow', '81/tcp');
  await moat.ok('deny', 'from', '198.51.100.0/24', 'to', 'any', 'port', '81', '--confirm', '0');
}

test('history tells each applied state; undo brings the one before back, packets and all, again and again', async () => {
  expect(await moat.ok('history')).toBe('Nothing was applied yet.\n');
  await threeStates();
  const { current, generations } = await history();
  expect(current).toBe(3);
  expect(generations.map(({ number, why, fate }) => [number, why.split(' ')[1], fate])).toEqual([
    [1, 'enable', 'final'],
    [2, 'allow', 'final'],
    [3, 'deny', 'final'],
  ]);
  expect(generations[1]!.summary).toEqual(['+ allow 81/tcp']);
  expect(generations[0]!.who.user).toBe('root');
  const states = [1, 2, 3].map((number) => readFileSync(file(number), 'utf8'));
  console.log(await moat.ok('history'));

  expect(await moat.ok('diff', '1', '2')).toMatch(
    /^\+ allow 81\/tcp\n\nincoming.*\n {2}opens {2}tcp 81 {2}v4 v6\n/,
  );
  expect(await moat.ok('diff', '2', '1')).toMatch(
    /^- allow 81\/tcp\n\nincoming.*\n {2}closes {2}tcp 81 {2}v4 v6\n/,
  );
  expect(await moat.ok('diff', '3')).toBe('They have the same sentences\n');
  expect(await moat.ok('show', 'generation', '2')).toContain('  + allow 81/tcp');

  await moat.ok('prepend', 'deny', '81/tcp', '--confirm', '0');
  expect(await reach(81)).toBe('timeout');
  expect(await moat.ok('undo')).toContain('- deny 81/tcp');
  expect(await reach(81)).toBe('open');
  await moat.ok('undo', '2', '--confirm', '0');
  // 6 brought back 2; before that was 1.
  await moat.ok('undo', '--confirm', '0');
  expect(policy()).not.toContain('81');
  expect(await reach(81)).toBe('timeout');
  expect(await reach(80)).toBe('open');
  expect(await loadedTable(network.server).then((table) => sameTable(table, tableOf(policy())))).toBe(true);
  const nothing = await moat.run('undo');
  expect(nothing.code).toBe(2);
  expect(nothing.stderr).toContain('nothing before');
  // What was written once is not written again.
  expect([1, 2, 3].map((number) => readFileSync(file(number), 'utf8'))).toEqual(states);
});

test('a change that waits, is confirmed, or goes back: each says so', async () => {
  await moat.ok('allow', '80/tcp');
  await moat.ok('enable', '--confirm', '0');
  await moat.ok('deny', '25/tcp', '--confirm', '0');
  await moat.ok('delete', 'deny', '25/tcp');
  await moat.ok('delete', 'allow', '80/tcp', '--confirm', '30');
  await moat.ok('allow', '81/tcp');
  const fates = async () => (await history()).generations.map(({ fate }) => fate);
  expect(await fates()).toEqual(['final', 'final', 'final', 'waits', 'waits']);
  await moat.ok('confirm');
  expect(await fates()).toEqual(['final', 'final', 'final', 'confirmed', 'confirmed']);
  await moat.ok('delete', 'allow', '81/tcp', '--confirm', '1');
  const back = async (): Promise<boolean> => (await history()).current === 5;
  expect(await eventually(30_000, back)).toBe(true);
  expect((await fates()).at(-1)).toBe('went back');
  // What went back is no state to undo; the one in force is 5.
  expect(await moat.ok('undo', '--dry-run')).toContain('generation 4');
});

test('torn and missing generations are skipped with a note, and never loaded', async () => {
  await threeStates();
  await moat.ok('allow', '82/tcp');
  truncateSync(file(3), 300);
  const before = policy();
  const refused = await moat.run('undo', '3');
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('checksum');
  expect(policy()).toBe(before);
  expect(await moat.ok('history')).toContain(`${file(3)} is skipped`);
  expect((await history()).broken).toHaveLength(1);
  // The one before it is whole.
  expect(await moat.ok('undo', '--confirm', '0')).toContain('generation 2');
  expect(policy()).not.toContain('82');
  writeFileSync(file(2), readFileSync(file(2), 'utf8').replace('allow 81', 'allow 22'));
  expect((await moat.run('undo', '2')).stderr).toContain('its checksum is wrong');
  expect((await moat.run('undo', '99')).code).toBe(2);
});

test('undo that would lock its maker out is refused, and goes back unless confirmed', async () => {
  logins = await startLoginServer(network.server, {
    ...moat.env,
    PATH: `${dirname(MOAT_PROGRAM)}:${process.env['PATH']}`,
  });
  const admin: Login = await logIn(network.outside, network.server);
  try {
    await moat.ok('allow', '80/tcp');
    await moat.ok('enable', '--allow-lockout', '--confirm', '0');
    await moat.ok('allow', '22/tcp');
    const refused = await admin.run('moat undo');
    expect(refused).toMatchObject({ code: 3 });
    expect(refused.output).toContain('lock out');
    expect((await history()).generations.at(-1)?.number).toBe(2);
    expect((await admin.run('moat allow 81/tcp')).code).toBe(0);
    expect((await history()).generations.at(-1)?.who.from).toBe(network.outside.addresses.v4);
    const undone = await admin.run('moat undo --confirm 8');
    expect(undone.output).toContain('within');
    expect(await reach(81)).toBe('timeout');
    expect(await eventually(30_000, async () => (await reach(81)) === 'open')).toBe(true);
  } finally {
    admin.close();
  }
});

test('a change planned on another state than the present one is refused', async () => {
  await threeStates();
  const planned = async (...words: string[]): Promise<string> =>
    (JSON.parse(await moat.ok('--dry-run', '--json', ...words)) as { basis: string }).basis;
  const basis = await planned('allow', '83/tcp');
  expect(basis).toMatch(/^[0-9a-f]{12}$/);
  expect(await planned('deny', '84/tcp')).toBe(basis);
  await moat.ok('allow', '83/tcp', '--if-state', basis);
  const stale = await moat.run('allow', '85/tcp', '--if-state', basis);
  expect(stale).toMatchObject({ code: 3, stdout: '' });
  expect(stale.stderr).toContain('planned on another state');
  expect(policy()).not.toContain('85');
  // Rules that somebody else loads count as well, and so does an edit by hand.
  const now = await planned('allow', '85/tcp');
  await network.server.output('nft', ['add', 'rule', 'inet', 'moat', 'routed', 'counter']);
  expect(await planned('allow', '85/tcp')).not.toBe(now);
  expect((await moat.run('reload', '--if-state', now)).code).toBe(3);
});
