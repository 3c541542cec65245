// Every step of every command that changes something, stopped, refused or broken: the machine is as before or as after.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type StepWatch, stepWatch } from '../../lab/steps.ts';
import { COMMANDS } from './faults/commands.ts';
import { captureState } from './faults/machine-state.ts';
import { createScene, type Scene } from './faults/scene.ts';
import { allFaults, type Trials, tryCommand } from './faults/trials.ts';

/** Machines at the same time: most of the time goes into packets that nobody answers. */
const LANES = 3;
/** Every so manieth fault, for each command from another one on: prime to the numbers of faults that a step has. */
const STRIDE = process.env['MOAT_LONG'] === '1' ? 1 : 11;
const ONLY = process.env['MOAT_ONLY']?.split(',');

let watch: StepWatch;
const scenes: Scene[] = [];

beforeAll(async () => {
  watch = await stepWatch();
  for (let lane = 0; lane < LANES; lane++) scenes.push(await createScene());
});

afterAll(async () => {
  for (const scene of scenes) await scene.end();
  await watch?.remove();
});

test('every step of every command', { timeout: 3_600_000 }, async () => {
  const queue = COMMANDS.filter(({ name }) => ONLY?.includes(name) ?? true);
  const results = new Map<string, Trials>();
  await Promise.all(
    scenes.map(async (scene) => {
      const { moat, network } = scene;
      await moat.ok('allow', '22/tcp');
      await moat.ok('allow', '80/tcp');
      await moat.ok('allow', '81/tcp', 'for', '30d');
      await moat.ok('ban', '192.0.2.66', 'for', '10d', 'because', 'of', 'this');
      await moat.ok('enable', '--confirm', '0');
      const usual = await captureState(network.server, moat);
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const place = COMMANDS.indexOf(next);
        const trials = await tryCommand(scene, watch, usual, next, (steps) =>
          allFaults(steps).filter((_, i) => i % STRIDE === place % STRIDE),
        );
        results.set(next.name, trials);
        console.log(
          `${next.name.padEnd(8)} ${trials.steps.length} steps, ${trials.cases} faults, ${trials.states} states, ` +
            `${trials.seconds.toFixed(0)} s, ${trials.breaches.length} bad`,
        );
        for (const { fault, what, said } of trials.breaches)
          console.log(
            `${next.name}: ${fault.kind} at ${fault.step}:\n  ${what.join('\n  ')}\n  | ${said.trim().slice(0, 300)}`,
          );
      }
    }),
  );
  const all = [...results.values()];
  const sum = (of: (trials: Trials) => number): number => all.reduce((total, each) => total + of(each), 0);
  console.log(
    `${sum(({ steps }) => steps.length)} steps of ${all.length} commands, ${sum(({ cases }) => cases)} faults, ` +
      `${sum(({ breaches }) => breaches.length)} bad`,
  );
  for (const { steps } of all) expect(steps.length).toBeGreaterThan(10);
  expect(all.flatMap(({ breaches }) => breaches)).toEqual([]);
});
