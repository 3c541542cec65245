// moat killed at any moment leaves the old state or the new one, and the next command works.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Table } from '@moat/netfilter';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { eventually, pause } from '../../lab/waiting.ts';
import { loadedTable, sameTable, tableOf } from './loaded.ts';
import { commandLine, endWayBacks } from './way-backs.ts';

let network: Network;
let moat: Moat;

beforeAll(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  await moat.ok('group', 'office', '192.0.2.9');
  await moat.ok(...'allow from office to any port 8080 proto tcp'.split(' '));
  await moat.ok('allow', '22/tcp');
  await moat.ok('enable', '--confirm', '0');
});

afterAll(async () => {
  endWayBacks(moat.root);
  await network?.destroy();
  await moat?.destroy();
});

const state = (name: string): string => join(moat.root, 'var/lib/moat', name);
const policy = (): string => readFileSync(moat.policy, 'utf8');
const isPending = (): boolean => existsSync(state('pending/token'));

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** When to kill: so long after the start, or after the moment when the rules are handed to nft. */
interface Moment {
  readonly after: 'start' | 'rules';
  readonly ms: number;
}

/** Kills the command then, half the time with the programs that it has started. */
async function runAndKill(words: readonly string[], moment: Moment): Promise<{ killed: boolean }> {
  const sent = lastSent();
  const child = network.server.spawn(process.execPath, [MOAT_PROGRAM, ...words], { env: moat.env });
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  const due = async (): Promise<void> => {
    while (moment.after === 'rules' && lastSent() === sent && child.exitCode === null) await pause(1);
    await pause(moment.ms);
  };
  await Promise.race([ended, due()]);
  if (child.exitCode !== null) return { killed: false };
  // A stopped process starts no more children.
  process.kill(child.pid!, 'SIGSTOP');
  const children = childrenOf(child.pid!).filter((pid) => !commandLine(pid).includes('back.sh'));
  process.kill(child.pid!, 'SIGKILL');
  if (Math.random() < 0.5) for (const pid of children) tryKill(pid);
  await ended;
  // What the dead command had started comes to its end by itself.
  await eventually(5000, async () => children.every((pid) => commandLine(pid) === ''));
  return { killed: true };
}

function lastSent(): number | undefined {
  return statSync(join(moat.root, 'run/moat/sent.nft'), { throwIfNoEntry: false })?.ino;
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** One kind of change: what to run, what the file is to be afterwards, and what a hand does to it before. */
interface Change {
  readonly name: string;
  readonly words: string;
  readonly edited?: (text: string) => string;
  readonly after: (text: string) => string;
}

const LINE = 'allow 9090/tcp\n';
const remove = (text: string): string => text.replace(LINE, '');
const add = (text: string): string => text + LINE;
const same = (text: string): string => text;
const groupLine = (round: number): string => `group office 10.0.0.${round % 250} 10.9.0.0/16\n`;
const regroup = (round: number) => (text: string) =>
  text.replace(/group office 10.*\n/, '').replace('group office 192', `${groupLine(round)}group office 192`);

/** What can be done to a policy that has, or has not, the line. */
function changes(has: boolean, round: number): Change[] {
  const toggle = has ? remove : add;
  const words = has ? 'delete allow 9090/tcp' : 'allow 9090/tcp';
  return [
    { name: has ? 'delete' : 'allow', words: `${words} --confirm 0`, after: toggle },
    { name: 'reload', words: 'reload --confirm 0', edited: toggle, after: same },
    { name: 'enable', words: 'enable --confirm 0', edited: regroup(round), after: same },
    { name: 'reload, waiting', words: 'reload --confirm 3600', edited: regroup(round), after: same },
    has
      ? { name: 'delete, waiting', words: `${words} --confirm 3600`, after: toggle }
      : { name: 'default, waiting', words: 'default deny outgoing --confirm 3600', after: closed },
  ];
}

const closed = (text: string): string => text.replace('default allow outgoing', 'default deny outgoing');

interface State {
  readonly text: string;
  readonly table: Table | undefined;
}

async function current(): Promise<State> {
  return { text: policy(), table: await loadedTable(network.server) };
}

test('200 kills, spread over the whole run time', { timeout: 900_000 }, async () => {
  // How long a command takes now; the machine may have more or less to do later.
  let runTime = await reloadTime();
  const kills = 200;
  const seen = { killed: 0, pending: 0, wentBack: 0, confirmed: 0 };
  const outcomes: Record<string, number> = {};
  for (let round = 0; seen.killed < kills; round++) {
    expect(round).toBeLessThan(3 * kills);
    const kinds = changes(policy().includes(LINE), round);
    const change = kinds[round % kinds.length]!;
    const oldTable = (await loadedTable(network.server))!;
    if (change.edited !== undefined) writeFileSync(moat.policy, change.edited(policy()));
    const old: State = { text: policy(), table: oldTable };
    const newText = change.after(old.text);
    const newTable = tableOf(newText);
    // Half of them over the whole time but Node's own start, half where the rules and then the files change.
    const share = (round * 0.37) % 1;
    const moment: Moment =
      round % 2 === 0
        ? { after: 'start', ms: (0.2 + share * 0.8) * runTime }
        : { after: 'rules', ms: share * 0.25 * runTime };
    const { killed } = await runAndKill(change.words.split(' '), moment);
    if (killed) seen.killed++;

    const now = await current();
    const where = `${change.name}, killed ${Math.round(moment.ms)} ms after ${moment.after}`;
    expect([old.text, newText], where).toContain(now.text);
    const isOld = sameTable(now.table, old.table);
    const isNew = sameTable(now.table, newTable);
    expect(isOld || isNew, where).toBe(true);
    // Never new sentences with old rules: what the file says is at least in force, or the reload still to come.
    if (now.text === newText && old.text !== newText) expect(isNew, where).toBe(true);
    if (killed) {
      const file = old.text === newText ? 'edited' : now.text === newText ? 'new' : 'old';
      const outcome = `${file} file, ${isNew ? 'new' : 'old'} rules${isPending() ? ', way back armed' : ''}`;
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    }
    if (isPending()) {
      seen.pending++;
      if (Math.floor(round / 2) % 2 === 0) {
        // The next command is the way back itself.
        const token = readFileSync(state('pending/token'), 'utf8').trim();
        await network.server.output('sh', [state('pending/back.sh'), token]);
        expect(sameTable(await loadedTable(network.server), old.table), `${where}: way back`).toBe(true);
        expect(sameTable(tableOf(policy()), old.table), `${where}: way back of the file`).toBe(true);
        seen.wentBack++;
      } else {
        await moat.ok('confirm');
        seen.confirmed++;
        // What boot would load is what was confirmed.
        const confirmed = await loadedTable(network.server);
        await expectBoots(confirmed, where);
      }
      expect(isPending(), where).toBe(false);
    }
    // So that a change that closes something is to be made again.
    if (round % 3 === 0) await moat.ok('default', 'allow', 'outgoing', '--confirm', '0');
    runTime = 0.7 * runTime + 0.3 * (await reloadTime());
    const settled = await loadedTable(network.server);
    expect(sameTable(settled, tableOf(policy())), where).toBe(true);
    expect(readFileSync(state('applied-policy'), 'utf8'), where).toBe(policy());
    await expectBoots(settled, where);
  }
  for (const words of ['default allow outgoing', 'allow 9091/tcp', 'delete allow 9091/tcp'])
    await moat.ok(...words.split(' '), '--confirm', '0');
  await moat.ok('default', 'deny', 'outgoing', '--confirm', '3600');
  await moat.ok('confirm');
  const left = readdirSync(moat.root, { recursive: true }).map(String);
  expect(left.filter((name) => /\.new|\.back$|pending|check/.test(name))).toEqual([]);
  expect(seen.pending).toBeGreaterThan(10);
  console.log(
    `${seen.killed} commands killed, run time ${Math.round(runTime)} ms at the end; ${seen.pending} left a way back: ` +
      `${seen.wentBack} taken, ${seen.confirmed} confirmed.\n${JSON.stringify(outcomes, null, 2)}`,
  );
});

async function reloadTime(): Promise<number> {
  const begun = performance.now();
  await moat.ok('reload', '--confirm', '0');
  return performance.now() - begun;
}

/** Loads what boot would load, on a machine without moat, and compares. */
async function expectBoots(table: Table | undefined, where: string): Promise<void> {
  await network.third.output('nft', ['-f', state('boot.nft')]);
  expect(sameTable(await loadedTable(network.third), table), `${where}: what boot loads`).toBe(true);
  await network.third.output('nft', ['delete', 'table', 'inet', 'moat']);
}
