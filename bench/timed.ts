// How long the whole process of a command takes.
import type { CommandResult } from '../lab/command.ts';

/** Milliseconds of one process and all that it started, as the clock and as the processors count them. */
export type Time = { readonly wall: number; readonly cpu: number };

/** Runs a command through bash, which counts. Throws where it did not succeed. */
export async function timed(
  run: (program: string, args: readonly string[]) => Promise<CommandResult>,
  command: readonly string[],
): Promise<Time> {
  const { code, stdout, stderr } = await run('bash', [
    '-c',
    'TIMEFORMAT="%3R %3U %3S"; time "$@"',
    'bash',
    ...command,
  ]);
  if (code !== 0) throw new Error(`${command.join(' ')}: exit code ${code}: ${stdout}${stderr}`);
  const [wall = 0, user = 0, system = 0] = (stderr.trimEnd().split('\n').at(-1) ?? '').split(' ').map(Number);
  return { wall: wall * 1000, cpu: (user + system) * 1000 };
}
