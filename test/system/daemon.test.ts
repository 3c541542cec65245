// The daemon in a booted Debian: systemd's, in the sandbox of its unit, which must keep nothing from it that it needs.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DATABASE_PORT, type Debian, installDebian } from '../../lab/debian.ts';
import { installMoat } from '../../lab/moat-package.ts';
import { type NameServer, startNameServer } from '../../lab/name-server.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { eventually } from '../../lab/waiting.ts';

type Event = { readonly event: string; readonly [field: string]: unknown };

const UNIT = 'moat-daemon.service';
/** Open, and nobody there yet: a program comes, and a table that leads to the database. */
const SHOP_PORT = 8081;
const REDIRECTED_PORT = 8082;

let network: Network;
let debian: Debian;
let dns: NameServer;

beforeAll(async () => {
  network = await createNetwork();
  debian = await installDebian(network.server);
  dns = await startNameServer(network.third);
  await put('etc/resolv.conf', `nameserver ${network.third.addresses.v4}\n`);
  await debian.start();
  await installMoat(debian);
});

afterAll(async () => {
  dns?.stop();
  await debian?.destroy();
  await network?.destroy();
});

const moat = (...words: string[]) => debian.output('moat', words);
const sh = (script: string) => debian.output('sh', ['-ec', script], { timeoutMs: 20_000 });
const put = (path: string, text: string) => writeFile(join(debian.root, path), text);
const status = async () => JSON.parse(await moat('status', '--json')) as { daemon: { pid: number } | null };

async function property(name: string): Promise<string> {
  return (await debian.output('systemctl', ['show', '--property', name, '--value', UNIT])).trim();
}

/** What it told by now; nothing before it was ever started. */
async function events(): Promise<Event[]> {
  const { stdout } = await debian.run('cat', ['/var/lib/moat/events']);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event);
}

/** The first event from `from` on that fits. */
async function told(from: number, fits: (event: Event) => boolean, limitMs = 5000): Promise<Event> {
  let since: Event[] = [];
  await eventually(limitMs, async () => {
    since = (await events()).slice(from);
    return since.some(fits);
  });
  const found = since.find(fits);
  if (found === undefined) throw new Error(`no such event among ${JSON.stringify(since, null, 1)}`);
  return found;
}

/** Does it in there and gives the milliseconds until the whole table is listed again. */
async function timeToRepair(deed: string): Promise<number> {
  const said = await sh(`start=$(date +%s%N)
${deed}
until nft list table inet moat 2>/dev/null | grep -q default-incoming; do sleep 0.02; done
echo $((($(date +%s%N) - start) / 1000000))`);
  return Number(said);
}

/** Of the lock that all commands share; another number is another lock. */
const lockInode = () => debian.output('stat', ['--format=%i', '/run/moat/lock']);
const table = () => debian.output('nft', ['--stateless', 'list', 'table', 'inet', 'moat']);

test('installed, it runs in its sandbox; what others take away is back within a second', async () => {
  for (const port of [22, SHOP_PORT, REDIRECTED_PORT]) await moat('allow', `${port}/tcp`);
  await moat('enable', '--confirm', '0');
  const lock = await lockInode();
  const rules = await table();
  expect(await moat('daemon', '--install')).toContain('it runs');
  await told(0, ({ event }) => event === 'started', 15_000);
  expect(await property('ActiveState')).toBe('active');
  const pid = await property('MainPID');
  expect((await status()).daemon).toMatchObject({ pid: Number(pid) });
  expect(await moat('status', 'verbose')).toContain(`(pid ${pid})`);
  // The sandbox is there: net_admin, net_raw, sys_ptrace, dac_read_search and no more; no new ones; a filter of calls.
  const process = await debian.output('cat', [`/proc/${pid}/status`]);
  for (const line of ['CapEff:\t0000000000083004', 'NoNewPrivs:\t1', 'Seccomp:\t2']) {
    expect(process).toContain(line);
  }
  expect(await debian.output('stat', ['--format=%A %U', '/run/moat', '/var/lib/moat'])).toBe(
    'drwx------ root\ndrwx------ root\n',
  );
  // By the time of its first audit, by a child in the same sandbox, it has long begun to listen.
  const audited = async () => (await debian.run('test', ['-s', '/run/moat/exposures.json'])).code === 0;
  expect(await eventually(15_000, audited)).toBe(true);
  const from = (await events()).length;
  const ms = await timeToRepair('nft flush ruleset');
  const repaired = await told(from, ({ event }) => event === 'repaired');
  console.log(`flush ruleset: repaired after ${ms} ms, ${repaired['milliseconds']} ms after it was noticed`);
  expect(ms).toBeLessThan(1000);
  expect(await told(from, ({ event }) => event === 'changed')).toMatchObject({
    gone: true,
    by: { name: 'nft' },
  });
  expect(await table()).toBe(rules);
  expect(await lockInode()).toBe(lock);
});

test('what a program and what a table of others opens is told, and all that an audit outside finds', async () => {
  const opened = (from: number, port: number) =>
    told(from, (each) => each['change'] === 'opened' && each['port'] === port, 15_000);
  const from = (await events()).length;
  await put(
    'root/redirect.nft',
    `table inet other { chain published { type nat hook prerouting priority -100; tcp dport ${REDIRECTED_PORT} redirect to :${DATABASE_PORT}; }; }`,
  );
  await sh(`sed 's/${DATABASE_PORT}/${SHOP_PORT}/' /etc/systemd/system/database.service >/run/systemd/system/shop.service
systemctl daemon-reload
systemctl start shop
nft -f /root/redirect.nft`);
  // Whose socket it is stands in /proc of another's process.
  expect(await opened(from, SHOP_PORT)).toMatchObject({ reaches: { kind: 'process', name: 'perl' } });
  expect(await opened(from, REDIRECTED_PORT)).toMatchObject({ reaches: { kind: 'process', name: 'perl' } });
  const { exposures, direct } = JSON.parse(await moat('audit', '--json'));
  expect(JSON.parse(await debian.output('cat', ['/run/moat/exposures.json']))).toEqual({ exposures, direct });
});

test('in its sandbox it asks for the names in groups', async () => {
  const name = 'late.example.org';
  await dns.set(name, { says: 'servfail' });
  expect(await moat('group', 'late', name)).toContain('the server failed');
  await moat('allow', 'from', 'late', 'to', 'any', 'port', '9090');
  const from = (await events()).length;
  await dns.set(name, { a: [network.blog.addresses.v4], ttl: 3600 });
  // Another network: what failed is asked for again.
  await sh('ip address add 192.0.2.201/32 dev lo');
  expect(await told(from, ({ event }) => event === 'resolved')).toMatchObject({
    name,
    came: [network.blog.addresses.v4],
  });
  expect(await table()).toContain(network.blog.addresses.v4);
  await moat('delete', 'allow', 'from', 'late', 'to', 'any', 'port', '9090', '--confirm', '0');
  await moat('delete', 'group', 'late');
});

test('killed, it is started again by systemd, and repairs what was done meanwhile', async () => {
  const lock = await lockInode();
  const before = await property('MainPID');
  const from = (await events()).length;
  const ms = await timeToRepair(`kill -9 ${before}; nft flush ruleset`);
  console.log(`killed, and flush ruleset: repaired after ${ms} ms`);
  await told(from, ({ event }) => event === 'started', 15_000);
  const after = await property('MainPID');
  expect(after).not.toBe(before);
  expect((await status()).daemon).toMatchObject({ pid: Number(after) });
  expect(await property('NRestarts')).toBe('1');
  // It begins to listen a moment after it has started.
  expect(await timeToRepair('sleep 1; nft flush ruleset')).toBeLessThan(2000);
  expect(await lockInode()).toBe(lock);
});

test('disable ends it and nothing is loaded again, enable starts it, --remove leaves nothing of it', async () => {
  const lock = await lockInode();
  let begun = performance.now();
  await moat('disable');
  console.log(`disabled in ${Math.round(performance.now() - begun)} ms`);
  expect(await property('ActiveState')).toBe('inactive');
  expect((await status()).daemon).toBeNull();
  await sh('nft add table inet third; nft flush ruleset; sleep 1.5');
  expect(await debian.output('nft', ['list', 'ruleset'])).toBe('');
  // Its folder stays as it is, for the boot's unit has it too.
  expect(await lockInode()).toBe(lock);

  expect(await moat('daemon', '--install')).toContain('it starts when moat is enabled');
  expect(await property('ActiveState')).toBe('inactive');
  const from = (await events()).length;
  await moat('enable', '--confirm', '0');
  await told(from, ({ event }) => event === 'started', 15_000);
  expect(await property('ActiveState')).toBe('active');

  const pid = await property('MainPID');
  begun = performance.now();
  await moat('daemon', '--remove');
  console.log(`removed in ${Math.round(performance.now() - begun)} ms`);
  expect(await property('LoadState')).toBe('not-found');
  expect(
    await sh("find /etc/systemd /run/systemd/system -name 'moat-daemon*'; ls /run/moat/daemon 2>&1 || true"),
  ).toBe("ls: cannot access '/run/moat/daemon': No such file or directory\n");
  expect((await debian.run('test', ['-e', `/proc/${pid}`])).code).toBe(1);
  expect(await table()).toContain('default-incoming');
  expect(await lockInode()).toBe(lock);
  // Nothing that it needs was kept from it, all the time.
  expect((await events()).filter(({ event }) => event === 'problem')).toEqual([]);
  const journal = await debian.output('journalctl', ['--boot', '--unit', UNIT, '--identifier=moat']);
  expect(journal).toContain('"event":"repaired"');
  expect(journal).not.toMatch(/EPERM|EACCES|EROFS|not permitted|Permission denied|Read-only/);
});
