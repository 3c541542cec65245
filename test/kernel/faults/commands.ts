// The commands that are made to fail at each of their steps, and the state in which each begins.
import { readFileSync, writeFileSync } from 'node:fs';
import type { Scene } from './scene.ts';

export interface FaultCommand {
  readonly name: string;
  readonly words: string;
  /** From the usual state, active with a few sentences, a ban and a gate, to the one in which it is called. */
  readonly prepare: (scene: Scene, moat: (words: string) => Promise<string>) => Promise<unknown>;
  /** It cuts the flow to port 80 that runs before it. */
  readonly cuts?: true;
  /** It brings an edit into force, which goes back with it. */
  readonly edited?: true;
  /** Undoing and the like go on to something else when they are repeated: `reload` stands for that. */
  readonly once?: true;
}

const asItIs = async (): Promise<void> => {};
const deny80 = (_: Scene, moat: (words: string) => Promise<string>): Promise<string> =>
  moat('deny 80/tcp --confirm 6000');

/** The longest first. */
export const COMMANDS: readonly FaultCommand[] = [
  { name: 'deny', words: 'deny 80/tcp --confirm 6000', prepare: asItIs, cuts: true },
  {
    name: 'panic',
    words: 'panic --confirm 6000',
    prepare: (scene) => scene.logIn(),
    cuts: true,
  },
  { name: 'enable', words: 'enable --confirm 6000', prepare: (_, moat) => moat('disable') },
  {
    name: 'reload',
    edited: true,
    words: 'reload --confirm 6000',
    prepare: async ({ moat }) => {
      const text = readFileSync(moat.policy, 'utf8').replace('allow 80/tcp', 'allow 443/tcp');
      writeFileSync(moat.policy, text);
    },
  },
  {
    name: 'undo',
    words: 'undo --confirm 6000',
    prepare: (_, moat) => moat('allow 443/tcp'),
    once: true,
  },
  { name: 'delete', words: 'delete allow 80/tcp --confirm 0', prepare: asItIs, cuts: true, once: true },
  { name: 'allow', words: 'allow 443/tcp', prepare: asItIs },
  {
    name: 'calm',
    words: 'calm --confirm 0',
    prepare: async (scene, moat) => {
      await scene.logIn();
      await moat('panic --confirm 0');
    },
    once: true,
  },
  { name: 'abort', words: 'abort', prepare: deny80, once: true },
  { name: 'confirm', words: 'confirm', prepare: deny80, once: true },
  { name: 'extend', words: 'confirm --extend 5m', prepare: deny80 },
  { name: 'disable', words: 'disable', prepare: asItIs },
  { name: 'ban', words: 'ban 192.0.2.9 for 1d because guessing', prepare: asItIs, cuts: true },
  { name: 'unban', words: 'unban 192.0.2.66', prepare: asItIs, once: true },
];
