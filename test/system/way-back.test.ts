// The way back in a booted Debian: it is systemd's, needs neither Node nor moat nor the session, and ends with the boot.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { DATABASE_PORT, type Debian, installDebian } from '../../lab/debian.ts';
import { installMoat } from '../../lab/moat-package.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { eventually, pause } from '../../lab/waiting.ts';

let network: Network;
let debian: Debian;
let outside: Agent;

beforeAll(async () => {
  network = await createNetwork();
  debian = await installDebian(network.server);
  outside = await startAgent(network.outside);
  await debian.start();
  await installMoat(debian);
});

afterAll(async () => {
  await outside?.stop();
  await debian?.destroy();
  await network?.destroy();
});

beforeEach(async () => {
  await debian.output('chmod', ['a+x', '/usr/bin/node']);
  await moat('disable');
  await debian.output('rm', ['-rf', '/etc/moat', '/var/lib/moat']);
  await moat('allow', '22');
});

const moat = (...words: string[]) => debian.output('moat', words);
const file = (path: string) => debian.output('cat', [path]);
const exists = async (path: string) => (await debian.run('test', ['-e', path])).code === 0;

async function database(): Promise<string[]> {
  const { v4, v6 } = network.server.addresses;
  const dial = async (host: string) => (await outside.dial(host, DATABASE_PORT, { timeoutMs: 400 })).result;
  return Promise.all([v4, v6].map(dial));
}

/** The timers of ways back that systemd has. */
const timers = () => debian.output('systemctl', ['list-timers', '--no-legend', 'moat-way-back-*']);

const OPEN = ['open', 'open'];
const CLOSED = ['timeout', 'timeout'];

test('not confirmed: everything is back in time, without moat, Node, or the session', async () => {
  const policy = await file('/etc/moat/policy');
  const session = await debian.openSession(network.outside);
  // The proof that nothing of a session lives on: this would, on most systems.
  await session.run('setsid sleep 600 >/dev/null 2>&1 & echo $! >/root/left');
  const left = `/proc/${(await file('/root/left')).trim()}`;
  expect(await exists(left)).toBe(true);
  // moat is killed as soon as its rules are in force.
  const enabled = await session.run(
    'moat enable --confirm 5 & until nft list table inet moat >/dev/null 2>&1; do :; done; kill -9 $!; true',
  );
  const begun = performance.now();
  expect(enabled?.code).toBe(0);
  expect(await timers()).toMatch(/moat-way-back-[0-9a-f]+\.timer/);
  await debian.output('chmod', ['a-x', '/usr/bin/node']);
  expect((await debian.run('moat', ['version'])).code).not.toBe(0);
  await session.close();
  expect(await eventually(2000, async () => !(await exists(left)))).toBe(true);
  expect(await database()).toEqual(CLOSED);
  expect(await eventually(8000, async () => (await database()).join() === OPEN.join())).toBe(true);
  const seconds = (performance.now() - begun) / 1000;
  expect(seconds).toBeGreaterThan(3);
  expect(seconds).toBeLessThan(7);
  expect(await debian.output('nft', ['list', 'ruleset'])).toBe('');
  await debian.output('chmod', ['a+x', '/usr/bin/node']);
  await eventually(2000, async () => !(await exists('/var/lib/moat/pending')));
  expect(await exists('/var/lib/moat/pending')).toBe(false);
  expect(await file('/etc/moat/policy')).toBe(policy);
  expect(await exists('/etc/systemd/system/moat.service')).toBe(false);
  expect(await timers()).toBe('');
  const journal = await debian.output('journalctl', ['--boot', '--identifier=moat', '--priority=warning']);
  expect(journal).toContain('a change was not confirmed');
});

test('the session dies: everything is back at once, by a service of systemd’s, and the timer goes with it', async () => {
  const watches = () => debian.output('systemctl', ['list-units', '--no-legend', 'moat-way-back-watch-*']);
  const terminal = await debian.openTerminal(network.outside);
  const enabled = await terminal.run('moat enable --confirm 300');
  expect(enabled.stdout).toMatch(/within 300 s|within 29\d s/);
  expect(enabled.stdout).toContain('or this session ends');
  expect(await watches()).toMatch(/moat-way-back-watch-[0-9a-f]+\.service/);
  expect(await database()).toEqual(CLOSED);
  const begun = performance.now();
  await terminal.kill();
  expect(await eventually(8000, async () => (await debian.output('nft', ['list', 'ruleset'])) === '')).toBe(
    true,
  );
  const seconds = (performance.now() - begun) / 1000;
  console.log(`the session died under systemd: the old rules were back after ${seconds.toFixed(1)} s`);
  expect(seconds).toBeLessThan(2);
  expect(await eventually(2000, async () => (await watches()) === '')).toBe(true);
  const journal = await debian.output('journalctl', ['--boot', '--identifier=moat', '--priority=warning']);
  expect(journal).toContain('the session that made a change ended');
  // Confirmed, it is not watched any more.
  const again = await debian.openTerminal(network.outside);
  await again.run('moat enable --confirm 300');
  expect(await debian.command(network.outside, 'moat confirm')).toMatchObject({ code: 0 });
  expect(await watches()).toBe('');
  expect(await timers()).toBe('');
  await again.kill();
  await pause(2000);
  expect(await database()).toEqual(CLOSED);
});

test('confirmed from a new session: it stays, also through a reboot', async () => {
  const old = await debian.openSession(network.outside);
  expect(await old.run('moat enable --confirm 8')).toMatchObject({ code: 0 });
  const struck = pause(9000);
  expect(await old.run('moat confirm')).toMatchObject({ code: 3 });
  expect(await exists('/etc/systemd/system/moat.service')).toBe(false);
  expect(await debian.command(network.outside, 'moat confirm')).toMatchObject({ code: 0 });
  await old.close();
  await struck;
  expect(await database()).toEqual(CLOSED);
  await debian.reboot();
  expect(await database()).toEqual(CLOSED);
  expect((await debian.command(network.outside, 'true')).code).toBe(0);
});

test('a change that nobody confirmed before a reboot is gone after it', async () => {
  await moat('allow', '3306/tcp');
  await moat('enable', '--confirm', '0');
  const policy = await file('/etc/moat/policy');
  await moat('delete', 'allow', '3306/tcp', '--confirm', '300');
  const edited = await file('/etc/moat/policy');
  expect(edited).not.toBe(policy);
  expect(await database()).toEqual(CLOSED);
  await debian.reboot();
  expect(await database()).toEqual(OPEN);
  expect(await file('/etc/moat/policy')).toBe(policy);
  // What the admin wrote is kept aside.
  expect(await file('/etc/moat/policy.not-confirmed')).toBe(edited);
  expect(await exists('/var/lib/moat/pending')).toBe(false);
  expect(await debian.output('systemctl', ['is-active', 'moat.service'])).toBe('active\n');
  expect(await moat('reload', '--dry-run')).toContain('the rules in the kernel would stay as they are');
});

test('an enable that nobody confirmed before a reboot is gone after it, and cannot be confirmed then', async () => {
  const policy = await file('/etc/moat/policy');
  await moat('enable', '--confirm', '300');
  await moat('allow', '80');
  expect(await database()).toEqual(CLOSED);
  await debian.reboot();
  expect(await database()).toEqual(OPEN);
  expect(await moat('status', '--json')).toMatch(/"confirmWithin": ?null/);
  expect(await debian.command(network.outside, 'moat confirm')).toMatchObject({
    code: 3,
    stderr: expect.stringMatching(/nothing waits for a confirmation\n.*was not confirmed/),
  });
  expect(await file('/etc/moat/policy')).toBe(policy);
  expect(await debian.output('nft', ['list', 'ruleset'])).toBe('');
  expect(await exists('/etc/systemd/system/moat.service')).toBe(false);
});

test('disable ends a change that waits, its timer, the unit and the rules', async () => {
  await moat('enable', '--confirm', '0');
  await moat('default', 'deny', 'outgoing', '--confirm', '3');
  await moat('disable');
  expect(await debian.output('nft', ['list', 'ruleset'])).toBe('');
  expect(await exists('/etc/systemd/system/moat.service')).toBe(false);
  expect(await exists('/var/lib/moat/boot.nft')).toBe(false);
  await pause(4000);
  expect(await debian.output('nft', ['list', 'ruleset'])).toBe('');
  expect(await timers()).toBe('');
});

test('doctor: nothing on a good machine, where a timer of systemd fires; a unit that is gone, off or edited', async () => {
  await moat('enable', '--confirm', '0');
  const doctor = async (...options: string[]) => {
    const { code, stdout } = await debian.run('moat', ['doctor', '--json', ...options]);
    return { code, ...JSON.parse(stdout) };
  };
  const found = async (...options: string[]) =>
    (await doctor(...options)).findings.map(({ id, what }: { id: string; what: string }) => `${id}: ${what}`);
  expect(await doctor()).toMatchObject({ code: 0, findings: [], wayBack: { result: 'works' } });
  expect(await timers()).toBe('');

  const unit = '/etc/systemd/system/moat.service';
  for (const [command, what] of [
    [`systemctl disable moat`, 'does not start'],
    [`rm ${unit}`, 'there is no'],
    [`sed -i s/oneshot/simple/ ${unit}`, 'is not what this moat writes'],
  ] as const) {
    await debian.output('sh', ['-ec', command]);
    expect(await found('--quick')).toEqual([expect.stringMatching(`^boot-unit: .*${what}`)]);
    await moat('enable', '--confirm', '0');
    expect(await found('--quick')).toEqual([]);
  }

  await debian.output('systemctl', ['enable', 'nftables']);
  expect(await found('--quick')).toEqual([expect.stringContaining('flush-ruleset: nftables.service')]);
  await debian.output('systemctl', ['disable', 'nftables']);

  // A systemd that takes a timer and forgets it.
  await debian.output('sh', [
    '-ec',
    'printf "#!/bin/sh\\n" >/usr/local/sbin/systemd-run; chmod +x /usr/local/sbin/systemd-run',
  ]);
  expect(await found()).toEqual([expect.stringContaining('way-back-test: the way back does not work')]);
  await debian.output('rm', ['/usr/local/sbin/systemd-run']);
});
