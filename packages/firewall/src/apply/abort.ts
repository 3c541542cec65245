// Not waiting for the end: more time for a change that waits, or the way back at once.
import { withLock } from '../kernel/lock.ts';
import type { Paths } from '../kernel/paths.ts';
import { PATIENT, run } from '../kernel/process.ts';
import { lastWayBack, readPending, secondsUntil, wayBackFile } from '../kernel/state.ts';
import { extend } from './arm.ts';
import { settlePending } from './settle.ts';

export type WaitingResult =
  /** `watched`: the end of a session that made it still undoes it. */
  | { readonly kind: 'extended'; readonly secondsLeft: number; readonly watched: boolean }
  /** `log`: what the way back wrote down. */
  | { readonly kind: 'aborted'; readonly log: string }
  /** With `dryRun`. */
  | { readonly kind: 'would do it'; readonly secondsLeft: number }
  | { readonly kind: 'nothing'; readonly last: string | undefined }
  | { readonly kind: 'busy'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };

const LOCK_WAIT_MS = 20_000;
/** The longest that a change may wait from now, as with `--confirm`. */
const LONGEST_SECONDS = 86_400;

export async function extendChange(
  paths: Paths,
  seconds: number,
  { dryRun }: { dryRun: boolean },
): Promise<WaitingResult> {
  if (!dryRun) await settlePending(paths);
  const options = { waitMs: LOCK_WAIT_MS, command: 'moat confirm --extend' };
  const work = async (): Promise<WaitingResult> => {
    const pending = readPending(paths);
    if (pending === undefined) return { kind: 'nothing', last: lastWayBack(paths) };
    const left = secondsUntil(pending.deadline) + seconds;
    if (left > LONGEST_SECONDS) {
      return { kind: 'failed', message: `a change waits for ${LONGEST_SECONDS / 3600} hours at most` };
    }
    if (dryRun) return { kind: 'would do it', secondsLeft: left };
    const extended = await extend(paths, pending, seconds);
    return extended.kind === 'failed'
      ? { kind: 'failed', message: extended.message }
      : {
          kind: 'extended',
          secondsLeft: secondsUntil(extended.pending.deadline),
          watched: extended.pending.sessions.length > 0,
        };
  };
  if (dryRun) return work();
  const locked = await withLock(paths, options, work);
  return locked.kind === 'busy' ? { kind: 'busy', message: locked.message } : locked.value;
}

/** Takes the way back now. Its script takes the lock itself. */
export async function abortChange(paths: Paths, { dryRun }: { dryRun: boolean }): Promise<WaitingResult> {
  if (!dryRun) await settlePending(paths);
  const pending = readPending(paths);
  if (pending === undefined) return { kind: 'nothing', last: lastWayBack(paths) };
  if (dryRun) return { kind: 'would do it', secondsLeft: secondsUntil(pending.deadline) };
  const ran = await run('sh', [wayBackFile(paths), pending.token, 'abort'], PATIENT);
  const after = readPending(paths);
  if (ran.kind === 'missing') return { kind: 'failed', message: 'there is no sh' };
  if (after?.token === pending.token) {
    const why = ran.stderr.trim() || 'it was made in another network than this one';
    return { kind: 'failed', message: `the change still waits: ${why}` };
  }
  return { kind: 'aborted', log: lastWayBack(paths) ?? '' };
}
