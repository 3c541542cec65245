// One command on one machine: its steps from a good run, then once more for each fault, each time from the same state.
import { MOAT_PROGRAM } from '../../../lab/moat.ts';
import {
  type Fault,
  type FaultKind,
  type StepWatch,
  startsProgram,
  type Watched,
} from '../../../lab/steps.ts';
import { parseBanLine } from '../../../packages/firewall/src/kernel/ban-file.ts';
import type { FaultCommand } from './commands.ts';
import { isState, judgeEnd, judgeFault, policyIn, sameRules, tokenIn } from './judge.ts';
import { captureState, type MachineState, restoreState, signatureOf } from './machine-state.ts';
import { clocksOf, endGroup, type Scene } from './scene.ts';

/** A fault after which something did not hold. */
export interface Breach {
  readonly command: string;
  readonly fault: Fault;
  readonly said: string;
  readonly what: readonly string[];
}

export interface Trials {
  readonly steps: readonly string[];
  readonly cases: number;
  /** Of the states that the faults left, how many different ones. */
  readonly states: number;
  readonly seconds: number;
  readonly breaches: readonly Breach[];
}

/** No command takes so long, whatever hangs; with its own time running `HASTE` times as fast. */
const LIMIT_MS = 30_000;
const HASTE = 20;

/** The exit code of `abort` and `confirm` where nothing waits. */
const NOTHING_WAITS = 3;

const DAY = 86_400;

/**
 * Whoever is let in for a time is not so for longer, whatever the clock says. A ban never lasts longer than it did when it
 * was written: with a clock that was set back the file cannot tell how much of that is over.
 */
function longer(before: MachineState, now: MachineState): string[] {
  const left = ({ table }: MachineState, name: string): number =>
    Math.max(0, ...(table?.sets.find((set) => set.name === name)?.expires ?? []).map((each) => each ?? 0));
  const written = (name: string): number => {
    const lines = before.files.get('var/lib/moat/bans')?.text.split('\n') ?? [];
    const bans = lines.flatMap((line) => parseBanLine(line) ?? []).filter(({ set }) => set === name);
    return Math.max(left(before, name), ...bans.map((ban) => ban.left));
  };
  return (before.table?.sets ?? [])
    .map(({ name }) => name)
    .filter((name) => left(before, name) > 0 && left(now, name) > written(name) + 1)
    .map((name) => `${name} lasts longer than before`);
}

/**
 * Tries the faults that `choose` takes from all steps, each from the same state. `usual`: the state that `prepare` begins
 * with, and that a change which waits before the command goes back to.
 */
export async function tryCommand(
  scene: Scene,
  watch: StepWatch,
  usual: MachineState,
  command: FaultCommand,
  choose: (steps: readonly string[]) => readonly Fault[],
): Promise<Trials> {
  const begun = performance.now();
  const { moat, network } = scene;
  const { server } = network;
  const words = command.words.split(' ');
  await restoreState(server, moat, usual);
  await command.prepare(scene, (line) => moat.ok(...line.split(' ')));
  const before = await captureState(server, moat);
  const clocks = new Set(clocksOf(moat).map(({ token }) => token));

  /** From the state before, with a flow where there is one to be cut. */
  const begin = async (): Promise<() => Promise<void>> => {
    for (const { pid, token } of clocksOf(moat)) if (!clocks.has(token)) endGroup(pid);
    await restoreState(server, moat, before);
    if (!command.cuts) return async () => {};
    const flow = await scene.flow();
    return () => flow.close();
  };
  const run = (fault?: Fault, clock?: number): Promise<Watched> =>
    watch.run(server, [process.execPath, MOAT_PROGRAM, ...words], {
      env: moat.env,
      root: moat.root,
      limitMs: LIMIT_MS,
      ...(fault === undefined ? {} : { fault }),
      ...(clock === undefined ? {} : { clock }),
      ...(fault?.kind === 'hangs' ? { haste: HASTE } : {}),
    });

  const close = await begin();
  const good = await run();
  await close();
  if (good.code !== 0) throw new Error(`moat ${command.words}: ${good.stdout}${good.stderr}`);
  const after = await captureState(server, moat);
  const wrong = await judgeEnd(scene, after);
  const breaches: Breach[] = [];
  const report = (fault: Fault, { stdout, stderr }: Watched, what: readonly string[]): void => {
    if (what.length > 0) breaches.push({ command: command.words, fault, said: stdout + stderr, what });
  };
  report({ step: 'none', kind: 'run' }, good, wrong);

  for (const clock of [-DAY, DAY]) {
    const stop = await begin();
    const ran = await run(undefined, clock);
    await stop();
    const now = await captureState(server, moat);
    const found = isState(now, after) ? [] : ['with a wrong clock it does not end in the new state'];
    const what = [...found, ...longer(before, now), ...(await judgeEnd(scene, now))];
    report({ step: `the clock wrong by ${clock} s`, kind: 'run' }, ran, what);
  }
  const faults = choose(good.steps);
  const followed = new Map<string, readonly string[]>();
  for (const fault of faults) {
    const end = await begin();
    const ran = await run(fault);
    const now = await captureState(server, moat);
    const found = await judgeFault(scene, now, before, after);
    if (ran.stuck) found.push('it did not end');
    if (!ran.steps.includes(fault.step)) found.push('it did not come to that step');
    await end();
    const token = tokenIn(now);
    const ticks = token === undefined || clocksOf(moat).some((each) => each.token === token);
    const signature = signatureOf(now, `${token === undefined} ${ticks}`);
    let next = followed.get(signature);
    if (next === undefined) {
      next = await follow(scene, command, now, usual, before, after);
      followed.set(signature, next);
    }
    report(fault, ran, [...found, ...next]);
  }
  await scene.logOut();
  return {
    steps: good.steps,
    cases: faults.length,
    states: followed.size,
    seconds: (performance.now() - begun) / 1000,
    breaches,
  };
}

/** What comes after the fault: the next commands work and end in the new state; a change that waits can go back. */
async function follow(
  scene: Scene,
  command: FaultCommand,
  now: MachineState,
  usual: MachineState,
  before: MachineState,
  after: MachineState,
): Promise<string[]> {
  const { moat, network } = scene;
  const { server } = network;
  const found: string[] = [];
  const must = async (line: string, other = 0): Promise<void> => {
    const { code, stdout, stderr } = await moat.run(...line.split(' '));
    if (code !== 0 && code !== other)
      found.push(`then \`moat ${line}\`: exit code ${code}: ${stdout}${stderr}`);
  };
  const look = async (when: string): Promise<MachineState> => {
    const state = await captureState(server, moat);
    // The next confirmation tidies up after one that was killed.
    const tidy = !when.endsWith('abort`');
    found.push(...(await judgeEnd(scene, state, tidy)).map((each) => `${when}: ${each}`));
    return state;
  };
  await must('status');
  const done = isState(now, after);
  const again = done && command.once ? 'reload --confirm 0' : command.words;
  // What was to be confirmed or to go back may not wait any more; the state is looked at all the same.
  await must(again, command.once ? NOTHING_WAITS : 0);
  const end = await look(`after \`moat ${again}\``);
  if (!sameRules(end, after)) found.push(`after \`moat ${again}\` the rules are not the new ones`);
  if (policyIn(end) !== policyIn(after)) found.push(`after \`moat ${again}\` the policy is not the new one`);
  if (tokenIn(end) !== undefined) {
    if (scene.admins() > 0) await scene.logIn();
    await must('confirm');
    const kept = await look('after `moat confirm`');
    if (!sameRules(kept, after)) found.push('after `moat confirm` the rules are not the new ones');
    if (tokenIn(kept) !== undefined) found.push('after `moat confirm` it still waits');
  }
  if (tokenIn(now) !== undefined) {
    await restoreState(server, moat, now);
    await must('abort');
    const back = await look('after `moat abort`');
    if (!isState(back, command.edited || tokenIn(before) !== undefined ? usual : before))
      found.push('`moat abort` did not go back');
  }
  return found;
}

const FILE_FAULTS: readonly FaultKind[] = ['kill', 'ENOSPC'];
const PROGRAM_FAULTS: readonly FaultKind[] = ['fails', 'orphan', 'after', 'kill', 'missing', 'dies'];

/** What moat itself starts and waits for; the programs of its scripts have a clock that no test makes run faster. */
const WAITED_FOR = / start (nft -j|nft -c|nft -f \/run|ip|conntrack|ss) /;

function faultsOf(step: string): readonly FaultKind[] {
  if (!startsProgram(step)) return FILE_FAULTS;
  return WAITED_FOR.test(step) ? [...PROGRAM_FAULTS, 'hangs'] : PROGRAM_FAULTS;
}

/** Each step with each fault that it can meet. */
export function allFaults(steps: readonly string[]): Fault[] {
  return steps.flatMap((step) => faultsOf(step).map((kind) => ({ step, kind })));
}
