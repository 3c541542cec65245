// A booted Debian with moat from npm: closed before there is a network, also when moat's own files are gone.
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, type Prober, type ProberReport, startAgent } from '../../lab/agent.ts';
import { DATABASE_PORT, type Debian, installDebian } from '../../lab/debian.ts';
import { installMoat } from '../../lab/moat-package.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { pause } from '../../lab/waiting.ts';

const FAMILIES = ['v4', 'v6'] as const;
const UNIT = '/etc/systemd/system/moat.service';
const FIREWALL = fileURLToPath(new URL('../../packages/firewall/', import.meta.url));

let network: Network;
let debian: Debian;
let outside: Agent;

beforeAll(async () => {
  network = await createNetwork();
  debian = await installDebian(network.server);
  outside = await startAgent(network.outside);
});

afterAll(async () => {
  await outside?.stop();
  await debian?.destroy();
  await network?.destroy();
});

/** Dials a port from outside, in both families, until told to stop. */
function knock(port: number, everyMs: number): Promise<Prober> {
  const targets = FAMILIES.map((family) => ({ name: family, host: network.server.addresses[family], port }));
  return outside.prober(targets, { everyMs });
}

/** Dials the database every 20 ms, and sshd more rarely, for each of its answers is a process. */
async function watch(): Promise<
  () => Promise<{ database: readonly ProberReport[]; ssh: readonly ProberReport[] }>
> {
  const probers = await Promise.all([knock(DATABASE_PORT, 20), knock(22, 100)]);
  return async () => {
    // So that what the network had to say after the boot is in it.
    await pause(1000);
    const [database, ssh] = await Promise.all(probers.map((prober) => prober.stop()));
    return { database: database!, ssh: ssh! };
  };
}

async function reach(port: number): Promise<string[]> {
  const dial = async (family: 'v4' | 'v6') =>
    (await outside.dial(network.server.addresses[family], port, { timeoutMs: 400 })).result;
  return Promise.all(FAMILIES.map(dial));
}

async function property(unit: string, name: string): Promise<string> {
  return (await debian.output('systemctl', ['show', '--property', name, '--value', unit])).trim();
}

/** Microseconds since the kernel started, as systemd counted them. */
const moment = async (unit: string, name: string): Promise<number> =>
  Number(await property(unit, `${name}TimestampMonotonic`));

/** Never an answer from the database, however often it was asked, and it was there to answer; sshd answered at last. */
async function expectClosed(end: Awaited<ReturnType<typeof watch>>): Promise<void> {
  const { database, ssh } = await end();
  expect(await property('database.service', 'ActiveState')).toBe('active');
  expect(await moment('database.service', 'ActiveEnter')).toBeLessThan(
    await moment('systemd-networkd.service', 'InactiveExit'),
  );
  for (const { name, counts, transitions } of database) {
    expect({ name, open: counts.open, transitions }).toMatchObject({ open: 0 });
    expect(counts.timeout).toBeGreaterThan(50);
  }
  for (const { name, counts, transitions } of ssh) {
    expect({ name, last: transitions.at(-1) }).toMatchObject({ last: { result: 'open' } });
    expect(counts.open).toBeGreaterThan(0);
  }
}

const OPEN = ['open', 'open'];
const CLOSED = ['timeout', 'timeout'];

test('without moat the database answers as soon as there is a network', async () => {
  const end = await watch();
  await debian.start();
  const { database } = await end();
  for (const { counts } of database) expect(counts.open).toBeGreaterThan(20);
  expect(await moment('database.service', 'ActiveEnter')).toBeLessThan(
    await moment('systemd-networkd.service', 'InactiveExit'),
  );
  expect(await reach(22)).toEqual(OPEN);
});

test('a development build does not touch the rules of a booted system', async () => {
  for (const part of ['bin', 'dist']) {
    await cp(join(FIREWALL, part), join(debian.root, 'opt/development', part), { recursive: true });
  }
  const result = await debian.run('/opt/development/bin/moat', ['enable', '--confirm', '0']);
  expect(result.code).toBe(1);
  expect(result.stderr).toContain('this is a development build of moat, and this is the network of PID 1');
  expect(await debian.output('nft', ['list', 'ruleset'])).toBe('');
  expect((await debian.run('systemctl', ['cat', 'moat.service'])).code).not.toBe(0);
  expect(await reach(DATABASE_PORT)).toEqual(OPEN);
});

test('npm installs the release', async () => {
  await installMoat(debian);
  expect(await debian.output('moat', ['version'])).toMatch(/^moat \d+\.\d+\.\d+$/m);
});

test('from enable on, through a reboot, the closed port never answers, and the open one comes back', async () => {
  await debian.output('moat', ['allow', '22']);
  await debian.output('moat', ['enable', '--confirm', '0']);
  const end = await watch();
  expect(await reach(DATABASE_PORT)).toEqual(CLOSED);
  await debian.reboot();
  await expectClosed(end);
  expect(await property('moat.service', 'ActiveState')).toBe('active');
  expect((await debian.command(network.outside, 'moat status')).stdout).toMatch(/^22\s+ALLOW\s+Anywhere/m);
});

test('the network waits for the rules, however long they take', async () => {
  const slow = `${UNIT}.d/slow.conf`;
  await mkdir(join(debian.root, dirname(slow)));
  await writeFile(join(debian.root, slow), '[Service]\nExecStartPre=/bin/sleep 1.5\n');
  const end = await watch();
  await debian.reboot();
  await expectClosed(end);
  const loaded = await moment('moat.service', 'ActiveEnter');
  expect(loaded - (await moment('database.service', 'ActiveEnter'))).toBeGreaterThan(1_000_000);
  expect(await moment('systemd-networkd.service', 'InactiveExit')).toBeGreaterThan(loaded);
  await rm(join(debian.root, dirname(slow)), { recursive: true });
});

test('systemd orders the unit before network and Docker, and finds nothing to say against it', async () => {
  const before = (await property('moat.service', 'Before')).split(' ');
  expect(before).toEqual(expect.arrayContaining(['network-pre.target', 'docker.service']));
  expect(await debian.run('systemd-analyze', ['verify', UNIT])).toEqual({ code: 0, stdout: '', stderr: '' });
});

test("with moat's own files gone, the emergency rules are in force, and the journal tells", async () => {
  await debian.output('npm', ['uninstall', '--global', '@moat/firewall']);
  await debian.output('rm', ['-r', '/etc/moat', '/var/lib/moat']);
  expect((await debian.run('sh', ['-c', 'command -v moat'])).code).not.toBe(0);
  const end = await watch();
  await debian.reboot();
  await expectClosed(end);
  expect(await debian.output('nft', ['list', 'tables'])).toBe('table inet moat\n');
  expect(await property('moat.service', 'ActiveState')).toBe('failed');
  expect(await debian.output('systemctl', ['list-units', '--failed', '--plain'])).toContain('moat.service');
  const journal = await debian.output('journalctl', ['--boot', '--priority=crit', '--unit=moat.service']);
  expect(journal).toContain('/var/lib/moat/boot.nft could not be loaded; the emergency rules are in force');
  expect((await debian.command(network.outside, 'echo in')).stdout).toBe('in\n');
});

test('installed again, it takes over from the emergency rules', async () => {
  await installMoat(debian);
  await debian.output('moat', ['allow', '22', '--confirm', '0']);
  await debian.output('moat', ['enable', '--confirm', '0']);
  const end = await watch();
  await debian.reboot();
  await expectClosed(end);
  expect(await property('moat.service', 'ActiveState')).toBe('active');
});

test('disable takes rules and unit away, also from the next boot', async () => {
  await debian.output('moat', ['disable']);
  expect(await reach(DATABASE_PORT)).toEqual(OPEN);
  expect((await debian.run('test', ['-e', UNIT])).code).toBe(1);
  await debian.reboot();
  expect(await debian.output('nft', ['list', 'ruleset'])).toBe('');
  expect(await property('moat.service', 'LoadState')).toBe('not-found');
  expect(await reach(DATABASE_PORT)).toEqual(OPEN);
});
