// One change of policy or rules, from the lock to the last fsync. The only place that loads rules.
//
//   lock ─▶ read ─▶ edit ─▶ compile ─▶ who would be locked out? ─▶ stage the policy file
//        ─▶ arm the way back ─▶ one nft transaction ─▶ compare with what the kernel lists ─▶ rename the file
//
// Whatever step fails or is killed, the rules are the old or the new ones and the file is the old or the new.
import { renderReplacement, tableDifferences } from '@moat/netfilter';
import { type StagedFile, stageFile } from '../kernel/atomic-write.ts';
import { withLock } from '../kernel/lock.ts';
import { nftApply } from '../kernel/nft.ts';
import type { Paths } from '../kernel/paths.ts';
import {
  forgetPending,
  makeFolders,
  readPending,
  writeAppliedPolicy,
  writePendingRules,
} from '../kernel/state.ts';
import { arm } from './arm.ts';
import { enableBoot, keepForBoot } from './boot.ts';
import { listTable } from './listed.ts';
import { type ChangeRequest, type Plan, type PlanFailure, planChange } from './plan.ts';
import { restoration } from './restoration.ts';
import { settlePending } from './settle.ts';

/** How a change ended. In every case but `done` nothing has changed. */
export type ChangeResult =
  | {
      readonly kind: 'done';
      readonly plan: Plan;
      /** Set while the change waits for its confirmation. */
      readonly pending: { readonly seconds: number } | undefined;
      readonly notes: readonly string[];
    }
  | { readonly kind: 'planned'; readonly plan: Plan }
  | PlanFailure
  | { readonly kind: 'busy'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };

/** How long a command waits for another one to finish. */
const LOCK_WAIT_MS = 60_000;

/** Makes the change, or with `dryRun` only says what it would be, writing nothing at all. */
export async function makeChange(paths: Paths, request: ChangeRequest): Promise<ChangeResult> {
  if (request.dryRun) {
    const plan = await planChange(paths, request);
    return 'kind' in plan ? plan : { kind: 'planned', plan };
  }
  await settlePending(paths);
  const locked = await withLock(paths, { waitMs: LOCK_WAIT_MS, command: request.command }, async () => {
    const plan = await planChange(paths, request);
    return 'kind' in plan ? plan : await carryOut(paths, request, plan);
  });
  return locked.kind === 'busy' ? { kind: 'busy', message: locked.message } : locked.value;
}

async function carryOut(paths: Paths, request: ChangeRequest, plan: Plan): Promise<ChangeResult> {
  makeFolders(paths);
  const { text } = plan.file;
  const staged = plan.oldText === text ? undefined : stageFile(paths.policy, text);
  const done = (pending: { seconds: number } | undefined, notes: readonly string[]): ChangeResult => ({
    kind: 'done',
    plan,
    pending,
    notes: [...plan.notes, ...notes],
  });
  if (plan.table === undefined) {
    staged?.commit();
    return done(undefined, []);
  }
  const before = readPending(paths);
  let pending = before;
  const waits = plan.narrowing.length > 0 && request.confirmSeconds > 0;
  if (waits) {
    const armed = await arm(paths, plan, request.confirmSeconds);
    if (armed.kind === 'failed') return abandon(staged, armed.message);
    pending = armed.pending;
  }
  const fresh = waits && before === undefined;
  const loaded = await load(paths, plan);
  if (loaded !== undefined) {
    if (fresh) forgetPending(paths);
    return abandon(staged, loaded);
  }
  try {
    staged?.commit();
  } catch (error) {
    await restore(paths, plan);
    if (fresh) forgetPending(paths);
    return abandon(staged, `the policy file could not be written: ${(error as Error).message}`);
  }
  writeAppliedPolicy(paths, text);
  const rules = renderReplacement(plan.table);
  if (pending !== undefined) {
    writePendingRules(paths, rules);
    const seconds = Math.max(0, Math.round(pending.deadline - Date.now() / 1000));
    return done(
      { seconds },
      waits ? [] : [`joins a change that waits for its confirmation (${seconds} s left)`],
    );
  }
  keepForBoot(paths, rules);
  return done(undefined, plan.activates ? await enableBoot(paths) : []);
}

function abandon(staged: StagedFile | undefined, message: string): ChangeResult {
  staged?.abandon();
  return { kind: 'failed', message };
}

/** Loads the rules and reads them back. Returns what went wrong; then the old rules are in force. */
async function load(paths: Paths, plan: Plan): Promise<string | undefined> {
  if (plan.change === undefined || plan.table === undefined) return undefined;
  let sent = await nftApply(plan.change, { paths });
  // A kernel that cannot make the small change may still take the whole table.
  if (sent.kind === 'refused') sent = await nftApply(renderReplacement(plan.table), { paths });
  if (sent.kind !== 'ok') return sent.message;
  const found = await listTable();
  const differences = found === undefined ? [] : tableDifferences(plan.table, found);
  if (found !== undefined && differences.length === 0) return undefined;
  await restore(paths, plan);
  return [
    'the kernel lists other rules than were sent; the old ones are in force again. This is a mistake in moat.',
    ...(found === undefined ? ['  there is no table inet moat after loading it'] : []),
    ...differences.flatMap(({ object, wanted, found: other }) => [
      `  ${object}`,
      ...wanted.map((line) => `    sent: ${line}`),
      ...other.map((line) => `    has:  ${line}`),
    ]),
  ].join('\n');
}

async function restore(paths: Paths, plan: Plan): Promise<void> {
  await nftApply(await restoration(plan.current), { paths });
}
