// A change whose timer died, with the machine or before its time: finish it before anything else.
import type { Paths } from '../kernel/paths.ts';
import { PATIENT, run } from '../kernel/process.ts';
import {
  hasOutlivedPending,
  isGoingBack,
  readPending,
  secondsSinceBoot,
  wayBackFile,
} from '../kernel/state.ts';

/** A timer may be this late (it may wait for the lock that we hold) before it counts as dead. */
const GRACE_SECONDS = 30;

/**
 * Undoes, by its own script, a change that is overdue or from before a reboot, or finishes that. Called before the lock is taken, since
 * the script takes it.
 */
export async function settlePending(paths: Paths): Promise<void> {
  if (isGoingBack(paths)) await run('sh', [wayBackFile(paths), 'finish'], PATIENT);
  // The boot unit does this where there is one; before the first confirmation there is none.
  if (hasOutlivedPending(paths)) await run('sh', [wayBackFile(paths), 'boot'], PATIENT);
  const pending = readPending(paths);
  if (pending === undefined || secondsSinceBoot() < pending.deadline + GRACE_SECONDS) return;
  await run('sh', [wayBackFile(paths), pending.token], PATIENT);
  // In another network than that of the change, only the policy is to be put back.
  if (readPending(paths) !== undefined) await run('sh', [wayBackFile(paths), 'boot'], PATIENT);
}
