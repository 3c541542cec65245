// One change of policy or rules, from the lock to the last fsync. The only place that loads rules.
//
//   lock ─▶ read ─▶ edit ─▶ compile ─▶ prove ─▶ who would be locked out? ─▶ stage every file
//        ─▶ arm the way back ─▶ one nft transaction ─▶ compare with what the kernel lists ─▶ rename the files
//
// Whatever step fails or is killed, the rules are the old or the new ones and the file is the old or the new.
// All that needs room on the disk is written before the rules are touched; what comes after are renames.
import { adminConnections, connectionKey } from '../kernel/admin-connections.ts';
import { type StagedFile, stageFile, writeFileAtomic } from '../kernel/atomic-write.ts';
import { stageGeneration } from '../kernel/generations.ts';
import { readLinks } from '../kernel/links.ts';
import { type HeldLock, withLock } from '../kernel/lock.ts';
import { stageNames } from '../kernel/names-file.ts';
import type { Paths } from '../kernel/paths.ts';
import {
  backUpPolicy,
  forgetAppliedPolicy,
  forgetPending,
  isGoingBack,
  lastWayBack,
  makeFolders,
  type Pending,
  putPolicyText,
  readAppliedPolicy,
  readPending,
  readPolicyText,
  renewPending,
  secondsUntil,
  stageAppliedPolicy,
  stageBootRules,
} from '../kernel/state.ts';
import { emptyPolicyText } from '../policy/file.ts';
import { arm, newChange } from './arm.ts';
import { basisOf } from './basis.ts';
import { keepBoot } from './boot.ts';
import { cutFlows, forgetCut } from './cut.ts';
import { generationOf } from './generation.ts';
import { listTable } from './listed.ts';
import { loadRules, putBack } from './load.ts';
import { type ChangeRequest, type Plan, type PlanFailure, planChange } from './plan.ts';
import { rememberProved } from './proved.ts';
import { storedRules } from './run-time.ts';
import { settlePending } from './settle.ts';
import { WORKINGS, type Workings } from './workings.ts';

/** How a change ended. In every case but `done` the old state is in force, or `failed` says what is not. */
export type ChangeResult =
  | {
      readonly kind: 'done';
      readonly plan: Plan;
      /** Set while the change waits for its confirmation. */
      readonly pending: Waiting | undefined;
      readonly notes: readonly string[];
    }
  | { readonly kind: 'planned'; readonly plan: Plan }
  | PlanFailure
  | { readonly kind: 'busy'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };

/** A change that waits for its confirmation. `fresh`: this command made it wait; else it joined. */
export interface Waiting {
  /** The name of the change. */
  readonly change: string;
  readonly seconds: number;
  readonly fresh: boolean;
  /** The end of the session that made it undoes it at once. */
  readonly watched: boolean;
}

/** How long a command waits for another one to finish. */
const LOCK_WAIT_MS = 60_000;

/** Makes the change, or with `dryRun` only says what it would be, writing nothing at all. */
export async function makeChange(
  paths: Paths,
  request: ChangeRequest,
  workings: Workings = WORKINGS,
): Promise<ChangeResult> {
  if (request.dryRun) {
    const plan = await planChange(paths, request, workings);
    return 'kind' in plan ? plan : { kind: 'planned', plan };
  }
  await settlePending(paths);
  if (isGoingBack(paths)) {
    const message = `the policy file from before a change that went back could not be put back: ${lastWayBack(paths)}`;
    return { kind: 'failed', message };
  }
  const locked = await withLock(paths, { waitMs: LOCK_WAIT_MS, command: request.command }, async (lock) => {
    const plan = await planChange(paths, request, workings);
    return 'kind' in plan ? plan : await carryOut(paths, request, plan, lock, workings);
  });
  return locked.kind === 'busy' ? { kind: 'busy', message: locked.message } : locked.value;
}

async function carryOut(
  paths: Paths,
  request: ChangeRequest,
  plan: Plan,
  lock: HeldLock,
  { list }: Workings,
): Promise<ChangeResult> {
  makeFolders(paths);
  const { text } = plan.file;
  const { table } = plan;
  const done = (pending: Waiting | undefined, notes: readonly string[]): ChangeResult => ({
    kind: 'done',
    plan,
    pending,
    notes: [...plan.notes, ...notes],
  });
  if (table === undefined) {
    if (plan.oldText !== text) writeFileAtomic(paths.policy, text);
    return done(undefined, []);
  }
  const before = readPending(paths);
  const waits = plan.narrowing.length > 0 && request.confirmSeconds > 0;
  const change = before?.change ?? (waits ? newChange() : undefined);
  let policy: StagedFile | undefined;
  // What moat itself remembers of the change.
  const records: StagedFile[] = [];
  const abandon = (message: string): ChangeResult => {
    for (const file of records) file.abandon();
    policy?.abandon();
    return { kind: 'failed', message };
  };
  let pending = before;
  try {
    if (plan.backup !== undefined) backUpPolicy(paths, plan.oldText ?? emptyPolicyText(), plan.backup);
    if (plan.oldText !== text) policy = stageFile(paths.policy, text);
    // What waits for a confirmation is not for the next boot.
    if (before === undefined && !waits) records.push(stageBootRules(paths, storedRules(table)));
    if (plan.names !== undefined) records.push(stageNames(paths, plan.names));
    records.push(stageAppliedPolicy(paths, text));
    const generation = generationOf(paths, plan, request, change);
    if (generation !== undefined) records.push(stageGeneration(paths, generation));
    if (waits) {
      const armed = await arm(paths, plan, request.confirmSeconds, change!);
      if (armed.kind === 'failed') return abandon(armed.message);
      pending = armed.pending;
    }
  } catch (error) {
    return abandon(`${(error as Error).message}; nothing was changed`);
  }
  const applied = readAppliedPolicy(paths);
  const undone = (failed: { readonly message: string; readonly restored: boolean }): ChangeResult => {
    // Where the old rules are not back for certain the clock that was set goes on.
    if (failed.restored) {
      if (waits && before === undefined) forgetPending(paths);
      if (applied !== undefined) remember(paths, applied);
    }
    return abandon(failed.message);
  };
  // Others load rules without asking for our lock.
  const found = basisOf(readPolicyText(paths), await listTable());
  if (found !== plan.basis) {
    undone({ message: '', restored: true });
    return { kind: 'stale', basis: plan.basis, found };
  }
  // Killed from here on, nobody knows for certain which sentences the rules come from: better none than wrong ones.
  forgetAppliedPolicy(paths);
  const loaded = await loadRules(paths, plan, lock, list);
  if (loaded.kind === 'failed') return undone(loaded);
  try {
    // Editors do not take our lock.
    if (readPolicyText(paths) !== plan.oldText) {
      throw new Error(`${paths.policy} was edited meanwhile; say it again`);
    }
    policy?.commit();
  } catch (error) {
    const why = `the policy file could not be written: ${(error as Error).message}`;
    takeBack(paths, plan);
    return undone(await putBack(paths, plan, lock, why));
  }
  const notes: string[] = [...loaded.notes];
  if (plan.proof?.kind === 'proved') rememberProved(paths, plan.proof.key);
  try {
    for (const file of records) file.commit();
  } catch (error) {
    notes.push(`${(error as Error).message}: the change is in force, but not all of it for the next boot`);
  }
  if (plan.change !== undefined) {
    if (plan.narrowing.length === 0) await forgetCut(paths, plan.current, lock);
    else if (!request.keepFlows) notes.push(...(await cutFlows(paths, table, lock)));
  }
  if (pending !== undefined) {
    if (waits) await countConnections(paths, pending);
    const seconds = secondsUntil(pending.deadline);
    if (!waits && plan.change !== undefined)
      notes.push('this joins the change that waits: unconfirmed, both go back');
    const watched = pending.sessions.length > 0;
    return done({ change: pending.change, seconds, fresh: waits, watched }, notes);
  }
  return done(undefined, [...notes, ...(await keepBoot(paths, { again: plan.activates }))]);
}

/** Who came in while the rules were changing came in by the old ones as likely as not, and cannot confirm. */
async function countConnections(paths: Paths, pending: Pending): Promise<void> {
  const now = adminConnections(await readLinks()).connections.filter(({ loopback }) => !loopback);
  const connections = [...new Set([...pending.connections, ...now.map(connectionKey)])];
  if (connections.length > pending.connections.length) renewPending(paths, { ...pending, connections });
}

/** A file that was renamed and could not be synced is in its place all the same. */
function takeBack(paths: Paths, { oldText, file: { text } }: Plan): void {
  try {
    if (oldText !== text && readPolicyText(paths) === text) putPolicyText(paths, oldText);
  } catch {
    // What could not be synced before may not be synced now; what counts is the file that is read.
  }
}

/** Where there is no room for it the next change is taken for one that narrows, and waits. */
function remember(paths: Paths, applied: string): void {
  try {
    stageAppliedPolicy(paths, applied).commit();
  } catch {
    // The failure that brought us here is the one to tell.
  }
}
