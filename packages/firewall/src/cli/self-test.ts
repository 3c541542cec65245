// moat self-test: the inside of the way back's test; `moat doctor` and `moat enable` run it, nobody types it.
import { selfTest } from '../apply/self-test.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';

/** `words[1]`: the network that must not be touched. */
export async function selfTestVerb(context: Context, words: readonly string[]): Promise<void> {
  const result = await selfTest(context.paths, words[1] ?? '');
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exitCode = result.kind === 'passed' ? ExitCode.done : ExitCode.failed;
}
