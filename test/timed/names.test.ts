// Names in groups, against a real DNS server and with real packets: what is answered is let in, and nothing else ever is.
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { logIn, startLoginServer } from '../../lab/login.ts';
import type { Machine } from '../../lab/machine.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { asking, type NameServer, startNameServer } from '../../lab/name-server.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { eventually, pause } from '../../lab/waiting.ts';
import { documentedSchema, schemaProblems } from '../json-schema.ts';
import { endWayBacks } from '../kernel/way-backs.ts';

type Event = { readonly event: string; readonly time: string; readonly [field: string]: unknown };
interface Name {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly failed: string | null;
  readonly age: number | null;
}

const HOME = 'home.example.org';
const PORT = 8080;

let network: Network;
let moat: Moat;
let host: Machine;
let folder: string;
let dns: NameServer;
let server: Agent;
let blog: Agent;
let outside: Agent;
let daemon: ChildProcessWithoutNullStreams | undefined;

const nft = (...words: string[]): Promise<string> => network.server.output('nft', words);
const v4 = (machine: Machine): string => machine.addresses.v4;
const v6 = (machine: Machine): string => machine.addresses.v6;
const state = (file: string): string => join(moat.root, 'var/lib/moat', file);
const json = async (...words: string[]) => JSON.parse(await moat.ok(...words, '--json'));
const nameOf = async (name: string): Promise<Name> =>
  ((await json('show', 'groups')) as { names: Name[] }).names.find((each) => each.name === name)!;
const bootRules = (): string => readFileSync(state('boot.nft'), 'utf8');

/** Who gets to the port: blog over IPv4 and IPv6, outside over IPv4 and IPv6; `o` open, `-` not. */
async function open(port = PORT): Promise<string> {
  const dial = async (agent: Agent, family: 'v4' | 'v6'): Promise<string> => {
    const { result } = await agent.dial(network.server.addresses[family], port, { timeoutMs: 500 });
    return result === 'open' ? 'o' : '-';
  };
  const all = await Promise.all([
    dial(blog, 'v4'),
    dial(blog, 'v6'),
    dial(outside, 'v4'),
    dial(outside, 'v6'),
  ]);
  return all.join('');
}

beforeAll(async () => {
  network = await createNetwork();
  folder = mkdtempSync(join(tmpdir(), 'moat-names-'));
  host = await asking(network.server, network.third, folder);
  moat = await moatOn(host);
  dns = await startNameServer(network.third);
  [server, blog, outside] = await Promise.all([
    startAgent(network.server),
    startAgent(network.blog),
    startAgent(network.outside),
  ]);
  await server.serve(PORT);
  await server.serve(8081);
  await dns.set(HOME, { a: [v4(network.blog)], aaaa: [v6(network.blog)], ttl: 1 });
  await moat.ok('allow', '443/tcp');
  await moat.ok('enable', '--confirm', '0');
});

afterAll(async () => {
  daemon?.kill('SIGKILL');
  dns?.stop();
  endWayBacks(moat.root);
  await Promise.all([server, blog, outside].map((agent) => agent?.stop()));
  await network?.destroy();
  await moat?.destroy();
  rmSync(folder, { recursive: true, force: true });
});

test('a name is asked for once when it is first said, and what it is gets in, over both families', async () => {
  const first = await moat.ok('group', 'home', HOME, '192.0.2.200');
  expect(first).toContain(`${HOME} is ${v4(network.blog)}, ${v6(network.blog)} now, says DNS`);
  const before = await dumped();
  const dry = await moat.ok('allow', 'from', 'home', 'to', 'any', 'port', String(PORT), '--dry-run');
  expect(dry).not.toContain('says DNS');
  expect(await dumped()).toBe(before);
  await moat.ok('allow', 'from', 'home', 'to', 'any', 'port', String(PORT));
  expect(await open()).toBe('oo--');
  expect(await nameOf(HOME)).toMatchObject({
    groups: ['home'],
    addresses: [v4(network.blog), v6(network.blog)],
    failed: null,
  });
  expect(await json('status')).toMatchObject({ drifted: [], notes: [] });
  // A boot loads it without asking anybody.
  expect(bootRules()).toContain(v4(network.blog));
  console.log(await moat.ok('show', 'groups'));
  console.log(await moat.ok('status', 'verbose'));
});

const dumped = (): Promise<string> => nft('--stateless', 'list', 'ruleset');

test('reload asks again: one transaction of elements, no change of the policy, nobody has to confirm', async () => {
  const { basis } = await json('plan');
  const generations = (await json('history')).generations.length;
  await dns.set(HOME, { a: [v4(network.outside)], aaaa: [v6(network.outside)], ttl: 1 });
  const monitor = network.server.spawn('stdbuf', ['-oL', 'nft', 'monitor']);
  let seen = '';
  monitor.stdout.on('data', (data: Buffer) => {
    seen += data.toString();
  });
  await pause(300);
  const said = await moat.ok('reload');
  console.log(said);
  expect(said).toContain(
    `${HOME} is ${v4(network.outside)}, ${v6(network.outside)} now, and ${v4(network.blog)}, ${v6(network.blog)} no more`,
  );
  expect(said).toContain('nothing to do');
  expect(await open()).toBe('--oo');
  await eventually(30_000, async () => seen.includes('new generation'));
  monitor.kill();
  const lines = seen.trim().split('\n');
  expect(lines.filter((line) => line.includes('new generation'))).toHaveLength(1);
  expect(
    lines.filter((line) => !/^(add|delete) element inet moat names_home_v[46] |new generation/.test(line)),
  ).toEqual([]);
  expect(await json('status')).toMatchObject({ drifted: [], confirmWithin: null, notes: [] });
  expect((await json('plan')).basis).toBe(basis);
  expect((await json('history')).generations.length).toBe(generations);
  expect(bootRules()).toContain(v4(network.outside));
  expect(bootRules()).not.toContain(v4(network.blog));
});

test('whatever goes wrong keeps the last good answer, and is told', async () => {
  const many = Array.from({ length: 28 }, (_, i) => `10.0.0.${i + 1}`);
  const wrongs = [
    [{ says: 'servfail' }, 'the server failed'],
    [{ says: 'nxdomain' }, 'no such name'],
    [{ says: 'refused' }, 'the server refused'],
    [{ says: 'silent' }, 'no answer in time'],
    [{ a: [] }, 'no address'],
    [{ a: ['0.0.0.0'], aaaa: ['::'] }, 'refused 0.0.0.0; refused ::'],
    [{ a: ['224.0.0.1', '127.0.0.1'] }, 'refused 224.0.0.1, 127.0.0.1'],
    [
      { a: many, aaaa: Array.from({ length: 40 }, (_, i) => `2001:db8:1::${i + 1}`) },
      '68 addresses, and 64 is the most',
    ],
  ] as const;
  const before = await dumped();
  for (const [record, why] of wrongs) {
    await dns.set(HOME, { ...record, ttl: 1 });
    const said = await moat.ok('reload');
    expect(said).toContain(`is kept: ${v4(network.outside)}`);
    const { addresses, failed } = await nameOf(HOME);
    expect(failed).toBe(why);
    expect(addresses).toEqual([v4(network.outside), v6(network.outside)]);
  }
  expect(await dumped()).toBe(before);
  expect(await open()).toBe('--oo');
  const { notes } = (await json('status')) as { notes: string[] };
  expect(notes.join('\n')).toMatch(new RegExp(`${HOME} was not answered as it should be`));
  // A part that failed: the rest is taken.
  await dns.set(HOME, { a: [v4(network.blog), '0.0.0.0'], ttl: 1 });
  await moat.ok('reload');
  expect(await nameOf(HOME)).toMatchObject({ addresses: [v4(network.blog)], failed: 'refused 0.0.0.0' });
  expect(await open()).toBe('o---');
});

test('never answered, it is closed, and stays a thing of its own group', async () => {
  const said = await moat.ok('group', 'lost', 'lost.example.org');
  expect(said).toContain('lost.example.org has no address (no such name), so no rule is about it');
  await moat.ok('allow', 'from', 'lost', 'to', 'any', 'port', '8081');
  expect(await open(8081)).toBe('----');
  expect(await nft('list', 'table', 'inet', 'moat')).toContain('@names_lost_v4');
  expect(await nameOf('lost.example.org')).toMatchObject({
    addresses: [],
    age: null,
    failed: 'no such name',
  });
  expect(await json('status')).toMatchObject({ drifted: [] });
  // Asked once: the next command does not wait for DNS.
  await dns.set('lost.example.org', { says: 'silent' });
  const begun = performance.now();
  await moat.ok('allow', '82/tcp');
  console.log(`a command with a name that nobody answers for: ${Math.round(performance.now() - begun)} ms`);
  expect((await nameOf('lost.example.org')).failed).toBe('no such name');
  await dns.set('lost.example.org', { a: [v4(network.blog)], ttl: 1 });
  await moat.ok('reload');
  expect(await open(8081)).toBe('o---');
});

test('what the policy expects holds for every answer, and DNS shuts out nobody who is logged in', async () => {
  await moat.ok('expect', 'deny', 'from', `${v4(network.outside)}`, 'to', 'any', 'port', String(PORT));
  await dns.set(HOME, { a: [v4(network.outside)], ttl: 1 });
  const said = await moat.ok('reload');
  expect(said).toMatch(/refused: `expect deny from \S+ to any port 8080` would not hold/);
  expect(await open()).toBe('o---');
  await moat.ok('delete', 'expect', 'deny', 'from', v4(network.outside), 'to', 'any', 'port', String(PORT));
  const login = await startLoginServer(network.server, moat.env);
  await dns.set('admin.example.org', { a: [v4(network.blog)], ttl: 1 });
  await moat.ok('group', 'admin', 'admin.example.org');
  await moat.ok('allow', 'from', 'admin', 'to', 'any', 'port', '22');
  const session = await logIn(network.blog, network.server);
  await dns.set('admin.example.org', { a: [v4(network.outside)], ttl: 1 });
  await moat.ok('reload');
  expect((await nameOf('admin.example.org')).addresses).toEqual([v4(network.outside), v4(network.blog)]);
  expect(await open(22)).toBe('o-o-');
  session.close();
  await pause(300);
  await moat.ok('reload');
  expect((await nameOf('admin.example.org')).addresses).toEqual([v4(network.outside)]);
  expect(await open(22)).toBe('--o-');
  login.stop();
});

test('a file that is not whole is no answer, told, and asked for again; nothing opens', async () => {
  await dns.set(HOME, { a: [v4(network.blog)], ttl: 1 });
  await moat.ok('reload');
  const whole = readFileSync(state('names'), 'utf8');
  writeFileSync(state('names'), whole.slice(0, -20));
  expect(await moat.ok('show', 'groups')).toContain('is not whole');
  expect(await moat.ok('reload', '--confirm', '0')).toContain('was not whole, so they were asked for again');
  expect(await json('status')).toMatchObject({ drifted: [] });
  expect(await open()).toBe('o---');
});

test('the daemon asks again when the answer is old, and as soon as the network changes; dead, it leaves the last', async () => {
  await dns.set('late.example.org', { says: 'servfail' });
  await moat.ok('group', 'late', 'late.example.org');
  await moat.ok('allow', 'from', 'late', 'to', 'any', 'port', '8081');
  // An older answer, as a way back or a boot may have left it there: no other rules than the policy's.
  await nft('flush', 'set', 'inet', 'moat', 'names_home_v4');
  await nft('add', 'element', 'inet', 'moat', 'names_home_v4', `{ ${v4(network.outside)} }`);
  const begun = performance.now();
  daemon = host.spawn(process.execPath, [MOAT_PROGRAM, 'daemon'], { env: moat.env });
  const events: Event[] = [];
  let rest = '';
  daemon.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop()!;
    events.push(...lines.map((line) => JSON.parse(line) as Event));
  });
  const told = async (limitMs: number, fits: (event: Event) => boolean): Promise<Event> => {
    await eventually(limitMs, async () => events.some(fits));
    const found = events.find(fits);
    if (found === undefined) throw new Error(JSON.stringify(events, null, 1));
    return found;
  };
  await told(15_000, ({ event }) => event === 'started');
  expect(await open()).toBe('o---');
  await pause(600);
  await dns.set(HOME, { a: [v4(network.outside)], ttl: 1 });
  // An answer holds for half a minute at least, and so long is nothing asked.
  const change = await told(40_000, ({ event, name }) => event === 'resolved' && name === HOME);
  console.log(
    `the daemon: ${JSON.stringify(change)}, ${Math.round((performance.now() - begun) / 1000)} s after its start`,
  );
  expect(change).toMatchObject({ came: [v4(network.outside)], went: [v4(network.blog)] });
  expect(await open()).toBe('--o-');
  expect(await told(10_000, ({ event }) => event === 'unresolved')).toMatchObject({
    name: 'late.example.org',
    why: 'the server failed',
  });
  await dns.set('late.example.org', { a: [v4(network.blog)], ttl: 3600 });
  await network.server.output('ip', ['address', 'add', '192.0.2.201/32', 'dev', 'lo']);
  await told(8000, ({ event, name }) => event === 'resolved' && name === 'late.example.org');
  expect(await open(8081)).toMatch(/^o/);
  // What others do to the sets is repaired to what was answered.
  await nft('add', 'element', 'inet', 'moat', 'names_home_v4', `{ ${v4(network.blog)} }`);
  await told(5000, ({ event }) => event === 'repaired');
  expect(await open()).toBe('--o-');
  await nft('flush', 'ruleset');
  expect(await eventually(30_000, async () => (await dumped()).includes(v4(network.outside)))).toBe(true);
  expect(await open()).toBe('--o-');
  expect(events.filter(({ event }) => event === 'differs' || event === 'problem')).toEqual([]);
  const objects = events.flatMap((each) => (each.event === 'changed' ? (each['objects'] as string[]) : []));
  expect(objects).toEqual(['set names_home_v4']);
  const problems = events.flatMap((event) => schemaProblems(documentedSchema('event'), event));
  expect(problems).toEqual([]);
  daemon.kill('SIGKILL');
  await dns.set(HOME, { says: 'servfail' });
  await pause(500);
  expect(await open()).toBe('--o-');
  // A boot loads what was answered last.
  await nft('flush', 'ruleset');
  await network.server.output('sh', [state('boot.sh')], { env: moat.env });
  expect(await open()).toBe('--o-');
  expect(await json('status')).toMatchObject({ drifted: [] });
});
