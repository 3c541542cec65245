// Keeping in force what is in force: a look at our table, and its repair when somebody else has changed it.
//
// What ought to be there is what the applied policy says, on the interfaces that there are. A command of moat changes
// both together, under the lock; so whoever holds the lock and finds that they differ has found somebody else's doing.
import { renderChange, renderReplacement, type Table, tableDifferences } from '@moat/netfilter';
import type { ContainerLinks } from '../compile/container-links.ts';
import { gateName } from '../compile/gate.ts';
import { compileTable } from '../compile/table.ts';
import { adminConnections } from '../kernel/admin-connections.ts';
import { readLinks } from '../kernel/links.ts';
import { type HeldLock, withLock } from '../kernel/lock.ts';
import { nftApply } from '../kernel/nft.ts';
import type { Paths } from '../kernel/paths.ts';
import {
  hasBootRules,
  readAppliedPolicy,
  readBootRules,
  readPending,
  replaceBootRules,
} from '../kernel/state.ts';
import { parsePolicyFile } from '../policy/file.ts';
import type { HostAnswers } from '../policy/host-names.ts';
import type { Policy } from '../policy/model.ts';
import type { Services } from '../policy/services.ts';
import { banReplacement } from './ban-store.ts';
import { listTable } from './listed.ts';
import { findLockouts } from './lockout.ts';
import { knownAnswers } from './name-answers.ts';
import { withNamesOf } from './names.ts';
import { proofOf } from './proved.ts';
import { agedSets, ageOf, bansNow, isBanSet, type Remembered, remember, strangersNow } from './remembered.ts';
import { storedRules, withRunTime } from './run-time.ts';

/** What was last seen to be in force. */
export interface InForce extends Remembered {
  /** The applied policy by then; undefined: a command that was killed has left none. */
  readonly applied: string | undefined;
  /** The table says what that policy says; else it was found so, and is kept as it was found. */
  readonly fromPolicy: boolean;
}

export type Look =
  /** moat is not active. */
  | { readonly kind: 'off' }
  /** `fresh`: it is the first look, or moat's own commands changed it. */
  | { readonly kind: 'in force'; readonly inForce: InForce; readonly fresh: boolean }
  /** Found so, by the first look or after a command that was killed: other rules than the policy's. Nothing was done. */
  | { readonly kind: 'differs'; readonly inForce: InForce; readonly objects: readonly string[] }
  /** Somebody had changed these; `gone`: the whole table was not there. */
  | Changed<'repaired'>
  | (Changed<'failed'> & { readonly message: string })
  /** Bridges came or went, and the rules do now what the policy says for them. */
  | { readonly kind: 'followed'; readonly inForce: InForce; readonly objects: readonly string[] }
  /** They were not followed. */
  | { readonly kind: 'not followed'; readonly inForce: InForce; readonly message: string }
  /** It was repaired, and somebody changed it again at once. */
  | { readonly kind: 'again' }
  /** The lock was not to be had. */
  | { readonly kind: 'busy'; readonly message: string };

interface Changed<Kind> {
  readonly kind: Kind;
  readonly inForce: InForce | undefined;
  readonly objects: readonly string[];
  readonly gone: boolean;
}

export interface KeepRequest {
  readonly services: Services;
  /** The bridges as they were last seen, and as they are now. */
  readonly links: { readonly known: () => ContainerLinks; readonly fresh: () => Promise<ContainerLinks> };
  /** What the last look found. */
  readonly before: InForce | undefined;
}

const LOCK_WAIT_MS = 60_000;

/** Looks, and repairs. Waits while a command of moat works. Rejects when the machine cannot be read. */
export async function keepInForce(paths: Paths, request: KeepRequest): Promise<Look> {
  const options = { waitMs: LOCK_WAIT_MS, command: 'moat daemon' };
  const locked = await withLock(paths, options, (lock) => look(paths, request, lock));
  return locked.kind === 'busy' ? { kind: 'busy', message: locked.message } : locked.value;
}

async function look(paths: Paths, { services, links, before }: KeepRequest, lock: HeldLock): Promise<Look> {
  const applied = readAppliedPolicy(paths);
  if (applied === undefined && !hasBootRules(paths) && readPending(paths) === undefined) {
    return { kind: 'off' };
  }
  const loaded = await listTable();
  const now = Math.floor(Date.now() / 1000);
  const known = { services, answers: knownAnswers(paths) };
  const mean = (on: ContainerLinks): Meant | undefined =>
    applied === undefined ? undefined : meantBy(applied, known, on, loaded ?? before?.table, now);
  let meant = mean(links.known());
  const fresh = before === undefined || before.applied !== applied;
  const found = (table: Table, fromPolicy: boolean): InForce => ({
    ...remember(paths, table),
    applied,
    fromPolicy,
  });
  if (loaded !== undefined) {
    if (differences(meant?.table, loaded)?.length !== 0) {
      // A command may have seen bridges that came since they were last looked for.
      meant = mean(await links.fresh());
    }
    const other = differences(meant?.table, loaded);
    if (other?.length === 0) return { kind: 'in force', inForce: found(loaded, true), fresh };
    if (fresh) {
      // What a way back, a boot or a killed command left there of an older answer.
      const renewed = meant === undefined ? undefined : await renewNames(paths, meant.table, loaded, lock);
      if (renewed !== undefined) return { kind: 'in force', inForce: found(renewed, true), fresh };
      return { kind: 'differs', inForce: found(loaded, false), objects: other ?? [] };
    }
    const touched = differences(before.table, loaded)!;
    if (touched.length === 0) {
      const inForce = { ...before, ...remember(paths, loaded) };
      if (!before.fromPolicy || meant === undefined) return { kind: 'in force', inForce, fresh: false };
      return await follow(paths, meant, loaded, inForce, lock);
    }
  }
  const target = before?.fromPolicy === false && !fresh ? before.table : (meant?.table ?? before?.table);
  const text = target === undefined ? readBootRules(paths) : undefined;
  const objects = loaded === undefined ? [] : differences(target, loaded)!;
  const done = await repair(paths, { target, text, loaded, before, now, lock });
  const what = { objects, gone: loaded === undefined };
  if (done === undefined) return { kind: 'again' };
  if (typeof done === 'string') return { kind: 'failed', message: done, inForce: before, ...what };
  const inForce = found(done, target !== undefined && target === meant?.table);
  // Where bans were too much for one transaction they are not in what was listed.
  const strangers =
    before === undefined || inForce.strangers.length > 0 ? inForce.strangers : strangersNow(before);
  return { kind: 'repaired', inForce: { ...inForce, strangers }, ...what };
}

/** The table, if it says what it ought to with nothing but the last answers put into the sets of groups with names. */
async function renewNames(
  paths: Paths,
  meant: Table,
  loaded: Table,
  lock: HeldLock,
): Promise<Table | undefined> {
  const wanted = withNamesOf(loaded, meant);
  const change = renderChange(wanted, loaded);
  if (change === undefined || tableDifferences(meant, wanted).length > 0) return undefined;
  const sent = await nftApply(change, { paths, lock });
  const listed = sent.kind === 'ok' ? await listTable() : undefined;
  return listed !== undefined && tableDifferences(meant, listed).length === 0 ? listed : undefined;
}

interface Meant {
  readonly policy: Policy;
  readonly links: ContainerLinks;
  readonly table: Table;
}

/** What has ended says nothing any more, unless its gate was there by then: it is there until a reload. */
function meantBy(
  applied: string,
  { services, answers }: { readonly services: Services; readonly answers: HostAnswers },
  links: ContainerLinks,
  gates: Table | undefined,
  now: number,
): Meant | undefined {
  const parsed = parsePolicyFile(applied, services, answers);
  if (!parsed.ok) return undefined;
  const sets = new Set(gates?.sets.map(({ name }) => name));
  const rules = parsed.file.policy.rules.filter(
    ({ until }) => until === undefined || until > now || sets.has(gateName(until)),
  );
  const policy = { ...parsed.file.policy, rules };
  return { policy, links, table: compileTable(policy, links) };
}

/** The objects that differ; undefined: it is not known what ought to be there. */
function differences(wanted: Table | undefined, found: Table): string[] | undefined {
  return wanted === undefined ? undefined : tableDifferences(wanted, found).map(({ object }) => object);
}

/** One transaction for more elements than these would keep the rules waiting. */
const MOST_ELEMENTS = 5000;

interface Repair {
  readonly target: Table | undefined;
  /** What is known where `target` is not: nft text of the rules for boot. */
  readonly text: string | undefined;
  readonly loaded: Table | undefined;
  readonly before: InForce | undefined;
  readonly now: number;
  readonly lock: HeldLock;
}

/** The table that is in force afterwards; undefined: another one is, by now; or why it could not be put in force. */
async function repair(
  paths: Paths,
  { target, text, loaded, before, now, lock }: Repair,
): Promise<Table | string | undefined> {
  const bans = bansNow(paths, before, now);
  if (target === undefined) {
    if (text === undefined) return 'it is not known what was in force';
    const sent = await nftApply(text, { paths, lock });
    if (sent.kind !== 'ok') return sent.message;
    await nftApply(banReplacement(bans, now), { paths, lock });
    return await listTable();
  }
  const later = bans.length > MOST_ELEMENTS;
  const remembered = before === undefined ? [] : agedSets(before.table, ageOf(before), now);
  const there = new Set(loaded?.sets.map(({ name }) => name));
  const runTime = (sets: Table['sets']): Table => withRunTime(target, { ...target, sets }, bans, now);
  // What is in the loaded sets counts truly; what is not there any more is remembered.
  const wanted = runTime([...(loaded?.sets ?? []), ...remembered.filter(({ name }) => !there.has(name))]);
  const whole = runTime(remembered);
  const small = later ? withoutBanElements(whole) : whole;
  const change = loaded === undefined ? renderReplacement(small) : renderChange(wanted, loaded);
  let sent = await nftApply(change ?? renderReplacement(small), { paths, lock });
  if (sent.kind === 'refused' && loaded !== undefined) {
    sent = await nftApply(renderReplacement(small), { paths, lock });
  }
  if (sent.kind !== 'ok') return sent.message;
  const listed = await listTable();
  if (listed === undefined || tableDifferences(target, listed).length > 0) return undefined;
  // Closed already: bans only close more.
  if (later && loaded === undefined) await nftApply(banReplacement(bans, now), { paths, lock });
  return listed;
}

function withoutBanElements(table: Table): Table {
  const sets = table.sets.map((set) => (isBanSet(set.name) ? { ...set, elements: [], expires: [] } : set));
  return { ...table, sets };
}

/** What `moat reload` would do about bridges, to the sentences that are applied and not to those in the file. */
async function follow(
  paths: Paths,
  { policy, links, table }: Meant,
  loaded: Table,
  inForce: InForce,
  lock: HeldLock,
): Promise<Look> {
  const not = (message: string): Look => ({ kind: 'not followed', inForce, message });
  const now = Math.floor(Date.now() / 1000);
  const proof = proofOf(paths, policy, links, table);
  if (proof.kind === 'different') return not('the rules for them would not mean what the policy says');
  const { connections } = adminConnections(await readLinks());
  if (findLockouts(table, loaded, connections).length > 0) {
    return not('an admin who is connected now would be locked out; moat reload says more');
  }
  const wanted = withRunTime(table, loaded, [], now);
  const change = renderChange(wanted, loaded);
  if (change !== undefined) {
    const sent = await nftApply(change, { paths, lock });
    if (sent.kind !== 'ok') return not(sent.message);
  }
  const listed = await listTable();
  if (listed === undefined) return not('the table is gone');
  if (readPending(paths) === undefined && hasBootRules(paths)) {
    replaceBootRules(paths, storedRules(wanted));
  }
  const objects = differences(listed, loaded)!;
  return { kind: 'followed', inForce: { ...inForce, ...remember(paths, listed) }, objects };
}
