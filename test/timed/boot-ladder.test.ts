// The ladder of a boot, as any init runs it: each rung, every way in which a file can be broken, without Node.
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Table } from '@moat/netfilter';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import type { CommandResult } from '../../lab/command.ts';
import { type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { bootStarter } from '../../packages/firewall/src/apply/boot-script.ts';
import { openrcScript, sysvScript } from '../../packages/firewall/src/apply/init-script.ts';
import { pathsUnder } from '../../packages/firewall/src/kernel/paths.ts';
import { sealed } from '../../packages/firewall/src/kernel/sealed-text.ts';
import { isElement, loadedTable, sameTable, tableOf } from '../kernel/loaded.ts';

const FILES = ['boot.nft', 'boot.before.nft', 'boot.sh', 'bans'] as const;
type File = (typeof FILES)[number];

const BANNED = '192.0.2.9';
const SSH = 22;
const [OPEN_NOW, OPEN_FOR_A_DAY, CLOSED] = [80, 81, 82];

let network: Network;
let moat: Moat;
let outside: Agent;
let banned: Agent;
let server: Agent;
let whole: Map<File, Buffer>;
/** The rules of each rung. */
let confirmed: Table;
let before: Table;

beforeAll(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  [outside, banned, server] = (await Promise.all(
    [network.outside, network.third, network.server].map((machine) => startAgent(machine)),
  )) as [Agent, Agent, Agent];
  await Promise.all([SSH, OPEN_NOW, OPEN_FOR_A_DAY, CLOSED].map((port) => server.serve(port)));
  await moat.ok('allow', String(SSH));
  await moat.ok('enable', '--confirm', '0');
  await moat.ok('allow', `${OPEN_FOR_A_DAY}/tcp`, 'for', '1d');
  before = (await loadedTable(network.server))!;
  await moat.ok('allow', String(OPEN_NOW));
  await moat.ok('ban', BANNED, 'for', '1h');
  confirmed = (await loadedTable(network.server))!;
  whole = new Map(FILES.map((name) => [name, readFileSync(at(name))]));
  mkdirSync(join(moat.root, 'dev'));
  writeFileSync(join(moat.root, 'dev/kmsg'), '');
});

afterAll(async () => {
  for (const agent of [outside, banned, server]) await agent?.stop();
  await network?.destroy();
  await moat?.destroy();
});

beforeEach(() => {
  for (const [name, contents] of whole) put(name, contents);
  writeFileSync(join(moat.root, 'dev/kmsg'), '');
});

const at = (name: File): string => join(moat.root, 'var/lib/moat', name);
const text = (name: File): string => whole.get(name)!.toString();
const logged = (): string => readFileSync(join(moat.root, 'dev/kmsg'), 'utf8');
const status = async () =>
  JSON.parse(await moat.ok('status', '--json')) as { boot: unknown; notes: string[] };

function put(name: File, contents: string | Buffer | undefined): void {
  rmSync(at(name), { recursive: true, force: true });
  if (contents !== undefined) writeFileSync(at(name), contents);
}

/** The kernel starts without rules, and /run is new. There is nothing of Node on the PATH. */
async function boot(...command: string[]): Promise<CommandResult & { record: string }> {
  const record = join(moat.root, 'run/moat/boot-rung');
  rmSync(record, { force: true });
  await network.server.output('nft', ['flush', 'ruleset']);
  const run = command.length === 0 ? ['sh', at('boot.sh')] : command;
  const result = await network.server.run('env', ['-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', ...run]);
  return { ...result, record: existsSync(record) ? readFileSync(record, 'utf8') : '' };
}

async function reach(...ports: number[]): Promise<string[]> {
  const { v4, v6 } = network.server.addresses;
  const dials = ports.flatMap((port) => [v4, v6].map((host) => outside.dial(host, port, { timeoutMs: 250 })));
  const results = (await Promise.all(dials)).map(({ result }) => result);
  return ports.map((_, i) => [...new Set(results.slice(2 * i, 2 * i + 2))].join('/'));
}

const isBanned = (): Promise<boolean> => isElement(network.server, 'banned_v4', BANNED);

/** Seconds that the gate of the sentence for a day has left. */
async function gateLeft(): Promise<string> {
  const listed = await network.server.output('nft', ['list', 'table', 'inet', 'moat']);
  return (
    /set until_[^}]*\{[^}]*elements = \{ ipv4 timeout (\S+)/.exec(listed.replaceAll('\n', ' '))?.[1] ?? 'none'
  );
}

async function expectRules(table: Table): Promise<void> {
  expect(sameTable(await loadedTable(network.server), table)).toBe(true);
}

const half = (contents: Buffer): Buffer => contents.subarray(0, contents.length / 2);
const flipped = (contents: Buffer, place: number): Buffer => {
  const copy = Buffer.from(contents);
  copy[place]! ^= 1;
  return copy;
};

/** What a bad disk, a crash, or somebody with an editor makes of a file. */
const BROKEN: Readonly<Record<string, (contents: Buffer) => Buffer | string | undefined>> = {
  'not there': () => undefined,
  empty: () => '',
  'cut in half': half,
  'one byte short': (contents) => contents.subarray(0, -1),
  'only its first line': (contents) => contents.subarray(0, contents.indexOf('\n') + 1),
  'without its first line': (contents) => contents.subarray(contents.indexOf('\n') + 1),
  'one bit other, in the middle': (contents) => flipped(contents, contents.length >> 1),
  'one bit other, in the checksum': (contents) => flipped(contents, 20),
  'a block of zeros': (contents) => Buffer.concat([half(contents), Buffer.alloc(contents.length >> 1)]),
  zeros: (contents) => Buffer.alloc(contents.length),
  garbage: (contents) => Buffer.from(contents.map((byte, i) => (byte * 31 + i * 17) & 255)),
  'a line more': (contents) => `${contents}#\n`,
  'a line less': (contents) => contents.toString().replace(/\n[^\n]*\n$/, '\n'),
  'rules of somebody else, which would load': () =>
    'table inet moat { chain input { type filter hook input priority 0; } }\n',
  'rules of somebody else, sealed as of others': (contents) =>
    `${contents.toString().split('\n')[0]}\ntable inet moat { chain input { type filter hook input priority 0; } }\n`,
};

test('rung 1: the last confirmed rules, in one go with bans and what has time left', async () => {
  const { code, record, stderr } = await boot();
  expect({ code, record, stderr }).toEqual({ code: 0, record: 'rung confirmed\n', stderr: '' });
  await expectRules(confirmed);
  expect(await reach(SSH, OPEN_NOW, OPEN_FOR_A_DAY, CLOSED)).toEqual(['open', 'open', 'open', 'timeout']);
  expect((await banned.dial(network.server.addresses.v4, SSH, { timeoutMs: 250 })).result).toBe('timeout');
  expect(await gateLeft()).toMatch(/^(1d|23h)/);
  expect(logged()).toBe('');
  expect((await status()).notes).toEqual([]);
});

test.for(Object.keys(BROKEN))('rung 2, the last confirmed rules broken: %s', async (how) => {
  put('boot.nft', BROKEN[how]!(whole.get('boot.nft')!));
  const { code, record, stderr } = await boot();
  expect(code).toBe(1);
  expect(record).toMatch(/^rung before\nskipped \S+boot\.nft: it[^\n]+\n$/);
  expect(stderr).toContain('moat: the confirmed rules from before the last ones are in force');
  expect(logged()).toMatch(/<2>moat: the confirmed rules from before .*\n<2>moat: skipped \S+boot\.nft: it/);
  await expectRules(before);
  expect(await isBanned()).toBe(true);
  expect(await gateLeft()).toMatch(/^(1d|23h)/);
});

test.for(Object.keys(BROKEN))('emergency, both broken: %s', async (how) => {
  for (const name of ['boot.nft', 'boot.before.nft'] as const) put(name, BROKEN[how]!(whole.get(name)!));
  const { code, record } = await boot();
  expect(code).toBe(1);
  expect(record).toMatch(
    /^rung emergency\nskipped \S+boot\.nft: it[^\n]+\nskipped \S+boot\.before\.nft: it[^\n]+\n$/,
  );
  expect(logged()).toContain('<2>moat: the emergency rules are in force: ssh (port 22');
  expect((await loadedTable(network.server))?.chains.map(({ name }) => name)).toEqual(['input', 'forward']);
});

test('emergency: ssh answers, all else is closed', async () => {
  put('boot.nft', undefined);
  put('boot.before.nft', undefined);
  await boot();
  expect(await reach(SSH, OPEN_NOW, OPEN_FOR_A_DAY, CLOSED)).toEqual([
    'open',
    'timeout',
    'timeout',
    'timeout',
  ]);
});

test('what is whole and does not load is skipped with what nft says; so are a folder and a loop of links', async () => {
  put('boot.nft', sealed('table inet moat { set s { type no_such_type; } }\n'));
  const refused = await boot();
  expect(refused.record).toMatch(
    /^rung before\nskipped \S+boot\.nft: nft: \S+ Error: unknown datatype [^\n]+\n$/,
  );
  put('boot.nft', undefined);
  mkdirSync(at('boot.nft'));
  expect((await boot()).record).toMatch(/^rung before\n/);
  put('boot.nft', undefined);
  symlinkSync(at('boot.nft'), at('boot.nft'));
  expect((await boot()).record).toMatch(/^rung before\n/);
  await expectRules(before);
});

test.for(Object.keys(BROKEN).filter((how) => how !== 'not there'))(
  'bans that are broken do not bring the rules down: %s',
  async (how) => {
    put('bans', BROKEN[how]!(whole.get('bans')!));
    const { code, record } = await boot();
    expect(code).toBe(1);
    expect(record).toMatch(/^rung confirmed\nwithout bans: \S+bans: it[^\n]+\n$/);
    expect(logged()).toContain('<2>moat: without bans: ');
    await expectRules(confirmed);
    expect(await isBanned()).toBe(false);
    expect(await gateLeft()).toMatch(/^(1d|23h)/);
  },
);

test('bans that nft refuses, and times that it refuses: the rules all the same', async () => {
  put('bans', sealed('#+ banned_v4 192.0.2.777 0 0 192.0.2.777 0 ""\n'));
  expect((await boot()).record).toMatch(/^rung confirmed\nwithout bans: \S+bans: nft: [^\n]*Error[^\n]*\n$/);
  await expectRules(confirmed);
  expect(await gateLeft()).toMatch(/^(1d|23h)/);
  put('bans', undefined);
  expect((await boot()).record).toBe('rung confirmed\n');
  const unsealed = text('boot.nft').slice(text('boot.nft').indexOf('\n') + 1);
  put('boot.nft', sealed(`${unsealed}#+ until_1 ipv4 0 0\n`));
  expect((await boot()).record).toMatch(
    /^rung confirmed\nwithout times: \S+boot\.nft: nft: [^\n]*Error[^\n]*\n$/,
  );
  await expectRules(confirmed);
});

test('where nothing can be loaded it says that everything is open', async () => {
  const without = 'mount --bind /bin/false /usr/sbin/nft; exec "$@"';
  const { code, record } = await boot('unshare', '--mount', 'sh', '-ec', without, 'sh', 'sh', at('boot.sh'));
  expect(code).toBe(2);
  expect(record).toMatch(/^rung none\nskipped [^\n]+\nskipped [^\n]+\nskipped the emergency rules: nft/);
  expect(logged()).toContain('NO RULES COULD BE LOADED');
  expect((await status()).notes[0]).toContain('this boot could load no rules at all');
});

test("the same with busybox's shell and tools", async () => {
  const tools = [
    'awk',
    'cat',
    'cut',
    'date',
    'grep',
    'head',
    'mkdir',
    'mv',
    'rm',
    'sed',
    'sha256sum',
    'tail',
    'timeout',
  ];
  const script = [...tools.map((tool) => `${tool}() { busybox ${tool} "$@"; }`), `. ${at('boot.sh')}`].join(
    '\n',
  );
  const climb = () => boot('busybox', 'sh', '-c', script);
  expect(await climb()).toMatchObject({ code: 0, record: 'rung confirmed\n', stderr: '' });
  await expectRules(confirmed);
  expect([await isBanned(), await gateLeft()]).toEqual([true, expect.stringMatching(/^(1d|23h)/)]);
  put('boot.nft', half(whole.get('boot.nft')!));
  expect((await climb()).record).toMatch(/^rung before\n/);
  put('boot.before.nft', Buffer.alloc(300));
  expect((await climb()).record).toMatch(/^rung emergency\n/);
});

test('what an init starts: the script, and where that is broken the emergency rules that stand in itself', async () => {
  const init = join(moat.root, 'init');
  writeFileSync(init, sysvScript(pathsUnder(moat.root), [2222]));
  const start = () => boot('sh', init, 'start');
  expect(await start()).toMatchObject({ code: 0, record: 'rung confirmed\n' });
  await expectRules(confirmed);
  for (const [how, breaks] of Object.entries(BROKEN)) {
    put('boot.sh', breaks(whole.get('boot.sh')!));
    const { code, record } = await start();
    expect({ how, code, record }).toEqual({
      ...{ how, code: 1 },
      record: expect.stringMatching(/^rung emergency\nskipped \S+boot\.sh: it[^\n]+\n$/),
    });
    const ports = await network.server.output('nft', ['list', 'chain', 'inet', 'moat', 'input']);
    expect(ports).toContain('tcp dport { 22, 2222 } accept');
  }
  put('boot.sh', sealed('kill -9 $$\n'));
  expect((await start()).record).toMatch(
    /^rung emergency\nskipped \S+boot\.sh: it ended with exit code 137\n$/,
  );
  // Stopping, as at shutdown, opens nothing; without a word it says how it is used.
  expect((await network.server.run('sh', [init, 'stop'])).code).toBe(0);
  expect(await loadedTable(network.server)).toBeDefined();
  expect((await network.server.run('sh', [init])).code).toBe(2);
});

test('what OpenRC starts does the same', async () => {
  const init = join(moat.root, 'init');
  writeFileSync(init, openrcScript(pathsUnder(moat.root), [2222]));
  // Of openrc-run(8) no more than what the script asks of it.
  const start = `ebegin() { :; }; eend() { exit "$1"; }; . ${init}; depend() { :; }; start`;
  expect(await boot('sh', '-c', start)).toMatchObject({ code: 0, record: 'rung confirmed\n' });
  put('boot.sh', undefined);
  expect(await boot('sh', '-c', start)).toMatchObject({
    code: 1,
    record: expect.stringMatching(/^rung emergency\n/),
  });
});

test("the unit's second command does all that its first could not do in the sandbox", async () => {
  const { begin, finish } = bootStarter(pathsUnder(moat.root), [2222]);
  const [first, second] = ['begin', 'finish'].map((name) => join(moat.root, name)) as [string, string];
  writeFileSync(first, begin);
  writeFileSync(second, finish);
  expect(await boot('sh', '-c', `sh ${first}; sh ${second}`)).toMatchObject({
    code: 0,
    record: 'rung confirmed\n',
  });
  put('boot.nft', '');
  expect(await boot('sh', '-c', `sh ${first}; sh ${second}`)).toMatchObject({
    ...{ code: 1, record: expect.stringMatching(/^rung before\n/) },
  });
  // The first did not start at all, could not write anything, or could load nothing.
  expect((await boot('sh', second)).record).toMatch(/^rung before\n/);
  expect(
    (
      await boot(
        'sh',
        '-c',
        `unshare --mount sh -c 'mount --bind /bin/false /usr/sbin/nft; sh ${first}'; sh ${second}`,
      )
    ).record,
  ).toMatch(/^rung before\n/);
  const run = join(moat.root, 'run/moat');
  chmodSync(run, 0o500);
  const nowhere = `mount -t tmpfs -o ro tmpfs ${run}; sh ${first}; sh ${second}`;
  expect(await boot('unshare', '--mount', 'sh', '-c', nowhere)).toMatchObject({ code: 1, record: '' });
  chmodSync(run, 0o700);
  await expectRules(before);
});

test('status tells what the boot loaded and why; reload mends all of it, and then it is told no more', async () => {
  put('boot.nft', half(whole.get('boot.nft')!));
  put('boot.before.nft', undefined);
  put('bans', half(whole.get('bans')!));
  await boot();
  const told = await status();
  expect(told.boot).toMatchObject({ rung: 'emergency', skipped: [expect.any(String), expect.any(String)] });
  expect(told.notes[0]).toMatch(
    /^this boot loaded the emergency rules .*boot\.nft: its checksum is wrong.*moat reload/,
  );
  await moat.ok('reload', '--confirm', '0');
  expect(await status()).toMatchObject({ boot: null, notes: [] });
  await expectRules(confirmed);
  expect((await boot()).record).toBe('rung confirmed\n');
  put('boot.sh', 'exit 0\n');
  await moat.ok('reload');
  expect(readFileSync(at('boot.sh'), 'utf8')).toBe(text('boot.sh'));
  put('bans', `${text('bans')}#+ banned_v4 10.7.`);
  expect((await boot()).record).toMatch(/^rung confirmed\nwithout bans/);
  expect(await isBanned()).toBe(false);
  expect((await status()).notes[0]).toMatch(/without bans: .*moat reload/);
  await moat.ok('reload');
  expect(await isBanned()).toBe(true);
  expect(await status()).toMatchObject({ boot: null, notes: [] });
});

test('what was confirmed before is what was loaded before, whatever is said twice; disable forgets both', async () => {
  const rules = (name: File) => readFileSync(at(name), 'utf8');
  await boot();
  await moat.ok('reload');
  await moat.ok('reload');
  expect(rules('boot.before.nft')).toBe(text('boot.before.nft'));
  await moat.ok('allow', '443/tcp');
  await boot();
  put('boot.nft', undefined);
  await boot();
  await expectRules(confirmed);
  // A change that waits is not for any boot.
  await moat.ok('reload', '--confirm', '0');
  const kept = rules('boot.nft');
  await moat.ok('delete', 'allow', '443/tcp', '--confirm', '3600');
  expect(rules('boot.nft')).toBe(kept);
  await moat.ok('confirm');
  await boot();
  await expectRules(tableOf(readFileSync(moat.policy, 'utf8')));
  expect(rules('boot.before.nft')).toBe(kept);
  await moat.ok('disable');
  expect(FILES.map((name) => existsSync(at(name)))).toEqual([false, false, false, true]);
});
