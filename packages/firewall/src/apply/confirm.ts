// Keeping a change that waits: only somebody who came in after it can say that the way in still works.
import { type AdminConnection, adminConnections, connectionKey } from '../kernel/admin-connections.ts';
import { keepGenerations } from '../kernel/generations.ts';
import { readLinks } from '../kernel/links.ts';
import { withLock } from '../kernel/lock.ts';
import type { Paths } from '../kernel/paths.ts';
import { lastWayBack, type Pending, readPending, secondsUntil, stageBootRules } from '../kernel/state.ts';
import { disarm } from './arm.ts';
import { keepBoot } from './boot.ts';
import { listTable } from './listed.ts';
import { restoration } from './restoration.ts';
import { settlePending } from './settle.ts';

export type ConfirmResult =
  | { readonly kind: 'confirmed'; readonly notes: readonly string[] }
  /** With `dryRun`: it would be confirmed. */
  | { readonly kind: 'would confirm' }
  /** Nothing waits. `last`: what the way back last wrote down. */
  | { readonly kind: 'nothing'; readonly last: string | undefined }
  | { readonly kind: 'old connection'; readonly connection: AdminConnection; readonly secondsLeft: number }
  | { readonly kind: 'no new connection'; readonly secondsLeft: number }
  | { readonly kind: 'busy'; readonly message: string };

const LOCK_WAIT_MS = 20_000;

/** Keeps the change and makes its rules those of the next boot; with `dryRun` only says whether it could. */
export async function confirmChange(paths: Paths, { dryRun }: { dryRun: boolean }): Promise<ConfirmResult> {
  if (!dryRun) await settlePending(paths);
  const pending = readPending(paths);
  if (pending === undefined) return { kind: 'nothing', last: lastWayBack(paths) };
  if (dryRun) {
    return refusal(pending, adminConnections(await readLinks()).connections) ?? { kind: 'would confirm' };
  }
  const work = () => confirmLocked(paths);
  const locked = await withLock(paths, { waitMs: LOCK_WAIT_MS, command: 'moat confirm' }, work);
  return locked.kind === 'busy' ? { kind: 'busy', message: locked.message } : locked.value;
}

/** Keeps the change of this name, whoever is logged in: something else has shown that it may stay. */
export async function confirmByWitness(paths: Paths, change: string): Promise<ConfirmResult> {
  const options = { waitMs: LOCK_WAIT_MS, command: 'moat --confirm-by-peer' };
  const locked = await withLock(paths, options, () => confirmLocked(paths, change));
  return locked.kind === 'busy' ? { kind: 'busy', message: locked.message } : locked.value;
}

/** `witnessed`: the change that needs no new connection of an admin. */
async function confirmLocked(paths: Paths, witnessed?: string): Promise<ConfirmResult> {
  const pending = readPending(paths);
  if (pending === undefined || (witnessed !== undefined && pending.change !== witnessed)) {
    return { kind: 'nothing', last: lastWayBack(paths) };
  }
  if (witnessed === undefined) {
    const refused = refusal(pending, adminConnections(await readLinks()).connections);
    if (refused !== undefined) return refused;
  }
  // What is in force, and not a record of it: a command that was killed may not have come to write one.
  const table = await listTable();
  if (table !== undefined) stageBootRules(paths, await restoration(table, 'later')).commit();
  keepGenerations(paths, pending.change);
  // First of all the clock: it must not strike while systemd takes its time.
  await disarm(paths);
  return { kind: 'confirmed', notes: await keepBoot(paths, { again: true }) };
}

/**
 * Our own connection must be younger than the change. Where this process came over none (a console, or tmux,
 * whose server is nobody's child), somebody must have logged in since; without any connection then and now it
 * is a console, and whoever sits there cannot be locked out.
 */
function refusal(pending: Pending, connections: readonly AdminConnection[]): ConfirmResult | undefined {
  const secondsLeft = secondsUntil(pending.deadline);
  const old = new Set(pending.connections);
  const isOld = (connection: AdminConnection): boolean => old.has(connectionKey(connection));
  // A login from this host to itself says nothing about the way in.
  const fromOutside = connections.filter(({ loopback }) => !loopback);
  const own = fromOutside.filter(({ ours }) => ours);
  if (own.length > 0) {
    const stale = own.find(isOld);
    return stale === undefined ? undefined : { kind: 'old connection', connection: stale, secondsLeft };
  }
  if (old.size === 0) return undefined;
  const someoneCameIn = fromOutside.some((connection) => connection.session && !isOld(connection));
  return someoneCameIn ? undefined : { kind: 'no new connection', secondsLeft };
}
