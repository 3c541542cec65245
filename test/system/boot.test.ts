// A booted Debian with moat from npm: every rung of the ladder, with somebody outside who dials during the whole boot.
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, type Prober, type ProberReport, startAgent } from '../../lab/agent.ts';
import { commandOutput } from '../../lab/command.ts';
import { DATABASE_PORT, type Debian, installDebian, PUBLISHED_PORT, WEB_PORT } from '../../lab/debian.ts';
import { installMoat } from '../../lab/moat-package.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { pause } from '../../lab/waiting.ts';

const FAMILIES = ['v4', 'v6'] as const;
const UNIT = '/etc/systemd/system/moat.service';
const STATE = '/var/lib/moat';
const FIREWALL = fileURLToPath(new URL('../../packages/firewall/', import.meta.url));
/** sshd's second port. */
const SSH_TOO = 2222;

let network: Network;
let debian: Debian;
let outside: Agent;

beforeAll(async () => {
  network = await createNetwork();
  debian = await installDebian(network.server, ['database', 'web', 'container']);
  await writeFile(inside('/etc/ssh/sshd_config.d/lab.conf'), `Port 22\nPort ${SSH_TOO}\n`);
  outside = await startAgent(network.outside);
});

afterAll(async () => {
  await outside?.stop();
  await debian?.destroy();
  await network?.destroy();
});

const inside = (path: string): string => join(debian.root, path);
const moat = (...words: string[]) => debian.output('moat', words);
const status = async () => JSON.parse(await moat('status', '--json')) as { boot: unknown; notes: string[] };

/** Dials a port from outside, in both families, until told to stop. */
function knock(port: number, everyMs: number): Promise<Prober> {
  const targets = FAMILIES.map((family) => ({
    name: `${port} ${family}`,
    host: network.server.addresses[family],
    port,
  }));
  return outside.prober(targets, { everyMs });
}

type Seen = Readonly<Record<'database' | 'published' | 'web' | 'ssh', readonly ProberReport[]>>;

/** Dials what is to be closed every 20 ms, and sshd more rarely, for each of its answers is a process. */
async function watch(): Promise<() => Promise<Seen>> {
  const probers = await Promise.all([
    ...[DATABASE_PORT, PUBLISHED_PORT, WEB_PORT].map((port) => knock(port, 20)),
    knock(22, 100),
  ]);
  return async () => {
    // So that what the network had to say after the boot is in it.
    await pause(1000);
    const [database, published, web, ssh] = await Promise.all(probers.map((prober) => prober.stop()));
    return { database: database!, published: published!, web: web!, ssh: ssh! };
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

/** Never an answer, however often it was asked. */
function expectNever(reports: readonly ProberReport[]): void {
  for (const { name, counts, transitions } of reports) {
    expect({ name, open: counts.open, transitions }).toMatchObject({ open: 0 });
    expect(counts.timeout).toBeGreaterThan(50);
  }
}

/** What may have been open until the machine went down did not answer any more. `since`: ms since 1970. */
function expectNoMore(reports: readonly ProberReport[], since: number): void {
  for (const { name, transitions } of reports) {
    const opened = transitions.filter(({ at, result }) => result === 'open' && at >= since);
    expect({ name, opened }).toEqual({ name, opened: [] });
  }
}

/** When this boot's systemd began, ms since 1970. */
async function bootBegan(): Promise<number> {
  const words = ['show', '--timestamp=us', '--property=UserspaceTimestamp', '--value'];
  const [, day, time] = (await debian.output('systemctl', words)).split(' ');
  return Date.parse(`${day}T${time}Z`);
}

function expectAtLast(reports: readonly ProberReport[]): void {
  for (const { name, counts, transitions } of reports) {
    expect({ name, last: transitions.at(-1) }).toMatchObject({ last: { result: 'open' } });
    expect(counts.open).toBeGreaterThan(0);
  }
}

/**
 * Reboots with somebody outside at the doors: what is closed never answered from before the reboot until after it,
 * although it was there to answer; sshd answers at last, and the web server where the rung lets it.
 */
async function boot(rung: string, { web }: { web: boolean }): Promise<void> {
  const end = await watch();
  const begun = performance.now();
  await debian.reboot();
  const seconds = (performance.now() - begun) / 1000;
  const seen = await end();
  const dials = [...seen.database, ...seen.published];
  const count = (results: readonly (keyof ProberReport['counts'])[]): number =>
    dials.reduce((sum, { counts }) => sum + results.reduce((all, each) => all + counts[each], 0), 0);
  console.log(
    `rung ${rung}: rebooted in ${seconds.toFixed(1)} s; of ${count(['open', 'refused', 'timeout', 'unreachable'])} ` +
      `dials of closed ports ${count(['open'])} were answered`,
  );
  for (const unit of ['database.service', 'web.service', 'container.service']) {
    expect({ unit, is: await property(unit, 'ActiveState') }).toEqual({ unit, is: 'active' });
    expect(await moment(unit, 'ActiveEnter')).toBeLessThan(
      await moment('systemd-networkd.service', 'InactiveExit'),
    );
  }
  expectNever(seen.database);
  expectNever(seen.published);
  if (web) expectAtLast(seen.web);
  else expectNoMore(seen.web, await bootBegan());
  expectAtLast(seen.ssh);
  expect(await reach(WEB_PORT)).toEqual(web ? OPEN : CLOSED);
  expect(await debian.output('head', ['-n', '1', '/run/moat/boot-rung'])).toBe(`rung ${rung}\n`);
  expect((await debian.command(network.outside, 'echo in')).stdout).toBe('in\n');
}

/** The unit has failed, for everybody to see, and the journal tells why. */
async function expectFailed(...said: readonly string[]): Promise<void> {
  expect(await property('moat.service', 'ActiveState')).toBe('failed');
  expect((await debian.run('systemctl', ['is-system-running'])).stdout).toBe('degraded\n');
  expect(await debian.output('systemctl', ['list-units', '--failed', '--plain'])).toContain('moat.service');
  const journal = await debian.output('journalctl', ['--boot', '--priority=crit', '--unit=moat.service']);
  for (const words of said) expect(journal).toContain(words);
}

const OPEN = ['open', 'open'];
const CLOSED = ['timeout', 'timeout'];

test('without moat all of it answers as soon as there is a network', async () => {
  const end = await watch();
  await debian.start();
  const { database, published, web } = await end();
  for (const { counts } of [...database, ...published, ...web]) expect(counts.open).toBeGreaterThan(20);
  expect(await moment('database.service', 'ActiveEnter')).toBeLessThan(
    await moment('systemd-networkd.service', 'InactiveExit'),
  );
  expect(await reach(22)).toEqual(OPEN);
});

test('a development build does not touch the rules of a booted system', async () => {
  for (const part of ['bin', 'dist']) {
    await cp(join(FIREWALL, part), inside(join('opt/development', part)), { recursive: true });
  }
  const result = await debian.run('/opt/development/bin/moat', ['enable', '--confirm', '0']);
  expect(result.code).toBe(1);
  expect(result.stderr).toContain('this is a development build of moat, and this is the network of PID 1');
  expect(await debian.output('nft', ['list', 'tables'])).toBe('table inet engine\n');
  expect((await debian.run('systemctl', ['cat', 'moat.service'])).code).not.toBe(0);
  expect(await reach(DATABASE_PORT)).toEqual(OPEN);
});

test('npm installs the release', async () => {
  await installMoat(debian);
  expect(await debian.output('moat', ['version'])).toMatch(/^moat \d+\.\d+\.\d+$/m);
  const prefix = (await debian.output('npm', ['config', 'get', 'prefix'])).trim();
  const page = await debian.output('cat', [join(prefix, 'share/man/man8/moat.8')]);
  expect(page).toBe(await debian.output('moat', ['man-page']));
});

test('rung 1: the last confirmed rules and the bans; the network waits for them, however long they take', async () => {
  await mkdir(inside('/etc/moat'), { recursive: true });
  await writeFile(inside('/etc/moat/policy'), 'allow 22\n');
  await moat('enable', '--confirm', '0');
  await moat('allow', String(WEB_PORT));
  await moat('ban', network.third.addresses.v4, 'for', '1h');
  expect(await reach(DATABASE_PORT)).toEqual(CLOSED);
  const slow = `${UNIT}.d/slow.conf`;
  await mkdir(inside(dirname(slow)));
  await writeFile(inside(slow), '[Service]\nExecStartPre=/bin/sleep 1.5\n');
  await boot('confirmed', { web: true });
  await rm(inside(dirname(slow)), { recursive: true });
  expect(await property('moat.service', 'ActiveState')).toBe('active');
  expect(await status()).toMatchObject({
    ...{ active: true, enabledAtBoot: true, notes: [], rules: [{ sentence: 'allow 22' }, {}] },
    boot: { rung: 'confirmed', skipped: [], without: [] },
  });
  const loaded = await moment('moat.service', 'ActiveEnter');
  expect(loaded - (await moment('database.service', 'ActiveEnter'))).toBeGreaterThan(1_000_000);
  expect(await moment('systemd-networkd.service', 'InactiveExit')).toBeGreaterThan(loaded);
  const element = `{ ${network.third.addresses.v4} }`;
  expect(await debian.output('nft', ['get', 'element', 'inet', 'moat', 'banned_v4', element])).toMatch(
    /expires 5\dm/,
  );
});

test('systemd orders the unit before network and Docker, and finds nothing to say against it', async () => {
  const before = (await property('moat.service', 'Before')).split(' ');
  expect(before).toEqual(expect.arrayContaining(['network-pre.target', 'docker.service']));
  expect(await debian.run('systemd-analyze', ['verify', UNIT])).toEqual({ code: 0, stdout: '', stderr: '' });
  const security = await debian.output('systemd-analyze', ['security', '--no-pager', 'moat.service']);
  // What could still be taken from it, and the sum.
  console.log(
    security
      .split('\n')
      .filter((line) => /^[✗→]/.test(line))
      .join('\n'),
  );
  expect(Number(/exposure level for moat.service: ([0-9.]+)/.exec(security)?.[1])).toBeLessThan(2.5);
  // The sandbox kept nothing from the rules: what the first of the two commands wrote down is what there is.
  const ran = await debian.output('systemctl', ['show', '--property=ExecStart', 'moat.service']);
  expect(ran.match(/code=\S+ ; status=\S+/g)).toEqual(['code=exited ; status=0', 'code=exited ; status=0']);
});

test('rung 2: the last confirmed rules are torn, those before are in force; reload mends it', async () => {
  const file = inside(`${STATE}/boot.nft`);
  await writeFile(file, (await readFile(file)).subarray(0, 900));
  await boot('before', { web: false });
  await expectFailed(
    'boot.nft: its checksum is wrong',
    'the confirmed rules from before the last ones are in force',
  );
  expect((await status()).notes[0]).toMatch(
    /^this boot loaded the confirmed rules from before the last ones, because of \S+boot\.nft: .*moat reload/,
  );
  await moat('reload', '--confirm', '0');
  expect(await reach(WEB_PORT)).toEqual(OPEN);
  expect(await status()).toMatchObject({ boot: null, notes: [] });
  expect((await debian.run('systemctl', ['is-system-running'])).stdout).toBe('running\n');
});

test('without its script the unit loads the emergency rules that stand in itself', async () => {
  await rm(inside(`${STATE}/boot.sh`));
  await boot('emergency', { web: false });
  await expectFailed(
    'boot.sh: it is not there',
    `the emergency rules are in force: ssh (port 22, ${SSH_TOO})`,
  );
  await moat('reload', '--confirm', '0');
  expect((await debian.run('systemctl', ['is-system-running'])).stdout).toBe('running\n');
});

test("with every file of moat's corrupt and Node removed, the emergency rules are in force", async () => {
  await debian.output('npm', ['uninstall', '--global', '@moat/firewall']);
  await rename(inside('/usr/bin/node'), inside('/root/node'));
  const garbage = `find /etc/moat ${STATE} -type f | while read -r f; do head -c 3000 /dev/urandom >"$f"; done`;
  await debian.output('sh', ['-c', garbage]);
  expect((await debian.run('sh', ['-c', 'command -v moat || command -v node'])).code).not.toBe(0);
  await boot('emergency', { web: false });
  expect(await debian.output('nft', ['list', 'tables'])).toContain('table inet moat\n');
  await expectFailed('boot.sh: it does not begin as moat writes it', 'the emergency rules are in force');
  expect(await reach(SSH_TOO)).toEqual(OPEN);
  await rename(inside('/root/node'), inside('/usr/bin/node'));
});

test('installed again, it takes over from the emergency rules', async () => {
  await rm(inside('/etc/moat'), { recursive: true });
  await rm(inside(STATE), { recursive: true });
  await installMoat(debian);
  expect((await status()).notes[0]).toMatch(
    /^this boot loaded the emergency rules .*the policy file is gone as well/,
  );
  await moat('allow', '22', '--confirm', '0');
  await moat('enable', '--confirm', '0');
  await boot('confirmed', { web: false });
  expect(await property('moat.service', 'ActiveState')).toBe('active');
});

test('disable takes rules and unit away, also from the next boot', async () => {
  await moat('disable');
  expect(await reach(DATABASE_PORT)).toEqual(OPEN);
  expect((await debian.run('test', ['-e', UNIT])).code).toBe(1);
  await debian.reboot();
  expect(await debian.output('nft', ['list', 'tables'])).toBe('table inet engine\n');
  expect(await property('moat.service', 'LoadState')).toBe('not-found');
  expect(await reach(DATABASE_PORT)).toEqual(OPEN);
});

test('the same Debian without systemd: enable gives sysvinit a script that climbs the same ladder', async () => {
  await debian.stop();
  // As a machine of its own, with another init than systemd: number 1 is the shell.
  const script = `mount -t proc proc ${debian.root}/proc
run() { chroot ${debian.root} env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
boot() { run nft flush ruleset; run rm -rf /run/moat; run sh -c 'sh /etc/rcS.d/S*moat start'; echo "code $?"; run cat /run/moat/boot-rung; }
run moat enable --confirm 0 >/dev/null
run moat allow ${WEB_PORT} >/dev/null
boot
run sh -c ': >${STATE}/boot.nft'
boot
run rm -r ${STATE}
run mv /usr/bin/node /root/node
boot
run mv /root/node /usr/bin/node
run moat disable --yes >/dev/null
run ls /etc/init.d/moat /etc/rcS.d | grep moat
umount ${debian.root}/proc`;
  const said = await commandOutput('nsenter', [
    ...[`--net=${network.server.path}`, 'unshare', '--pid', '--fork', '--mount', 'sh', '-c', script],
  ]);
  expect(said.split('\n').filter((line) => /^(code|rung|\/etc|S)/.test(line))).toEqual([
    ...['code 0', 'rung confirmed', 'code 1', 'rung before', 'code 1', 'rung emergency'],
  ]);
});
