// moat disable, moat reset
import { createInterface } from 'node:readline/promises';
import { stop } from '../apply/stop.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { failure, say } from './say.ts';

export async function stopVerb(context: Context, verb: 'disable' | 'reset'): Promise<void> {
  const reset = verb === 'reset';
  if (reset && !(await agrees(context))) {
    return say(context, { code: ExitCode.done, text: 'Nothing was changed', json: { changed: false } });
  }
  const { dryRun } = context.options;
  const result = await stop(context.paths, { command: context.command, reset, dryRun });
  if (result.kind === 'busy') return say(context, failure(ExitCode.busy, 'busy', result.message));
  if (result.kind === 'failed') return say(context, failure(ExitCode.failed, 'failed', result.message));
  const lines = [
    ...(dryRun ? ['Nothing is changed (--dry-run). This would be said:'] : []),
    result.wasActive
      ? 'moat is not active any more: its rules are gone, nothing is loaded at boot'
      : 'moat was not active',
    ...(reset ? ['The policy is a new one, without rules'] : []),
    ...(result.backup === undefined
      ? []
      : [`The old one is ${result.backup}; to have it back, copy it to ${context.paths.policy}`]),
    ...result.notes.map((note) => `note: ${note}`),
  ];
  const { wasActive, backup, notes } = result;
  say(context, {
    code: ExitCode.done,
    text: lines.join('\n'),
    json: { changed: !dryRun && (wasActive || reset), wasActive, backup: backup ?? null, notes },
  });
}

/** Asks only a person at a terminal, and before any lock is taken: a question must not keep others waiting. */
async function agrees({ options, paths }: Context): Promise<boolean> {
  if (options.yes || options.dryRun || options.json || !process.stdin.isTTY || !process.stdout.isTTY)
    return true;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = await terminal.question(`Put ${paths.policy} aside and open the firewall (y|n)? `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
