// moat abort, moat confirm --extend TIME
import { abortChange, extendChange, type WaitingResult } from '../apply/abort.ts';
import { EXPECTED_DURATION, formatDuration, parseDuration } from '../policy/time.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { type Answer, failure, say } from './say.ts';

export async function abortVerb(context: Context): Promise<void> {
  say(context, answerFor(await abortChange(context.paths, context.options)));
}

/** `time`: as typed, `5m`. */
export async function extendVerb(context: Context, time: string): Promise<void> {
  const seconds = parseDuration(time);
  if (seconds === undefined) {
    const message = `bad value of --extend: expected ${EXPECTED_DURATION}, given ${time}; nothing was changed`;
    return say(context, failure(ExitCode.mistake, 'usage', message));
  }
  say(context, answerFor(await extendChange(context.paths, seconds, context.options)));
}

function answerFor(result: WaitingResult): Answer {
  switch (result.kind) {
    case 'extended': {
      const { secondsLeft, watched } = result;
      const until = watched ? ', or until the session that made it ends' : '';
      const text =
        `The change waits on; ${formatDuration(secondsLeft)} left to \`moat confirm\` from a new connection` +
        `${until}.`;
      return { code: ExitCode.done, text, json: { extended: true, secondsLeft, endsWithSession: watched } };
    }
    case 'aborted':
      return {
        code: ExitCode.done,
        text: ['The rules and the policy from before the change are in force again', result.log].join('\n'),
        json: { aborted: true, log: result.log },
      };
    case 'would do it': {
      const text = `Nothing is changed (--dry-run). A change waits: it could be done`;
      return { code: ExitCode.done, text, json: { dryRun: true, secondsLeft: result.secondsLeft } };
    }
    case 'nothing': {
      const last = result.last === undefined ? '' : `\nlast: ${result.last}`;
      return failure(ExitCode.refused, 'nothing-waits', `no change waits for a confirmation${last}`);
    }
    case 'busy':
      return failure(ExitCode.busy, 'busy', result.message);
    case 'failed':
      return failure(ExitCode.failed, 'failed', result.message);
    default:
      throw new Error(result satisfies never);
  }
}
