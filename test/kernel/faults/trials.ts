// One command on one machine: its steps from a good run, then once more for each fault, each time from the same state.
import { appendFileSync } from 'node:fs';
import { MOAT_PROGRAM } from '../../../lab/moat.ts';
import {
  type Fault,
  type FaultKind,
  type StepWatch,
  startsProgram,
  type Watched,
} from '../../../lab/steps.ts';
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

const trace = (text: string): void => appendFileSync('/tmp/faults-trace', text);

/** The exit code of `abort` and `confirm` where nothing waits. */
const NOTHING_WAITS = 3;

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
  const run = (fault?: Fault): Promise<Watched> =>
    watch.run(server, [process.execPath, MOAT_PROGRAM, ...words], {
      env: moat.env,
      root: moat.root,
      limitMs: LIMIT_MS,
      ...(fault === undefined ? {} : { fault }),
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

  appendFileSync('/tmp/faults-steps', `${command.name}\n${good.steps.join('\n')}\n\n`);
  const faults = choose(good.steps);
  const followed = new Map<string, readonly string[]>();
  for (const fault of faults) {
    const marks: number[] = [];
    let last = performance.now();
    const mark = () => {
      marks.push(Math.round(performance.now() - last));
      last = performance.now();
    };
    const end = await begin();
    mark();
    const ran = await run(fault);
    mark();
    const now = await captureState(server, moat);
    mark();
    const found = await judgeFault(scene, now, before, after);
    mark();
    if (ran.stuck) found.push('it did not end');
    if (fault.kind !== 'run' && !ran.steps.includes(fault.step)) found.push('it did not come to that step');
    await end();
    const token = tokenIn(now);
    const ticks = token === undefined || clocksOf(moat).some((each) => each.token === token);
    const signature = signatureOf(now, `${token === undefined} ${ticks}`);
    let next = followed.get(signature);
    if (next === undefined) {
      next = await follow(scene, command, now, before, after);
      followed.set(signature, next);
    }
    mark();
    report(fault, ran, [...found, ...next]);
    trace(
      `${command.name} ${fault.kind} ${fault.step}: ${JSON.stringify(marks)} ${[...found, ...next].join('; ')}\n`,
    );
  }
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
    if (!isState(back, tokenIn(before) === undefined ? before : after) && !isBack(back, before, after))
      found.push('`moat abort` did not go back');
  }
  return found;
}

/** Where something waited before already, back is before that. */
function isBack(now: MachineState, before: MachineState, _after: MachineState): boolean {
  return tokenIn(before) !== undefined && tokenIn(now) === undefined;
}

const FILE_FAULTS: readonly FaultKind[] = ['kill', 'ENOSPC'];
const PROGRAM_FAULTS: readonly FaultKind[] = ['fails', 'orphan', 'after', 'kill', 'missing', 'dies'];

const faultsOf = (step: string): readonly FaultKind[] => (startsProgram(step) ? PROGRAM_FAULTS : FILE_FAULTS);

/** Each step with each fault that it can meet. */
export function allFaults(steps: readonly string[]): Fault[] {
  return steps.flatMap((step) => faultsOf(step).map((kind) => ({ step, kind })));
}
