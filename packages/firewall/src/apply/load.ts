// Loading rules: one transaction, then a look at what the kernel lists; whatever fails, the old ones are in force.
import { renderReplacement, type Table, tableDifferences } from '@moat/netfilter';
import type { HeldLock } from '../kernel/lock.ts';
import { nftApply } from '../kernel/nft.ts';
import type { Paths } from '../kernel/paths.ts';
import { listTable } from './listed.ts';
import type { Plan } from './plan.ts';
import { restoration } from './restoration.ts';

export type Loaded =
  | { readonly kind: 'ok' }
  /** `restored`: the rules from before are in force, for certain. */
  | { readonly kind: 'failed'; readonly message: string; readonly restored: boolean };

/** Takes the rules from `plan.current` to `plan.table`. */
export async function loadRules(paths: Paths, plan: Plan, lock: HeldLock): Promise<Loaded> {
  if (plan.change === undefined || plan.table === undefined) return { kind: 'ok' };
  try {
    const whole = renderReplacement(plan.table);
    let sent = await nftApply(plan.change, { paths, lock });
    // A kernel that cannot make the small change may still take the whole table.
    if (sent.kind === 'refused' && plan.change !== whole) sent = await nftApply(whole, { paths, lock });
    if (sent.kind !== 'ok') return await unlessChanged(paths, plan, lock, sent.message);
    const found = await listTable();
    const differences = found === undefined ? [] : tableDifferences(plan.table, found);
    if (found !== undefined && differences.length === 0) return { kind: 'ok' };
    const message = [
      'the kernel lists other rules than were sent. This is a mistake in moat.',
      ...(found === undefined ? ['  there is no table inet moat after loading it'] : []),
      ...differences.flatMap(({ object, wanted, found: other }) => [
        `  ${object}`,
        ...wanted.map((line) => `    sent: ${line}`),
        ...other.map((line) => `    has:  ${line}`),
      ]),
    ].join('\n');
    return await putBack(paths, plan, lock, message);
  } catch (error) {
    return await unlessChanged(paths, plan, lock, (error as Error).message);
  }
}

/** An nft that failed should have changed nothing; one that was killed may have. */
async function unlessChanged(paths: Paths, plan: Plan, lock: HeldLock, message: string): Promise<Loaded> {
  try {
    if (sameTable(await listTable(), plan.current)) return { kind: 'failed', message, restored: true };
  } catch {
    // Where nft does not even list, it has not loaded either, or another program of that name has.
  }
  return await putBack(paths, plan, lock, message);
}

function sameTable(a: Table | undefined, b: Table | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return tableDifferences(a, b).length === 0;
}

/** Restores the rules from before because of `message`, to which it adds how that went. */
export async function putBack(
  paths: Paths,
  plan: Plan,
  lock: HeldLock,
  message: string,
): Promise<Extract<Loaded, { kind: 'failed' }>> {
  let why: string | undefined;
  try {
    const sent = await nftApply(await restoration(plan.current, 'now'), { paths, lock });
    if (sent.kind !== 'ok') why = sent.message;
  } catch (error) {
    why = (error as Error).message;
  }
  const ending =
    why === undefined
      ? 'The rules from before are in force again.'
      : `The rules from before could not be put back (${why}): look at \`moat show raw\`, then \`moat reload\`.`;
  return { kind: 'failed', message: `${message}\n${ending}`, restored: why === undefined };
}
