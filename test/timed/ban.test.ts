// A banned address reaches nothing, and the ban ends by itself: real packets, kernel timeouts, no program of ours.
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Agent, areAlive, startAgent } from '../../lab/agent.ts';
import { type LoginServer, logIn, startLoginServer } from '../../lab/login.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { publishContainer, removeContainer } from '../../lab/published-container.ts';
import { eventually } from '../../lab/waiting.ts';
import { isElement } from '../kernel/loaded.ts';
import { endWayBacks } from '../kernel/way-backs.ts';

let network: Network;
let moat: Moat;
let server: Agent;
let third: Agent;
let blog: Agent;
let logins: LoginServer | undefined;

beforeEach(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  [server, third, blog] = await Promise.all([
    startAgent(network.server),
    startAgent(network.third),
    startAgent(network.blog),
  ]);
  await server.serve(80);
  await moat.ok('allow', '80/tcp');
  await moat.ok('allow', '81/tcp');
});

afterEach(async () => {
  logins?.stop();
  logins = undefined;
  endWayBacks(moat.root);
  await Promise.all([server, third, blog].map((agent) => agent.stop()));
  await network.destroy();
  await moat.destroy();
});

async function reach(agent: Agent, family: 'v4' | 'v6' = 'v4', port = 80): Promise<string> {
  return (await agent.dial(network.server.addresses[family], port, { timeoutMs: 600 })).result;
}

interface Bans {
  readonly bans: readonly {
    readonly address: string;
    readonly left: number | null;
    readonly because: string | null;
  }[];
}
const bans = async (): Promise<Bans['bans']> => (JSON.parse(await moat.ok('bans', '--json')) as Bans).bans;
const nft = (...words: string[]): Promise<string> => network.server.output('nft', words);
const isBannedInKernel = (set: string, element: string): Promise<boolean> =>
  isElement(network.server, set, element);

const THIRD = { v4: '192.0.2.9', v6: '2001:db8:9::9' } as const;

test('a banned address reaches neither host nor container, and its flows end within a second', async () => {
  const container = await publishContainer(network.server, 'some-app-container', 81);
  const inside = await startAgent(container);
  await inside.serve(81);
  try {
    await moat.ok('enable', '--confirm', '0');
    expect(await Promise.all([reach(third), reach(third, 'v6'), reach(third, 'v4', 81)])).toEqual([
      ...['open', 'open', 'open'],
    ]);
    const flows = await Promise.all([80, 81].map((port) => third.connect(network.server.addresses.v4, port)));
    const other = await blog.connect(network.server.addresses.v4, 80);
    expect(await areAlive(flows)).toEqual([true, true]);
    const said = await moat.ok('ban', THIRD.v4, 'for', '1h', 'because', 'too', 'many', 'guesses');
    const begun = performance.now();
    expect(said).toMatch(/^Banned 192\.0\.2\.9 until 20\S+Z\nEnded \d+ flows that ran\n$/);
    expect(await areAlive(flows, 500)).toEqual([false, false]);
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(await Promise.all([reach(third), reach(third, 'v6'), reach(third, 'v4', 81)])).toEqual([
      ...['timeout', 'open', 'timeout'],
    ]);
    expect(await reach(blog)).toBe('open');
    expect(await other.alive(5000)).toBe(true);
    expect(await network.server.output('conntrack', ['-L', '-s', THIRD.v4])).toBe('');
    await moat.ok('ban', '2001:db8:9::/64');
    expect(await reach(third, 'v6')).toBe('timeout');
    const [v4, v6] = await bans();
    expect(v4).toMatchObject({ address: THIRD.v4, because: 'too many guesses' });
    expect(v4!.left).toBeGreaterThan(3590);
    expect(v6).toMatchObject({ address: '2001:db8:9::/64', left: null });
    console.log(await moat.ok('bans'));
    await moat.ok('unban', THIRD.v4, '2001:db8:9::/64');
    expect(await Promise.all([reach(third), reach(third, 'v6'), reach(third, 'v4', 81)])).toEqual([
      ...['open', 'open', 'open'],
    ]);
    expect(await moat.ok('bans')).toBe('Nobody is banned.\n');
  } finally {
    await inside.stop();
    await removeContainer(container);
  }
});

test('a ban ends by itself, survives reload, a whole replacement, the way back, and a boot, with its time left', async () => {
  await moat.ok('enable', '--confirm', '0');
  await moat.ok('ban', THIRD.v4, 'for', '60s');
  const begun = Date.now();
  await moat.ok('ban', '10.9.0.0/16');
  const banned = () => isBannedInKernel('banned_v4', THIRD.v4);
  await moat.ok('allow', '443');
  await moat.ok('reload');
  expect(await banned()).toBe(true);
  // A base chain that hooks elsewhere makes the whole table be replaced.
  await nft('delete', 'chain', 'inet', 'moat', 'input');
  await nft('add', 'chain', 'inet', 'moat', 'input', '{ type filter hook input priority -7; }');
  await moat.ok('reload', '--confirm', '0');
  expect(await banned()).toBe(true);
  // One that another program put there, and one that is made while a change waits.
  await nft('add', 'element', 'inet', 'moat', 'banned_v4', '{ 198.51.100.77 timeout 1h }');
  await moat.ok('delete', 'allow', '443', '--confirm', '1');
  await moat.ok('ban', '10.8.0.0/16');
  expect(
    await eventually(30_000, async () =>
      (await nft('list', 'chain', 'inet', 'moat', 'incoming')).includes('443'),
    ),
  ).toBe(true);
  for (const element of ['10.9.1.1', '10.8.1.1', '198.51.100.77'])
    expect(await isBannedInKernel('banned_v4', element)).toBe(true);
  expect(await reach(third)).toBe('timeout');
  expect(await reach(blog)).toBe('open');
  // A boot: no rules, then what the unit runs, without Node.
  await nft('flush', 'ruleset');
  await network.server.output('env', [
    'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
    'sh',
    join(moat.root, 'var/lib/moat/boot.sh'),
  ]);
  expect(await banned()).toBe(true);
  for (const element of ['10.9.1.1', '10.8.1.1'])
    expect(await isBannedInKernel('banned_v4', element)).toBe(true);
  const open = await eventually(62_000, async () => (await reach(third)) === 'open');
  const seconds = (Date.now() - begun) / 1000;
  console.log(`banned for 60 s, open again after ${seconds.toFixed(1)} s`);
  expect(open).toBe(true);
  expect(seconds).toBeGreaterThan(58);
  expect(seconds).toBeLessThan(62);
  expect((await bans()).map(({ address }) => address)).toEqual(['10.8.0.0/16', '10.9.0.0/16']);
});

test('refuses to ban this host, loopback, and whoever is logged in', async () => {
  logins = await startLoginServer(network.server, {
    ...moat.env,
    PATH: `${dirname(MOAT_PROGRAM)}:${process.env['PATH']}`,
  });
  const admin = await logIn(network.outside, network.server);
  try {
    await moat.ok('allow', '22');
    await moat.ok('enable', '--confirm', '0');
    const refused = async (words: string): Promise<string> => {
      const { code, output } = await admin.run(`moat ban ${words}`);
      expect(code, words).toBe(3);
      return output;
    };
    expect(await refused('198.51.100.4')).toContain('your own session');
    expect(await refused('198.51.100.0/24 for 1m')).toContain('would lock out');
    for (const own of ['127.0.0.1', '127.0.0.0/8', '::1', '0.0.0.0/0', '::/0']) {
      expect(await refused(own)).toMatch(/this host|would lock out/);
    }
    expect(await refused(`${network.server.addresses.v4} --allow-lockout`)).toContain('on eth0');
    expect(await refused('2001:db8:5::/48 --allow-lockout')).toContain('on eth0');
    expect(await bans()).toEqual([]);
    // A list leaves those out and bans the rest.
    writeFileSync(
      join(moat.root, 'list'),
      '# feed\n192.0.2.9 for 1h because "on a list"\n198.51.100.4\n127.0.0.1\n2001:db8:9::9\n',
    );
    const list = await admin.run(`moat ban - <${join(moat.root, 'list')}`);
    expect(list.code).toBe(0);
    expect(list.output).toContain('left out: 198.51.100.4 would lock out');
    expect((await bans()).map(({ address }) => address)).toEqual([THIRD.v4, THIRD.v6]);
    expect((await admin.run('true')).code).toBe(0);
  } finally {
    admin.close();
  }
});

test('bans that overlap, words that are wrong, and a moat that is not active', async () => {
  const [bad, network16, over] = [
    await moat.run('ban', '192.0.2.300'),
    await moat.run('ban', '192.0.2.9/16', 'for', '1h'),
    await moat.run('ban', '192.0.2.9', 'until', '2020-01-01'),
  ];
  expect([bad!.code, network16!.code, over!.code]).toEqual([2, 2, 2]);
  expect(network16!.stderr).toContain('write 192.0.0.0/16, or 192.0.2.9');
  expect(over!.stderr).toContain('over already');
  // Not active: remembered, and in force with enable.
  expect(await moat.ok('ban', THIRD.v4)).toContain('not active');
  expect(await reach(third)).toBe('open');
  await moat.ok('enable', '--confirm', '0');
  expect(await reach(third)).toBe('timeout');
  await moat.ok('ban', '192.0.2.0/24', 'for', '15s');
  expect(await isBannedInKernel('banned_v4', '192.0.2.77')).toBe(true);
  expect(await moat.ok('ban', '192.0.2.78', 'for', '1s')).toContain('is banned for longer already');
  expect(await eventually(60_000, async () => !(await isBannedInKernel('banned_v4', '192.0.2.77')))).toBe(
    true,
  );
  expect(await reach(third)).toBe('timeout');
  // The set says otherwise than the file: it is taken over, and nothing is lost.
  await nft('add', 'element', 'inet', 'moat', 'banned_v4', '{ 10.1.2.3 timeout 1h }');
  await moat.ok('ban', '10.1.0.0/16', 'for', '1m');
  expect(await isBannedInKernel('banned_v4', '10.1.9.9')).toBe(true);
  expect((await bans()).map(({ address }) => address).sort()).toEqual(['10.1.0.0/16', '10.1.2.3', THIRD.v4]);
  expect((await moat.run('unban', '203.0.113.99')).code).toBe(2);
  await moat.ok('unban', THIRD.v4);
  expect(await reach(third)).toBe('open');
  // A file that is gone: the kernel's bans can still be seen, and taken back.
  rmSync(join(moat.root, 'var/lib/moat/bans'));
  expect((await bans()).map(({ address }) => address)).toContain('10.1.2.3');
  await moat.ok('unban', '10.1.2.3');
  expect(await isBannedInKernel('banned_v4', '10.1.2.3')).toBe(false);
});
