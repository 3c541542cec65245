// moat: the built command on a machine of the lab, with files of its own.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CommandResult } from './command.ts';
import type { Machine } from './machine.ts';

/** The command that `npm install -g` would put on the PATH. `npm run build` makes what it loads. */
export const MOAT_PROGRAM: string = fileURLToPath(new URL('../packages/firewall/bin/moat', import.meta.url));

/** moat on one machine. */
export type Moat = {
  /** The folder that stands for `/` (MOAT_ROOT). */
  readonly root: string;
  readonly policy: string;
  /** What makes a shell on the machine use this moat. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs one command; any exit code is a result. */
  run(...words: string[]): Promise<CommandResult>;
  /** Runs one command that has to succeed and gives what it printed. */
  ok(...words: string[]): Promise<string>;
  destroy(): Promise<void>;
};

/** @param options.docker the engine's `-H` value */
export async function moatOn(machine: Machine, options: { readonly docker?: string } = {}): Promise<Moat> {
  const root = await mkdtemp(join(tmpdir(), 'moat-root-'));
  const env = { MOAT_ROOT: root, DOCKER_HOST: options.docker ?? `unix://${root}/no-docker.sock` };
  const run = (...words: string[]) => machine.run(process.execPath, [MOAT_PROGRAM, ...words], { env });
  return {
    root,
    policy: join(root, 'etc/moat/policy'),
    env,
    run,
    ok: async (...words) => {
      const result = await run(...words);
      if (result.code !== 0) {
        throw new Error(
          `moat ${words.join(' ')}: exit code ${result.code}\n${result.stdout}${result.stderr}`,
        );
      }
      return result.stdout;
    },
    destroy: () => rm(root, { recursive: true, force: true }),
  };
}
