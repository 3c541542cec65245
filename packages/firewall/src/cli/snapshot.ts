// moat snapshot [FILE]: everything that decides on this machine, as one JSON value
import type { Snapshot } from '@moat/netfilter';
import { writePrivateText } from '../kernel/text-file.ts';
import { redactSnapshot } from '../report/redact.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { readInput } from './input.ts';
import { colour, failure, say } from './say.ts';

export interface SnapshotVerbOptions {
  readonly redact: boolean;
  readonly conntrack: boolean;
}

/** With `--snapshot OLD` it writes that one again, which is how to redact it. */
export async function snapshotVerb(
  context: Context,
  file: string | undefined,
  { redact, conntrack }: SnapshotVerbOptions,
): Promise<void> {
  const read = await readInput(context, { nftText: true, flows: conntrack });
  if (!read.ok) return say(context, read.answer);
  const { snapshot: taken } = read.input;
  if (taken === undefined) {
    const message =
      'a ruleset alone is no snapshot: moat snapshot looks at this machine, or at --snapshot FILE';
    return say(context, failure(ExitCode.mistake, 'input', message));
  }
  const snapshot = redact ? redactSnapshot(taken) : taken;
  const text = `${JSON.stringify(snapshot, null, 1)}\n`;
  const gaps = gapLines(snapshot);
  if (file === undefined || file === '-') {
    process.stdout.write(text);
    if (gaps.length > 0) process.stderr.write(`${gaps.join('\n')}\n`);
    process.exitCode = ExitCode.done;
    return;
  }
  const { consistent, missing } = snapshot;
  const dry = context.options.dryRun;
  const failed = dry ? undefined : writePrivateText(file, text);
  if (failed !== undefined) return say(context, failure(ExitCode.failed, 'write', `${file}: ${failed.why}`));
  const told = `${dry ? 'Would write' : 'Wrote'} ${file}${redact ? ', redacted: look through it before you send it' : ', for your eyes only: --redact makes one to send'}`;
  say(context, {
    code: ExitCode.done,
    text: [told, ...gaps].join('\n'),
    json: { file, written: !dry, redacted: redact, consistent, missing },
  });
}

function gapLines({ consistent, missing }: Snapshot): string[] {
  return [
    ...(consistent ? [] : ['the rules changed while they were read, again and again']),
    ...missing.map(({ what, why }) => `not read: ${what} (${why})`),
  ].map((line) => `${colour.warning('WARNING')} ${line}`);
}
