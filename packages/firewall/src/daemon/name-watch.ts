// The names in groups, asked for again when their answers have held long enough.
import { dueAt } from '../apply/name-answers.ts';
import { namesInUse, takeAnswers } from '../apply/names.ts';
import { lookUpNames } from '../kernel/name-lookup.ts';
import { type NameEntry, readNames } from '../kernel/names-file.ts';
import type { Paths } from '../kernel/paths.ts';
import { readAppliedPolicy, readPending } from '../kernel/state.ts';
import type { Services } from '../policy/services.ts';
import type { DaemonEvent } from '../report/daemon-event.ts';
import { oneAtATime } from './one-at-a-time.ts';

export interface NameWatch {
  /** There may be other names than before. */
  noticed(): void;
  /** The network may be another one: what failed may work now. */
  networkChanged(): void;
  stop(): Promise<void>;
}

/** Nobody waits for the answers. */
const LIMIT_MS = 8000;
/** Looked also where nothing was told: a group that no rule names changes no rules. */
const ANYWAY_MS = 60_000;
/** Addresses of an interface come one after the other, and routes after them; rules are repaired first. */
const SETTLES_MS = 1000;
/** While a change waits for its confirmation, or a command holds the lock. */
const LATER_MS = 5000;
/** Where answers cannot be put in force. */
const FAILED_MS = 30_000;
/** Interfaces of containers come and go all the time. */
const RETRY_S = 5;

export function watchNames(paths: Paths, services: Services, tell: (event: DaemonEvent) => void): NameWatch {
  /** Name → what was told to be wrong with it. */
  const troubles = new Map<string, string>();
  let complaint: string | undefined;
  /** When the network changed: seconds since 1970. */
  let changedAt = 0;

  const complain = (message: string): void => {
    if (message !== complaint) tell({ event: 'problem', message });
    complaint = message;
  };

  async function work(): Promise<void> {
    ask(ANYWAY_MS);
    // What is not active has no sets, and what waits for its confirmation knows them as they are.
    if (readAppliedPolicy(paths) === undefined) return;
    if (readPending(paths) !== undefined) return ask(LATER_MS);
    const names = namesInUse(paths, services);
    if (names.length === 0) return;
    const now = Date.now() / 1000;
    const { entries } = readNames(paths);
    const dueOf = (name: string): number => {
      const entry = entries.find((each) => each.name === name);
      if (entry === undefined) return 0;
      const due = dueAt(entry, now);
      const failedAt = entry.failed?.at ?? Number.POSITIVE_INFINITY;
      return failedAt <= changedAt ? Math.min(due, failedAt + RETRY_S) : due;
    };
    const due = names.filter((name) => dueOf(name) <= now);
    const next = Math.min(...names.filter((name) => !due.includes(name)).map(dueOf));
    if (next < Number.POSITIVE_INFINITY) ask((next - now) * 1000);
    if (due.length === 0) return;
    const lookups = await lookUpNames(due, LIMIT_MS);
    const taken = await takeAnswers(paths, { services, command: 'moat daemon' }, lookups);
    if (taken.kind === 'later') return ask(LATER_MS);
    if (taken.kind === 'failed') return fail(new Error(taken.message));
    complaint = undefined;
    if (taken.lost !== undefined) tell({ event: 'problem', message: taken.lost });
    for (const change of taken.changes) tell({ event: 'resolved', ...change });
    const changed = new Set(taken.changes.map(({ name }) => name));
    for (const entry of taken.entries) heed(entry, changed.has(entry.name));
    const after = Date.now() / 1000;
    for (const entry of taken.entries) ask(Math.max(0, dueAt(entry, after) - after) * 1000);
  }

  function heed({ name, addresses, failed }: NameEntry, told: boolean): void {
    if (failed === null) {
      if (troubles.delete(name) && !told) tell({ event: 'resolved', name, addresses, came: [], went: [] });
      return;
    }
    if (troubles.get(name) === failed.why) return;
    troubles.set(name, failed.why);
    tell({ event: 'unresolved', name, why: failed.why, addresses });
  }

  const fail = (error: Error): void => {
    complain(`the answers to names could not be put in force: ${error.message}`);
    ask(FAILED_MS);
  };
  const ask = oneAtATime(work, fail);
  return {
    noticed: () => ask(SETTLES_MS),
    networkChanged: () => {
      changedAt = Date.now() / 1000;
      ask(SETTLES_MS);
    },
    stop: ask.stop,
  };
}
