// Ending it: `disable` takes the rules away, `reset` also puts the sentences aside.
import { renderRemoval } from '@moat/netfilter';
import { TABLE } from '../compile/table.ts';
import { writeFileAtomic } from '../kernel/atomic-write.ts';
import { type HeldLock, withLock } from '../kernel/lock.ts';
import { nftApply } from '../kernel/nft.ts';
import type { Paths } from '../kernel/paths.ts';
import {
  backUpPolicy,
  forgetAppliedPolicy,
  hasBootRules,
  makeFolders,
  newBackupName,
  readPolicyText,
} from '../kernel/state.ts';
import { emptyPolicyText } from '../policy/file.ts';
import { disarm } from './arm.ts';
import { disableBoot } from './boot.ts';
import { runDaemonUnit } from './daemon-unit.ts';
import { listTable } from './listed.ts';

export type StopResult =
  | {
      readonly kind: 'done';
      readonly wasActive: boolean;
      /** Where the old sentences are now. */
      readonly backup: string | undefined;
      readonly notes: readonly string[];
    }
  | { readonly kind: 'busy'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };

const LOCK_WAIT_MS = 60_000;

export interface StopRequest {
  readonly command: string;
  /** Also put the policy aside and begin a new one. */
  readonly reset: boolean;
  readonly dryRun: boolean;
}

/** Everything is reachable again as far as others' rules let it be. No other table is touched. */
export async function stop(paths: Paths, request: StopRequest): Promise<StopResult> {
  if (request.dryRun) return { kind: 'done', wasActive: await isActive(paths), backup: undefined, notes: [] };
  const options = { waitMs: LOCK_WAIT_MS, command: request.command };
  const locked = await withLock(paths, options, (lock) => stopLocked(paths, request, lock));
  return locked.kind === 'busy' ? { kind: 'busy', message: locked.message } : locked.value;
}

async function stopLocked(paths: Paths, request: StopRequest, lock: HeldLock): Promise<StopResult> {
  makeFolders(paths);
  const wasActive = await isActive(paths);
  const text = readPolicyText(paths);
  // The copy first: what cannot be kept is not thrown away.
  const backup =
    request.reset && text !== undefined
      ? backUpPolicy(paths, text, newBackupName(paths, new Date()))
      : undefined;
  if (wasActive) {
    const sent = await nftApply(renderRemoval(TABLE), { paths, lock });
    if (sent.kind !== 'ok') return { kind: 'failed', message: sent.message };
  }
  const notes = [...(await disableBoot(paths)), ...(await runDaemonUnit(paths, false))];
  await disarm(paths);
  forgetAppliedPolicy(paths);
  if (request.reset) writeFileAtomic(paths.policy, emptyPolicyText());
  return { kind: 'done', wasActive, backup, notes };
}

async function isActive(paths: Paths): Promise<boolean> {
  return (await listTable()) !== undefined || hasBootRules(paths);
}
