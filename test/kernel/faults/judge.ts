// What must hold on the machine whatever became of a command: every breach in words.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { commandOutput, runCommand } from '../../../lab/command.ts';
import { parseBanLine } from '../../../packages/firewall/src/kernel/ban-file.ts';
import { parseGeneration } from '../../../packages/firewall/src/kernel/generations.ts';
import { unsealed } from '../../../packages/firewall/src/kernel/sealed-text.ts';
import { sameTable, tableOf } from '../loaded.ts';
import { bannedIn, captureState, type MachineState, plain, TEMPORARY } from './machine-state.ts';
import { clocksOf, type Scene } from './scene.ts';

const POLICY = 'etc/moat/policy';
const STATE = 'var/lib/moat';

/** What is no part of the state: the lock, the record of what was sent, the log, what is proved. */
const RECORDS = /^run\/moat\/(lock|sent\.nft)$|\/way-back\.log$|\/proved$/;

const FATES = ['not confirmed\n', 'session ended\n', 'aborted\n'];

const textIn = ({ files }: MachineState, name: string): string | undefined => files.get(name)?.text;
/** A panic names the moment in which it began. */
export const policyIn = (state: MachineState): string | undefined => {
  const text = textIn(state, POLICY);
  return text === undefined ? undefined : plain(text);
};

export function tokenIn(state: MachineState): string | undefined {
  return textIn(state, `${STATE}/pending/token`)?.trim();
}

export function sameRules(a: MachineState, b: MachineState): boolean {
  return sameTable(a.table, b.table) && bannedIn(a.table) === bannedIn(b.table);
}

/** Whether it is the state that a command ends in: what is in force, what is written, and what waits. */
export function isState(now: MachineState, wanted: MachineState): boolean {
  return (
    sameRules(now, wanted) &&
    policyIn(now) === policyIn(wanted) &&
    (tokenIn(now) === undefined) === (tokenIn(wanted) === undefined)
  );
}

/** Looks at the machine after a command from `before` to `after` that met a fault. */
export async function judgeFault(
  scene: Scene,
  now: MachineState,
  before: MachineState,
  after: MachineState,
): Promise<string[]> {
  const rules = sameRules(now, before) ? 'old' : sameRules(now, after) ? 'new' : 'neither';
  const policy = [before, after].map(policyIn).indexOf(policyIn(now));
  const token = tokenIn(now);
  return [
    ...(rules === 'neither' ? ['the rules are neither the old nor the new ones'] : []),
    ...(policy < 0 ? ['the policy file is neither the old nor the new one'] : []),
    ...(policy === 1 && rules === 'old' && !sameTable(before.table, after.table)
      ? ['new sentences, old rules']
      : []),
    ...(rules === 'new' && !sameRules(before, after) && tokenIn(after) !== undefined && token === undefined
      ? ['new rules that wait for a confirmation, and no way back']
      : []),
    ...[...now.files].flatMap(([name, { mode, text }]) => {
      const wanted = [before, after].flatMap((state) => sameNamed(state, name));
      if (RECORDS.test(name) || TEMPORARY.test(name)) return [];
      if (name.endsWith('.not-confirmed'))
        return [before, after].some((each) => policyIn(each) === plain(text)) ? [] : [`${name} is torn`];
      if (name === `${STATE}/pending/going`) return [];
      // Why it goes back depends on who got to it: the command, the session's end or the clock. Before `going` it is written anew.
      if (name === `${STATE}/pending/fate` && token !== undefined) return [];
      if (name === `${STATE}/pending/fate` || name.startsWith(`${STATE}/generations/back-`))
        return FATES.includes(text) ? [] : [`${name} is torn`];
      if (wanted.length === 0) return [`there is a file ${name}`];
      return wanted.some((each) => plain(each.text) === plain(text) && each.mode === mode)
        ? []
        : [`${name} (mode ${mode.toString(8)}) is neither the old nor the new one`];
    }),
    ...[...before.files.keys()]
      .filter(
        (name) =>
          after.files.has(name) && !now.files.has(name) && !/\/applied-policy$|\/pending\//.test(name),
      )
      .map((name) => `${name} is gone`),
    ...wholeness(now),
    ...(await wayBack(scene, now)),
    ...(await reach(scene, now)),
    ...((await runCommand('flock', ['-n', join(scene.moat.root, 'run/moat/lock'), 'true'])).code === 1
      ? ['the lock is held']
      : []),
  ];
}

/** Backups and generations are named by moments and numbers. */
function sameNamed({ files }: MachineState, name: string): { mode: number; text: string }[] {
  return [...files].filter(([other]) => plain(other) === plain(name)).map(([, file]) => file);
}

/** Looks at the machine after a command that met none: all of it agrees, nothing is left over. */
export async function judgeEnd(scene: Scene, now: MachineState, tidy = true): Promise<string[]> {
  const token = tokenIn(now);
  const boot = textIn(now, `${STATE}/boot.nft`);
  return [
    ...(now.table !== undefined && !sameTable(now.table, tableOf(textIn(now, POLICY) ?? ''))
      ? ['the rules are not those of the policy']
      : []),
    ...(now.table !== undefined && textIn(now, `${STATE}/applied-policy`) !== textIn(now, POLICY)
      ? ['the applied policy is not the policy']
      : []),
    ...(token === undefined && (boot === undefined) !== (now.table === undefined)
      ? ['boot would load what is not in force, or not what is']
      : []),
    ...(token === undefined && boot !== undefined && now.table !== undefined ? await boots(scene, now) : []),
    // What has a name of its own each time would pile up; the rest is written anew by the next who needs it.
    ...[...now.files.keys()]
      .filter((name) => tidy && TEMPORARY.test(name) && plain(name) !== name)
      .map((name) => `${name} is left over`),
    ...(now.files.has(`${STATE}/pending/going`) ? ['a way back is not finished'] : []),
    ...wholeness(now),
    ...(await wayBack(scene, now)),
    ...(await reach(scene, now)),
  ];
}

function wholeness({ files }: MachineState): string[] {
  return [...files].flatMap(([name, { text }]) => {
    const generation = /\/generations\/(\d+)$/.exec(name)?.[1];
    const whole = generation === undefined ? '' : parseGeneration(text, Number(generation));
    if (typeof whole === 'string' && generation !== undefined) return [`${name}: ${whole}`];
    const bans = name.endsWith('/bans') ? unsealed(text) : '';
    const lines = bans?.split('\n').filter((line) => line !== '');
    return lines?.every((line) => parseBanLine(line) !== undefined) ? [] : ['the file of the bans is torn'];
  });
}

/** A way back that has its name has all its files and a clock that runs. */
async function wayBack({ moat }: Scene, now: MachineState): Promise<string[]> {
  const token = tokenIn(now);
  if (token === undefined) return [];
  const missing = ['rules.nft', 'back.sh', 'change.json', 'policy'].filter(
    (name) => !existsSync(join(moat.root, STATE, 'pending', name)),
  );
  return [
    ...missing.map((name) => `the way back lacks ${name}`),
    ...(clocksOf(moat).some((clock) => clock.token === token) ? [] : ['the way back has no clock']),
  ];
}

async function reach({ outside, network }: Scene, now: MachineState): Promise<string[]> {
  const dial = async (port: number): Promise<string> =>
    (await outside.dial(network.server.addresses.v4, port, { timeoutMs: port === 22 ? 1500 : 200 })).result;
  const [ssh, closed] = await Promise.all([dial(22), dial(3306)]);
  return [
    ...(ssh === 'open' ? [] : [`ssh cannot be reached: ${ssh}`]),
    ...((closed === 'open') === (now.table === undefined) ? [] : [`the closed port is ${closed}`]),
  ];
}

/** Loads what boot loads on a machine without moat, and compares. */
async function boots({ moat, network }: Scene, now: MachineState): Promise<string[]> {
  await network.blog.output('nft', ['-f', join(moat.root, STATE, 'boot.nft')]);
  const { table } = await captureState(network.blog, moat);
  await commandOutput('nsenter', [`--net=${network.blog.path}`, 'nft', 'delete', 'table', 'inet', 'moat']);
  return sameTable(table, now.table) ? [] : ['boot would load other rules'];
}
