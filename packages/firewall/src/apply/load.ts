// Loading rules: one transaction, then a look at what the kernel lists; whatever fails, the old ones are in force.
import { renderReplacement, type Table, tableDifferences } from '@moat/netfilter';
import type { HeldLock } from '../kernel/lock.ts';
import { nftApply } from '../kernel/nft.ts';
import type { Paths } from '../kernel/paths.ts';
import { differenceLines } from '../proof/difference-text.ts';
import { listTable } from './listed.ts';
import type { Plan } from './plan.ts';
import { proofOf } from './proved.ts';
import { restoration } from './restoration.ts';
import { withoutBans } from './run-time.ts';
import type { Workings } from './workings.ts';

export type Loaded =
  /** `notes`: what is worth telling all the same. */
  | { readonly kind: 'ok'; readonly notes: readonly string[] }
  /** `restored`: the rules from before are in force, for certain. */
  | { readonly kind: 'failed'; readonly message: string; readonly restored: boolean };

/** Takes the rules from `plan.current` to `plan.table`. */
export async function loadRules(
  paths: Paths,
  plan: Plan,
  lock: HeldLock,
  list: Workings['list'],
): Promise<Loaded> {
  if (plan.change === undefined || plan.table === undefined) return { kind: 'ok', notes: [] };
  try {
    const whole = renderReplacement(plan.table);
    let sent = await nftApply(plan.change, { paths, lock });
    // A kernel that cannot make the small change may still take the whole table.
    if (sent.kind === 'refused' && plan.change !== whole) sent = await nftApply(whole, { paths, lock });
    if (sent.kind !== 'ok') return await unlessChanged(paths, plan, lock, sent.message);
    const found = await list();
    const differences = found === undefined ? [] : tableDifferences(plan.table, found);
    // What is listed word for word is proved with what was sent.
    if (found !== undefined && differences.length === 0) return { kind: 'ok', notes: [] };
    const sameRates = differences.every(
      ({ wanted, found: other }) => ![...wanted, ...other].some((line) => RATES.test(line)),
    );
    const proof = found && proofOf(paths, plan.policy, plan.links, withoutBans(found));
    if (found !== undefined && proof?.kind === 'proved' && sameRates)
      return { kind: 'ok', notes: [OTHER_WORDS] };
    const message = [
      'the kernel lists other rules than were sent. This is a mistake in moat.',
      ...(proof?.kind === 'different' ? differenceLines(proof.difference) : []),
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

const OTHER_WORDS =
  'the kernel lists the rules in other words than they were sent; for every packet they mean what the policy says';

/** What the proof leaves open: how much is too much, and for how long something is remembered. */
const RATES = /\b(limit rate|timeout|size)\b/;

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
