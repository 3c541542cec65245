// The daemon, as it is built, on a machine whose rules others change: what it repairs, how soon, and what it tells.
import { type ChildProcessWithoutNullStreams, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { eventually, pause } from '../../lab/waiting.ts';
import { daemonUnit } from '../../packages/firewall/src/apply/daemon-unit.ts';
import { pathsUnder } from '../../packages/firewall/src/kernel/paths.ts';
import { documentedSchema, schemaProblems } from '../json-schema.ts';
import { loadedTable, sameTable, tableOf } from '../kernel/loaded.ts';
import { commandLine } from '../kernel/way-backs.ts';

type Event = { readonly event: string; readonly time: string; readonly [field: string]: unknown };

interface Daemon {
  readonly process: ChildProcessWithoutNullStreams;
  readonly events: Event[];
  /** The first event of those from `from` on that fits. */
  next(from: number, fits: (event: Event) => boolean, limitMs?: number): Promise<Event>;
  end(): Promise<void>;
}

let network: Network;
let moat: Moat;
let server: Agent;
let daemon: Daemon;

const nft = (...words: string[]): Promise<string> => network.server.output('nft', words);
const named =
  (...names: string[]) =>
  ({ event }: Event): boolean =>
    names.includes(event);
const policyText = (): string => readFileSync(moat.policy, 'utf8');
const isWhole = async (): Promise<boolean> =>
  sameTable(await loadedTable(network.server), tableOf(policyText()));

const unitText = (): string => daemonUnit(pathsUnder(''), [process.execPath, MOAT_PROGRAM, 'daemon']);

/** `+net_admin,+net_raw`, what setpriv calls them. */
function unitCapabilities(): string {
  const [, names = ''] = /^CapabilityBoundingSet=(.*)$/m.exec(unitText()) ?? [];
  return names
    .split(' ')
    .map((name) => `+${name.replace('CAP_', '').toLowerCase()}`)
    .join(',');
}

async function startDaemon(): Promise<Daemon> {
  // As its unit lets it run: first on the processor, and with these capabilities alone.
  const limits = ['-n', '-10', 'setpriv', '--no-new-privs', `--bounding-set=-all,${unitCapabilities()}`];
  const command = [process.execPath, MOAT_PROGRAM, 'daemon'];
  const process_ = network.server.spawn('nice', [...limits, ...command], { env: moat.env });
  const events: Event[] = [];
  let rest = '';
  let said = '';
  process_.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  process_.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop()!;
    events.push(...lines.map((line) => JSON.parse(line) as Event));
  });
  const next: Daemon['next'] = async (from, fits, limitMs = 30_000) => {
    const found = (): Event | undefined => events.slice(from).find(fits);
    await eventually(limitMs, async () => found() !== undefined);
    const event = found();
    if (event === undefined)
      throw new Error(`no such event among ${JSON.stringify(events.slice(from), null, 1)}${said}`);
    return event;
  };
  const ended = new Promise<void>((resolve) => process_.on('close', () => resolve()));
  const end = async (): Promise<void> => {
    if (process_.exitCode === null && process_.signalCode === null) process_.kill('SIGTERM');
    await ended;
  };
  const started = { process: process_, events, next, end };
  await next(0, named('started'), 15_000);
  // It begins to listen a quarter of a second after that.
  await pause(600);
  return started;
}

/** Does it in the machine and gives the milliseconds until the table is there again, chains and all. */
async function timeToRepair(...words: string[]): Promise<number> {
  const probe = `start=$(date +%s%N)
nft ${words.map((word) => `'${word}'`).join(' ')}
until table=$(nft list table inet moat 2>/dev/null) &&
  case $table in *dormant*) false ;; *'fib daddr'*) ;; *) false ;; esac &&
  case $table in *default-incoming*) ;; *) false ;; esac; do sleep 0.02; done
echo $((($(date +%s%N) - start) / 1000000))`;
  return Number(await network.server.output('sh', ['-c', probe], { timeoutMs: 20_000 }));
}

beforeAll(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  server = await startAgent(network.server, { title: 'shop' });
  await server.serve(8080);
  await moat.ok('allow', '22');
  await moat.ok('allow', '8080/tcp', 'for', '1h');
  await moat.ok('enable', '--confirm', '0');
  await moat.ok('ban', '198.51.100.77', 'for', '1h');
  daemon = await startDaemon();
});

afterAll(async () => {
  await daemon?.end();
  await server?.stop();
  await network?.destroy();
  await moat?.destroy();
});

/** Seconds left: of the ban, of a ban that another program made, of the gate. */
async function timesLeft(): Promise<number[]> {
  const table = await loadedTable(network.server);
  const set = (name: string) => table?.sets.find((each) => each.name.startsWith(name))?.expires ?? [];
  return [...set('banned_v4'), ...set('until_')].map((seconds) => seconds ?? Number.POSITIVE_INFINITY);
}

test('whatever others do to the table, it is back within a second, with the times that were left', async () => {
  await nft('add', 'element', 'inet', 'moat', 'banned_v4', '{ 198.51.100.78 timeout 30m }');
  await pause(1500);
  const before = await timesLeft();
  expect(before).toHaveLength(4);
  const deeds: (readonly [what: string, gone: boolean, ...words: string[]])[] = [
    ['flush ruleset', true, 'flush', 'ruleset'],
    ['delete table', true, 'delete', 'table', 'inet', 'moat'],
    ['flush chain', false, 'flush', 'chain', 'inet', 'moat', 'prerouting'],
    ['dormant table', false, 'add', 'table', 'inet', 'moat', '{ flags dormant; }'],
  ];
  const first = daemon.events.length;
  // Not to be seen as a contest: five of them.
  const times: Record<string, number> = {};
  for (const [what, gone, ...words] of deeds) {
    const from = daemon.events.length;
    times[what] = await timeToRepair(...words);
    expect(await daemon.next(from, named('changed'))).toMatchObject({ gone, by: { name: 'nft' } });
    await daemon.next(from, named('repaired'));
    expect(await isWhole()).toBe(true);
  }
  const listed = await nft('-a', 'list', 'chain', 'inet', 'moat', 'incoming');
  const [, handle] = /default-incoming".*# handle (\d+)/.exec(listed)!;
  const from = daemon.events.length;
  times['delete rule'] = await timeToRepair(
    ...['delete', 'rule', 'inet', 'moat', 'incoming', 'handle', handle!],
  );
  expect(await daemon.next(from, named('changed'))).toMatchObject({
    gone: false,
    objects: ['chain incoming'],
  });
  await daemon.next(from, named('repaired'));
  expect(await isWhole()).toBe(true);
  console.log(
    Object.entries(times)
      .map(([what, ms]) => `${what.padEnd(14)} repaired after ${ms} ms`)
      .join('\n'),
  );
  for (const ms of Object.values(times)) expect(ms).toBeLessThan(1000);
  expect(daemon.events.slice(first).filter(named('differs', 'problem', 'contested'))).toEqual([]);
  const after = await timesLeft();
  expect(after).toHaveLength(4);
  for (const [i, left] of after.entries()) {
    expect(left).toBeLessThanOrEqual(before[i]!);
    expect(left).toBeGreaterThan(before[i]! - 30);
  }
});

test('what moat itself does is neither undone nor taken for others’ doing', async () => {
  await pause(200);
  const from = daemon.events.length;
  await moat.ok('allow', '443/tcp');
  await moat.ok('deny', '81', '--confirm', '0');
  await moat.ok('unban', '198.51.100.77');
  expect(policyText()).toContain('allow 443/tcp');
  expect(await isWhole()).toBe(true);
  await moat.ok('panic', '--confirm', '0');
  await pause(700);
  expect(await isWhole()).toBe(true);
  expect(await nft('list', 'table', 'inet', 'moat')).not.toContain('dport 22');
  // A change that waits, and goes back by itself.
  await moat.ok('calm', '--confirm', '0');
  await moat.ok('delete', 'allow', '443/tcp', '--confirm', '1');
  const waits = join(moat.root, 'var/lib/moat/pending');
  expect(await eventually(30_000, async () => !existsSync(waits))).toBe(true);
  expect(policyText()).toContain('allow 443/tcp');
  await pause(700);
  expect(await isWhole()).toBe(true);
  await moat.ok('disable');
  await daemon.next(from, ({ event, active }) => event === 'active' && active === false);
  await nft('add', 'table', 'inet', 'other');
  await nft('flush', 'ruleset');
  await pause(700);
  expect((await nft('list', 'tables')).trim()).toBe('');
  await moat.ok('enable', '--confirm', '0');
  await daemon.next(from, ({ event, active }) => event === 'active' && active === true);
  expect(await isWhole()).toBe(true);
  const told = daemon.events.slice(from).filter(({ event }) => event !== 'exposure');
  expect(told.map(({ event }) => event)).toEqual(['active', 'active']);
});

test('what opens and closes is told, with who did it', async () => {
  const opened = (port: number, from: number): Promise<Event> =>
    daemon.next(
      from,
      (each) => each.event === 'exposure' && each['change'] === 'opened' && each['port'] === port,
      25_000,
    );
  let from = daemon.events.length;
  await moat.ok('allow', '8081/tcp');
  await server.serve(8081);
  expect(await opened(8081, from)).toMatchObject({
    proto: 'tcp',
    reaches: { kind: 'process', name: 'shop' },
    openedBy: [{ owner: 'moat', table: 'moat', chain: 'incoming' }, {}],
  });
  await moat.ok('disable');
  const rules = join(moat.root, 'other.nft');
  writeFileSync(
    rules,
    'table inet other { chain input { type filter hook input priority 0; policy drop; ct state established accept; iif lo accept; }; }',
  );
  await nft('-f', rules);
  await daemon.next(
    from,
    (each) => each.event === 'exposure' && each['change'] === 'closed' && each['port'] === 8081,
    25_000,
  );
  from = daemon.events.length;
  await nft('add', 'rule', 'inet', 'other', 'input', 'tcp', 'dport', '8081', 'accept');
  const event = await opened(8081, from);
  expect(event).toMatchObject({
    openedBy: [{ owner: 'nftables (by hand)', table: 'other', rule: 3 }],
  });
  console.log(JSON.stringify(event));
  await nft('delete', 'table', 'inet', 'other');
  await moat.ok('enable', '--confirm', '0');
});

test('somebody who flushes again and again is told of once, and the window stays small', async () => {
  const from = daemon.events.length;
  for (let i = 0; i < 12; i++) {
    await nft('flush', 'ruleset');
    await pause(150);
  }
  const last = await timeToRepair('flush', 'ruleset');
  console.log(`flushed thirteen times: the last time repaired after ${last} ms`);
  expect(last).toBeLessThan(1500);
  expect(await daemon.next(from, named('contested'))).toMatchObject({ times: expect.any(Number) });
  expect(daemon.events.slice(from).filter(named('changed')).length).toBeLessThanOrEqual(6);
  expect(daemon.events.slice(from).filter(named('problem'))).toEqual([]);
  expect(await isWhole()).toBe(true);
});

test('nft monitor ends: it is told and started again', async () => {
  const children = readFileSync(`/proc/${daemon.process.pid}/task/${daemon.process.pid}/children`, 'utf8');
  const monitor = children.split(' ').find((pid) => commandLine(Number(pid)).startsWith('nft\0monitor'));
  const from = daemon.events.length;
  process.kill(Number(monitor), 'SIGKILL');
  expect(await daemon.next(from, named('problem'))).toMatchObject({
    message: expect.stringMatching(/nft ended.*started again/),
  });
  // While nobody listens.
  const ms = await timeToRepair('flush', 'ruleset');
  expect(ms).toBeLessThan(1500);
  await pause(500);
  expect(await timeToRepair('delete', 'table', 'inet', 'moat')).toBeLessThan(1500);
});

test('one daemon is enough; status tells of it; killed in the middle of a repair it leaves nothing broken', async () => {
  const second = await moat.run('daemon');
  expect(second.code).toBe(4);
  expect(second.stderr).toContain(`pid ${daemon.process.pid}`);
  expect(JSON.parse(await moat.ok('status', '--json'))).toMatchObject({
    daemon: { pid: daemon.process.pid },
    drifted: [],
  });
  for (const ms of [30, 90]) {
    await nft('flush', 'ruleset');
    await pause(ms);
    daemon.process.kill('SIGKILL');
    await daemon.end();
    const table = await loadedTable(network.server);
    if (table !== undefined) expect(sameTable(table, tableOf(policyText()))).toBe(true);
    expect(JSON.parse(await moat.ok('status', '--json'))).toMatchObject({ daemon: null });
    daemon = await startDaemon();
    expect(await isWhole()).toBe(true);
  }
  await moat.ok('allow', '82/tcp');
  expect(await isWhole()).toBe(true);
  // Found so at the start: told, and left to the admin.
  await daemon.end();
  await nft('add', 'rule', 'inet', 'moat', 'incoming', 'accept');
  daemon = await startDaemon();
  expect(await daemon.next(0, named('differs'))).toMatchObject({ objects: ['chain incoming'] });
  expect(await isWhole()).toBe(false);
  await moat.ok('reload', '--confirm', '0');
  expect(await isWhole()).toBe(true);
  await timeToRepair('flush', 'ruleset');
  expect(await isWhole()).toBe(true);
});

test('each line that it wrote is as docs/JSON.md says, and in the file', async () => {
  await daemon.end();
  const lines = readFileSync(join(moat.root, 'var/lib/moat/events'), 'utf8').trim().split('\n');
  const schema = documentedSchema('event');
  const events = lines.map((line) => JSON.parse(line) as Event);
  const problems = events.flatMap((event) => schemaProblems(schema, event));
  expect(problems).toEqual([]);
  expect(events.slice(-daemon.events.length)).toEqual(daemon.events);
  const kinds = new Set(events.map(({ event }) => event));
  console.log(`${events.length} events: ${[...kinds].sort().join(', ')}`);
  expect(kinds.size).toBeGreaterThanOrEqual(8);
  expect(events.at(-1)?.event).toBe('stopped');
  const shown = await moat.ok('show', 'events');
  console.log(shown.split('\n').slice(-12).join('\n'));
  expect(shown).toMatch(/^\S+Z {2}nft \(pid \d+\) took away the rules of moat$/m);
  expect(JSON.parse(await moat.ok('show', 'events', '--json'))).toMatchObject({ events });
  expect(readdirSync(join(moat.root, 'run/moat'))).not.toContain('daemon');
});

test('the unit is in order, and as narrow as it was made', () => {
  const folder = mkdtempSync(join(tmpdir(), 'moat-unit-'));
  try {
    const unit = join(folder, 'moat-daemon.service');
    writeFileSync(unit, unitText());
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' });
    expect(`${verified.stdout}${verified.stderr}`).not.toContain('moat-daemon');
    expect(verified.status).toBe(0);
    const analysed = spawnSync('systemd-analyze', ['security', '--offline=true', '--no-pager', unit], {
      encoding: 'utf8',
    });
    const [line, level] = /Overall exposure level for .*: (\d+\.\d)/.exec(analysed.stdout) ?? [];
    console.log(line);
    expect(Number(level)).toBeLessThanOrEqual(3);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
