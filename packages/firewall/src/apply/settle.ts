// A change whose time is over and whose timer died with the machine: finish it before anything else.
import type { Paths } from '../kernel/paths.ts';
import { run } from '../kernel/process.ts';
import { readPending, wayBackFile } from '../kernel/state.ts';

/** A timer may be this late (it may wait for the lock that we hold) before it counts as dead. */
const GRACE_SECONDS = 20;

/** Undoes an overdue change by its own script. Called before the lock is taken, since the script takes it. */
export async function settlePending(paths: Paths): Promise<void> {
  const pending = readPending(paths);
  if (pending === undefined || Date.now() / 1000 < pending.deadline + GRACE_SECONDS) return;
  await run('sh', [wayBackFile(paths), pending.token]);
  // After a reboot the network has another name; then only the policy is still to be put back.
  if (readPending(paths) !== undefined) await run('sh', [wayBackFile(paths), 'boot']);
}
