// moat confirm
import { formatAddress } from '@moat/netfilter';
import { confirmChange } from '../apply/confirm.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { failure, say } from './say.ts';

export async function confirmVerb(context: Context): Promise<void> {
  const result = await confirmChange(context.paths, context.options);
  switch (result.kind) {
    case 'confirmed': {
      const reboot = result.notes.length === 0 ? ', also after a reboot' : '';
      const lines = [`Confirmed: the rules stay${reboot}`, ...result.notes.map((note) => `note: ${note}`)];
      return say(context, {
        code: ExitCode.done,
        text: lines.join('\n'),
        json: { confirmed: true, notes: result.notes },
      });
    }
    case 'would confirm': {
      const text = 'Nothing is changed (--dry-run). The change that waits would be confirmed';
      return say(context, { code: ExitCode.done, text, json: { confirmed: false, dryRun: true } });
    }
    case 'nothing': {
      const last = result.last === undefined ? '' : `\nlast: ${result.last}`;
      // Not a success: a script that counts on the confirmation must not go on.
      const message = `nothing waits for a confirmation${last}`;
      return say(
        context,
        failure(ExitCode.refused, 'nothing-waits', message, { lastWayBack: result.last ?? null }),
      );
    }
    case 'old connection': {
      const { address, port } = result.connection.remote;
      const message =
        `this connection (from ${formatAddress(address)} port ${port}) is older than the change, so it proves ` +
        `nothing. Open a new one and say \`moat confirm\` there; ${result.secondsLeft} s left`;
      return say(
        context,
        failure(ExitCode.refused, 'old-connection', message, { secondsLeft: result.secondsLeft }),
      );
    }
    case 'no new connection': {
      const message =
        'nobody has logged in since the change, so nothing proves that the way in works. Open a new connection ' +
        `and say \`moat confirm\` there; ${result.secondsLeft} s left`;
      return say(
        context,
        failure(ExitCode.refused, 'no-new-connection', message, { secondsLeft: result.secondsLeft }),
      );
    }
    case 'busy':
      return say(context, failure(ExitCode.busy, 'busy', result.message));
    default:
      throw new Error(result satisfies never);
  }
}
