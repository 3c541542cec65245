// A hundred times: Node removed, moat killed, the session killed, the clock moved. The way back fires each time.
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { copyFile, link } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { CommandResult } from '../../lab/command.ts';
import { type Machine, machineAt } from '../../lab/machine.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { withMovedClock } from '../../lab/moved-clock.ts';
import { addNamespace, createNetwork } from '../../lab/network.ts';
import { isRealRoot } from '../../lab/privilege.ts';
import { startSshd } from '../../lab/sshd.ts';
import { eventually, pause } from '../../lab/waiting.ts';
import { endWayBacks } from './way-backs.ts';

const TRIALS = 25;
/** Machines that take turns at the trials of one kind. */
const LANES = 2;
const LIMIT_MS = 60_000;

/** A machine on which trials of one kind are made, one after the other. */
interface Lane {
  readonly moat: Moat;
  readonly machine: Machine;
  /** Makes a change, lets the accident happen, and gives when the way back was to begin. */
  trial(number: number): Promise<number>;
  /** After the way back, before the next trial. */
  mend(): Promise<void>;
  stop(): Promise<void>;
}

interface Kind {
  readonly name: string;
  readonly reason: string;
  readonly lane: (name: string) => Promise<Lane>;
}

const NOT_CONFIRMED = 'a change was not confirmed';
const KINDS: readonly Kind[] = [
  { name: 'Node removed', reason: NOT_CONFIRMED, lane: nodeRemoved },
  { name: 'moat killed', reason: NOT_CONFIRMED, lane: moatKilled },
  { name: 'session killed', reason: 'the session that made a change ended', lane: sessionKilled },
  { name: 'clock moved', reason: NOT_CONFIRMED, lane: clockMoved },
];

async function bareMachine(name: string): Promise<Machine> {
  return machineAt(name, await addNamespace(name), { v4: '127.0.0.1', v6: '::1' }, 'lo');
}

const removal = (machine: Machine): Promise<string> =>
  machine.output('ip', ['netns', 'delete', machine.path.replace(/.*\//, '')]);

/** Closes port 80 for a second. */
const CHANGE = ['delete', 'allow', '80', '--confirm', '1'];

function expectDone(result: CommandResult): void {
  if (result.code !== 0) throw new Error(`exit code ${result.code}\n${result.stdout}${result.stderr}`);
}

async function nodeRemoved(name: string): Promise<Lane> {
  const machine = await bareMachine(name);
  const moat = await moatOn(machine);
  const node = join(moat.root, 'node');
  // Another file system has no second name for it.
  await link(process.execPath, node).catch(() => copyFile(process.execPath, node));
  return {
    ...{ machine, moat },
    async trial() {
      expectDone(await machine.run(node, [MOAT_PROGRAM, ...CHANGE], { env: moat.env }));
      const armed = performance.now();
      renameSync(node, `${node}-gone`);
      expect(
        (await machine.run('sh', ['-c', `${node} ${MOAT_PROGRAM} confirm`], { env: moat.env })).code,
      ).toBe(127);
      return armed;
    },
    async mend() {
      renameSync(`${node}-gone`, node);
    },
    stop: () => removal(machine).then(() => {}),
  };
}

async function moatKilled(name: string): Promise<Lane> {
  const machine = await bareMachine(name);
  const moat = await moatOn(machine);
  return {
    ...{ machine, moat },
    async trial(number) {
      const child = machine.spawn(process.execPath, [MOAT_PROGRAM, ...CHANGE], { env: moat.env });
      const ended = new Promise((resolve) => child.once('close', resolve));
      while (!existsSync(join(moat.root, 'var/lib/moat/pending/token'))) await pause(2);
      // From the very moment that the change waits until well after the command would have been done.
      await pause(number * 20);
      child.kill('SIGKILL');
      await ended;
      return performance.now();
    },
    mend: async () => {},
    stop: () => removal(machine).then(() => {}),
  };
}

async function sessionKilled(): Promise<Lane> {
  const network = await createNetwork();
  const moat = await moatOn(network.server);
  const sshd = await startSshd(network.server);
  const env = Object.entries(moat.env).map(([key, value]) => `${key}=${value}`);
  await moat.ok('allow', '22');
  const line = ['env', ...env, process.execPath, MOAT_PROGRAM, 'delete', 'allow', '80', '--confirm', '300'];
  return {
    ...{ machine: network.server, moat },
    async trial() {
      const terminal = await sshd.openTerminal(network.outside);
      const made = await terminal.run(line.join(' '));
      const begun = performance.now();
      await terminal.kill();
      expectDone(made);
      return begun;
    },
    mend: async () => {},
    async stop() {
      await sshd.stop();
      await network.destroy();
    },
  };
}

const HOUR = 3600;
const YEAR = 365 * 24 * HOUR;
const MOVES = [-1, 1, -HOUR, HOUR, -YEAR, YEAR, -30 * YEAR, 70 * YEAR];

async function clockMoved(name: string): Promise<Lane> {
  const bare = await bareMachine(name);
  const { machine, move, stop } = await withMovedClock(bare);
  const moat = await moatOn(machine);
  return {
    ...{ machine, moat },
    async trial(number) {
      expectDone(await moat.run(...CHANGE));
      const armed = performance.now();
      const seconds = MOVES[number % MOVES.length]!;
      await pause((number * 97) % 800);
      await move(seconds);
      const told = Number(await machine.output('date', ['+%s'])) - Date.now() / 1000;
      expect(Math.abs(told - seconds)).toBeLessThan(3);
      return armed;
    },
    mend: () => move(0),
    async stop() {
      await stop();
      await removal(bare);
    },
  };
}

test.runIf(isRealRoot())('a hundred of a hundred', async () => {
  const begun = performance.now();
  const lanes: { readonly kind: Kind; readonly lane: Lane; readonly l: number }[] = [];
  // One after the other: networks are named by what is free.
  for (const [k, kind] of KINDS.entries()) {
    for (let l = 0; l < LANES; l++) lanes.push({ kind, lane: await kind.lane(`trial-${k}-${l}`), l });
  }
  const waits = new Map<Kind, number[]>(KINDS.map((kind) => [kind, []]));
  const failures: string[] = [];
  try {
    await Promise.all(
      lanes.map(async ({ kind, lane, l }) => {
        await lane.moat.ok('allow', '80');
        await lane.moat.ok('enable', '--confirm', '0');
        const before = await stateOf(lane);
        for (let number = l; number < TRIALS; number += LANES) {
          const lines = logOf(lane).length;
          try {
            const due = await lane.trial(number);
            const fired = await eventually(LIMIT_MS, async () => logOf(lane).length > lines);
            if (!fired) throw new Error('it did not fire');
            waits.get(kind)!.push((performance.now() - due) / 1000);
            await lane.mend();
            expect(logOf(lane).slice(lines)).toEqual([expect.stringContaining(kind.reason)]);
            expect(await stateOf(lane)).toEqual(before);
          } catch (error) {
            failures.push(`${kind.name}, trial ${number}: ${(error as Error).message}`);
          }
        }
      }),
    );
  } finally {
    for (const { lane } of lanes) {
      endWayBacks(lane.moat.root);
      await lane.stop();
      await lane.moat.destroy();
    }
  }
  for (const [{ name }, seconds] of waits) {
    const range = `${Math.min(...seconds).toFixed(1)} to ${Math.max(...seconds).toFixed(1)} s after`;
    console.log(`${name.padEnd(14)}  ${seconds.length} of ${TRIALS}, ${range}`);
  }
  const total = KINDS.length * TRIALS;
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  console.log(`the way back fired in ${total - failures.length} of ${total} trials, in ${seconds} s`);
  expect(failures).toEqual([]);
});

function logOf({ moat }: Lane): string[] {
  const file = join(moat.root, 'var/lib/moat/way-back.log');
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
}

/** The rules and the policy; with nothing that waits. */
async function stateOf({ machine, moat }: Lane): Promise<object> {
  const pending = join(moat.root, 'var/lib/moat/pending');
  // The last thing that the way back does after it has written its line.
  await eventually(30_000, async () => !existsSync(pending));
  return {
    rules: await machine.output('nft', ['-s', 'list', 'table', 'inet', 'moat']),
    policy: readFileSync(moat.policy, 'utf8'),
    pending: existsSync(pending),
  };
}
