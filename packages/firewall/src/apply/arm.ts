// Arming the way back before a change: its files, then its timer, then its name.
import { randomBytes } from 'node:crypto';
import { connectionKey } from '../kernel/admin-connections.ts';
import { nftCheck } from '../kernel/nft.ts';
import { ownNetwork } from '../kernel/own-network.ts';
import type { Paths } from '../kernel/paths.ts';
import { hasBegun, startDetachedShell } from '../kernel/shell.ts';
import { sshPorts } from '../kernel/ssh-ports.ts';
import {
  bootId,
  createPending,
  forgetPending,
  type Pending,
  readAppliedPolicy,
  readBootFile,
  readPending,
  renewPending,
  secondsSinceBoot,
  secondsUntil,
  wayBackFile,
  wayBackLog,
} from '../kernel/state.ts';
import { startService, startTimer, stopService, stopTimer, systemdRefusal } from '../kernel/systemd.ts';
import { emergencyRules } from './emergency.ts';
import type { Plan } from './plan.ts';
import { restoration } from './restoration.ts';
import { wayBackScript } from './way-back.ts';

export type Armed =
  | { readonly kind: 'armed'; readonly pending: Pending }
  | { readonly kind: 'failed'; readonly message: string };

/** A name that no other change has. */
export function newChange(): string {
  return randomBytes(8).toString('hex');
}

/**
 * After this the machine goes back by itself `seconds` from now, whatever becomes of this process, and at once when
 * the session that the plan was made in ends, if that is one at a prompt. A change that waits already keeps what it
 * goes back to and gets the new timer; the sessions that it was made in still count. `change`: its name.
 */
export async function arm(paths: Paths, plan: Plan, seconds: number, change: string): Promise<Armed> {
  const before = readPending(paths);
  const pending: Pending = {
    token: newChange(),
    change,
    boot: bootId(),
    deadline: secondsSinceBoot() + seconds,
    connections: plan.connections.filter(({ loopback }) => !loopback).map(connectionKey),
    sessions: [...new Set([...(before?.sessions ?? []), ...sessionMarks(plan)])],
  };
  if (before === undefined) {
    const rules = await restoration(plan.current, 'later');
    const checked = await nftCheck(rules, { paths });
    if (checked.kind !== 'ok') {
      return {
        kind: 'failed',
        message: `the way back would not load, so nothing was changed: ${checked.message}`,
      };
    }
    const applied = plan.current === undefined ? undefined : readAppliedPolicy(paths);
    createPending(paths, pending, {
      rules,
      // An edit by hand that `reload` brings into force is in the file already; it goes back as well.
      policy: applied ?? plan.oldText,
      applied,
      boot: readBootFile(paths),
      script: wayBackScript(paths, {
        ...{ change, listedAt: plan.listedAt },
        ...{ network: ownNetwork(), emergency: emergencyRules(sshPorts()) },
      }),
    });
  }
  const failed = await startClock(paths, pending.token, seconds);
  if (failed !== undefined) {
    if (before === undefined) forgetPending(paths);
    return { kind: 'failed', message: `the way back could not be armed, so nothing was changed: ${failed}` };
  }
  try {
    // From here on it waits, and a clock that ran before finds a token that is not its own.
    renewPending(paths, pending);
  } catch (error) {
    if (before === undefined) forgetPending(paths);
    throw error;
  }
  return { kind: 'armed', pending: await startWatch(paths, pending) };
}

/** The session of the plan, as the script wants it; none where its end means nothing. */
function sessionMarks({ session }: Plan): string[] {
  return session?.kind === 'connected' && session.interactive ? [session.carriers.join(',')] : [];
}

/** Gives a change that waits so many more seconds; the clock that ran finds another token. Hold the lock. */
export async function extend(paths: Paths, pending: Pending, seconds: number): Promise<Armed> {
  const token = newChange();
  const left = secondsUntil(pending.deadline) + seconds;
  const failed = await startClock(paths, token, left);
  if (failed !== undefined) return { kind: 'failed', message: `no new clock could be set: ${failed}` };
  const extended = { ...pending, token, deadline: secondsSinceBoot() + left };
  renewPending(paths, extended);
  return { kind: 'armed', pending: await startWatch(paths, extended) };
}

/** The change does not wait any more: takes its timer back, which otherwise finds nothing to do. */
export async function disarm(paths: Paths): Promise<void> {
  const pending = readPending(paths);
  forgetPending(paths);
  if (pending === undefined || paths.root !== '') return;
  if (systemdRefusal() !== undefined) return;
  await stopTimer(wayBackUnit(pending.token));
  if (pending.sessions.length > 0) await stopService(watchUnit(pending.token));
}

function wayBackUnit(token: string): string {
  return `moat-way-back-${token}`;
}

function watchUnit(token: string): string {
  return `moat-way-back-watch-${token}`;
}

/**
 * Watches the sessions of a change beside its clock, which goes on whatever becomes of this. After the token is in
 * its place: a watch of another token ends by itself. Gives the change with the sessions that are watched.
 */
async function startWatch(paths: Paths, pending: Pending): Promise<Pending> {
  const { token, sessions } = pending;
  if (sessions.length === 0) return pending;
  const args = [token, 'watch', ...sessions];
  try {
    if (paths.root === '' && systemdRefusal() === undefined) {
      const command = ['/bin/sh', wayBackFile(paths), ...args];
      if ((await startService(watchUnit(token), command)).kind === 'ok') return pending;
    } else {
      startDetachedShell(wayBackFile(paths), args, wayBackLog(paths));
      return pending;
    }
  } catch {
    // Without it the clock alone counts, and that is what is told.
  }
  const unwatched = { ...pending, sessions: [] };
  renewPending(paths, unwatched);
  return unwatched;
}

/** systemd keeps the time where it runs, else a shell of its own; returns why not. */
async function startClock(paths: Paths, token: string, seconds: number): Promise<string | undefined> {
  const script = wayBackFile(paths);
  if (paths.root === '' && systemdRefusal() === undefined) {
    const started = await startTimer(wayBackUnit(token), seconds, ['/bin/sh', script, token]);
    return started.kind === 'failed' ? started.reason : undefined;
  }
  try {
    const clock = startDetachedShell(script, [token, String(seconds)], wayBackLog(paths));
    return (await hasBegun(clock, script)) ? undefined : 'the shell that was to wait for it died';
  } catch (error) {
    return (error as Error).message;
  }
}
