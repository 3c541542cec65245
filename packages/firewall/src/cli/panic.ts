// moat panic, moat calm
import { adminConnections } from '../kernel/admin-connections.ts';
import { readLinks } from '../kernel/links.ts';
import { newBackupName, readBackup, readPolicyText } from '../kernel/state.ts';
import { panicPolicyText, policyBeforePanic } from '../policy/panic.ts';
import { changeAnswer } from './change-answer.ts';
import { change } from './change-verb.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { failure, say } from './say.ts';

/** A change of the policy like any other: it waits for its confirmation, ends what runs, and is in the history. */
export async function panicVerb(context: Context): Promise<void> {
  const { paths } = context;
  const backup = newBackupName(paths, new Date());
  const { connections } = adminConnections(await readLinks());
  const insiders = connections
    .filter(({ session, ours, loopback }) => (session || ours) && !loopback)
    .map(({ remote, dialled }) => ({ from: remote.address, port: dialled.port }));
  const result = await change(context, {
    activate: true,
    // Who is logged in is let in; who still guesses passwords must not be able to prevent it.
    allowLockout: true,
    edit({ text }) {
      // A second panic goes back to the same policy as the first.
      const before = policyBeforePanic(text);
      const kept = before === undefined ? { backup } : {};
      return { ok: true, text: panicPolicyText(insiders, before ?? backup), warnings: [], ...kept };
    },
  });
  const who =
    insiders.length === 0 ? 'nobody is logged in over the network' : 'who administers it now may come in';
  const answer = changeAnswer(result, () => `Nothing passes any more; ${who}. \`moat calm\` ends it`);
  say(context, { ...answer, json: { panic: true, ...answer.json } });
}

export async function calmVerb(context: Context): Promise<void> {
  const { paths } = context;
  const before = policyBeforePanic(readPolicyText(paths) ?? '');
  if (before === undefined)
    return say(context, failure(ExitCode.mistake, 'no-panic', 'there is no panic to end'));
  const kept = readBackup(paths, before);
  if (kept === undefined) {
    const message = `the policy from before the panic, ${before}, is gone: moat history, then moat undo N`;
    return say(context, failure(ExitCode.failed, 'failed', message));
  }
  const result = await change(context, {
    activate: false,
    edit: () => ({ ok: true, text: kept, warnings: [] }),
  });
  const answer = changeAnswer(result, () => 'The policy from before the panic is in force again');
  say(context, { ...answer, json: { panic: false, ...answer.json } });
}
