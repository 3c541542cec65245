// Arming the way back before a change: its files, then its timer, then its name.
import { randomBytes } from 'node:crypto';
import { connectionKey } from '../kernel/admin-connections.ts';
import { nftCheck } from '../kernel/nft.ts';
import { ownNetwork } from '../kernel/own-network.ts';
import type { Paths } from '../kernel/paths.ts';
import { hasBegun, startDetachedShell } from '../kernel/shell.ts';
import {
  bootId,
  createPending,
  forgetPending,
  type Pending,
  readAppliedPolicy,
  readBootRules,
  readPending,
  renewPending,
  secondsSinceBoot,
  secondsUntil,
  wayBackFile,
  wayBackLog,
} from '../kernel/state.ts';
import { startTimer, stopTimer, systemdRefusal } from '../kernel/systemd.ts';
import { sshPorts } from './boot.ts';
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
 * After this the machine goes back by itself `seconds` from now, whatever becomes of this process. A change
 * that waits already keeps what it goes back to and gets the new timer. `change`: its name.
 */
export async function arm(paths: Paths, plan: Plan, seconds: number, change: string): Promise<Armed> {
  const before = readPending(paths);
  const pending: Pending = {
    token: newChange(),
    change,
    boot: bootId(),
    deadline: secondsSinceBoot() + seconds,
    connections: plan.connections.filter(({ loopback }) => !loopback).map(connectionKey),
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
      boot: readBootRules(paths),
      script: wayBackScript(paths, pending.change, ownNetwork(), emergencyRules(sshPorts())),
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
  return { kind: 'armed', pending };
}

/** Gives a change that waits so many more seconds; the clock that ran finds another token. Hold the lock. */
export async function extend(paths: Paths, pending: Pending, seconds: number): Promise<Armed> {
  const token = newChange();
  const left = secondsUntil(pending.deadline) + seconds;
  const failed = await startClock(paths, token, left);
  if (failed !== undefined) return { kind: 'failed', message: `no new clock could be set: ${failed}` };
  const extended = { ...pending, token, deadline: secondsSinceBoot() + left };
  renewPending(paths, extended);
  return { kind: 'armed', pending: extended };
}

/** The change does not wait any more: takes its timer back, which otherwise finds nothing to do. */
export async function disarm(paths: Paths): Promise<void> {
  const pending = readPending(paths);
  forgetPending(paths);
  if (pending === undefined || paths.root !== '') return;
  if (systemdRefusal() === undefined) await stopTimer(wayBackUnit(pending.token));
}

function wayBackUnit(token: string): string {
  return `moat-way-back-${token}`;
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
