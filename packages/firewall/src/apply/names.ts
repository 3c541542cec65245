// The names in groups: asked for, and what was answered put into their sets, in one transaction that touches nothing else.
import { formatAddress, renderChange, type Table } from '@moat/netfilter';
import type { ContainerLinks } from '../compile/container-links.ts';
import { isNamesSet } from '../compile/group.ts';
import { compileTable } from '../compile/table.ts';
import { adminConnections } from '../kernel/admin-connections.ts';
import { readDocker } from '../kernel/docker.ts';
import { readLinks } from '../kernel/links.ts';
import { type HeldLock, withLock } from '../kernel/lock.ts';
import { type Lookup, lookUpNames } from '../kernel/name-lookup.ts';
import { type NameEntry, readNames, stageNames } from '../kernel/names-file.ts';
import { nftApply } from '../kernel/nft.ts';
import { makeFolder, type Paths } from '../kernel/paths.ts';
import {
  hasBootRules,
  readAppliedPolicy,
  readPending,
  readPolicyText,
  replaceBootRules,
} from '../kernel/state.ts';
import { testExpectations } from '../meaning/expectation.ts';
import { parsePolicyFile } from '../policy/file.ts';
import { hostNamesOf } from '../policy/host-names.ts';
import type { Policy } from '../policy/model.ts';
import { formatSentence } from '../policy/print.ts';
import type { Services } from '../policy/services.ts';
import { containerLinks } from './container-links.ts';
import { listTable } from './listed.ts';
import { compiledInto } from './live.ts';
import { findLockouts } from './lockout.ts';
import { entryAfter, hostAnswers, inOrder } from './name-answers.ts';
import { proofOf } from './proved.ts';
import { storedRules, withRunTime } from './run-time.ts';

/** How long a command waits for DNS. */
const COMMAND_LIMIT_MS = 2000;
const LOCK_WAIT_MS = 60_000;

/** A name that stands for other addresses now. */
export interface NameChange {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly came: readonly string[];
  readonly went: readonly string[];
}

export type Taken =
  | {
      readonly kind: 'done';
      readonly changes: readonly NameChange[];
      /** Those that were asked for, as they are known now. */
      readonly entries: readonly NameEntry[];
      /** In words; undefined: the answers from before were there. */
      readonly lost: string | undefined;
    }
  /** Another command holds the lock, or a change waits for its confirmation: its way back knows the sets as they are. */
  | { readonly kind: 'later'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };

export interface NamesRequest {
  readonly services: Services;
  readonly command: string;
}

/** The names of the policy in force and of the file, each once. */
export function namesInUse(paths: Paths, services: Services): string[] {
  const texts = [readAppliedPolicy(paths), readPolicyText(paths)];
  const parsed = texts.map((text) => (text === undefined ? undefined : parsePolicyFile(text, services)));
  return [...new Set(parsed.flatMap((each) => (each?.ok ? hostNamesOf(each.file.policy) : [])))];
}

/** Asks for all names that are in use, and takes the answers; within a short time. undefined: there are none. */
export async function refreshNames(paths: Paths, request: NamesRequest): Promise<Taken | undefined> {
  const names = namesInUse(paths, request.services);
  if (names.length === 0) return undefined;
  return takeAnswers(paths, request, await lookUpNames(names, COMMAND_LIMIT_MS));
}

/** What is known of these names, with those asked for that never were. */
export async function firstAnswers(
  known: readonly NameEntry[],
  names: readonly string[],
): Promise<readonly NameEntry[]> {
  const unknown = names.filter((name) => !known.some((entry) => entry.name === name));
  const lookups = await lookUpNames(unknown, COMMAND_LIMIT_MS);
  const now = secondsNow();
  return lookups.map((lookup) => entryAfter(undefined, lookup, now));
}

interface NameRemark {
  readonly message: string;
  readonly hint: string;
}

/** What to say of names for the first time, and with `all` of all that have no address. */
export function nameRemarks(
  policy: Policy,
  entries: readonly NameEntry[],
  asked: readonly NameEntry[],
  all: boolean,
): NameRemark[] {
  const used = new Set(hostNamesOf(policy));
  return entries.flatMap((entry): NameRemark[] => {
    const { name, addresses, failed } = entry;
    if (!used.has(name)) return [];
    const isNew = asked.includes(entry);
    if (addresses.length === 0 && (isNew || all)) {
      return [
        { message: `${name} has no address (${failed?.why}), so no rule is about it`, hint: ASK_AGAIN },
      ];
    }
    if (!isNew) return [];
    return [
      {
        message: `${name} is ${addresses.join(', ')} now, says DNS, and whoever answers for it decides`,
        hint: ASK_AGAIN,
      },
    ];
  });
}

export const TORN_NAMES =
  'the file of what names were answered with was not whole, so they were asked for again';

const ASK_AGAIN = '`moat daemon` asks again by itself, `moat reload` once';

/** Puts answers in force: the file of answers, the sets of groups with names, the rules for boot; nothing else. */
export async function takeAnswers(
  paths: Paths,
  { services, command }: NamesRequest,
  lookups: readonly Lookup[],
): Promise<Taken> {
  const locked = await withLock(paths, { waitMs: LOCK_WAIT_MS, command }, async (lock): Promise<Taken> => {
    if (readPending(paths) !== undefined)
      return { kind: 'later', message: 'a change waits for its confirmation' };
    const { entries: all, torn } = readNames(paths);
    const used = namesInUse(paths, services);
    const known = all.filter(({ name }) => used.includes(name));
    const now = secondsNow();
    const before = new Map(known.map((entry) => [entry.name, entry]));
    const asked = lookups
      .filter(({ name }) => used.includes(name))
      .map((lookup) => entryAfter(before.get(lookup.name), lookup, now));
    const step = await stepTo(paths, services, known, asked);
    if (torn || step.asked.length > 0 || known.length < all.length) {
      makeFolder(paths.state);
      const file = stageNames(paths, merged(known, step.asked));
      const failure = await putInForce(paths, step, lock).catch((error: Error) => error.message);
      if (failure !== undefined) {
        file.abandon();
        return { kind: 'failed', message: failure };
      }
      file.commit();
    }
    const changes = step.asked.flatMap((entry) => changeOf(before.get(entry.name), entry) ?? []);
    return { kind: 'done', changes, entries: step.asked, lost: torn ? TORN_NAMES : undefined };
  });
  return locked.kind === 'busy' ? { kind: 'later', message: locked.message } : locked.value;
}

interface Step {
  readonly asked: readonly NameEntry[];
  /** nft text; undefined: no set changes. */
  readonly change: string | undefined;
  /** Rules for the next boot. */
  readonly boot: string | undefined;
}

interface InForce {
  readonly policy: Policy;
  readonly table: Table;
}

/** From the answers that are in force to the new ones; an answer that the policy does not bear is not taken. */
async function stepTo(
  paths: Paths,
  services: Services,
  known: readonly NameEntry[],
  asked: readonly NameEntry[],
): Promise<Step> {
  const before = new Map(known.map((entry) => [entry.name, entry]));
  const applied = readAppliedPolicy(paths);
  const loaded = applied === undefined ? undefined : await listTable();
  const isChanged = (entry: NameEntry): boolean => changeOf(before.get(entry.name), entry) !== undefined;
  if (applied === undefined || loaded === undefined || !asked.some(isChanged)) {
    return { asked, change: undefined, boot: undefined };
  }
  const links = await containerLinks(await readDocker());
  const mean = (entries: readonly NameEntry[]): InForce | undefined => {
    const parsed = parsePolicyFile(applied, services, hostAnswers(merged(known, entries)));
    if (!parsed.ok) return undefined;
    const policy = compiledInto(parsed.file.policy, loaded);
    return { policy, table: compileTable(policy, links) };
  };
  let taken = asked;
  let meant = mean(taken);
  if (meant === undefined) return { asked, change: undefined, boot: undefined };
  const { connections } = adminConnections(await readLinks());
  const lockouts = findLockouts(withNamesOf(loaded, meant.table), loaded, connections);
  if (lockouts.length > 0) {
    const remotes = new Set(lockouts.map(({ remote }) => formatAddress(remote.address)));
    taken = taken.map((entry) => keeping(entry, before.get(entry.name), remotes));
    meant = mean(taken)!;
  }
  const refusal = refusalOf(paths, meant, links);
  if (refusal !== undefined) {
    return {
      asked: taken.map((entry) => (isChanged(entry) ? refused(entry, before, refusal) : entry)),
      change: undefined,
      boot: undefined,
    };
  }
  const change = renderChange(withNamesOf(loaded, meant.table), loaded);
  const boot = storedRules(withRunTime(meant.table, loaded, [], secondsNow()));
  return { asked: taken, change, boot };
}

async function putInForce(paths: Paths, { change, boot }: Step, lock: HeldLock): Promise<string | undefined> {
  if (change !== undefined) {
    const sent = await nftApply(change, { paths, lock });
    if (sent.kind !== 'ok') return sent.message;
  }
  if (boot !== undefined && hasBootRules(paths)) replaceBootRules(paths, boot);
  return undefined;
}

/** The loaded table with what the compiled one has in the sets of groups with names. */
export function withNamesOf(loaded: Table, compiled: Table): Table {
  const sets = loaded.sets.map((set) => {
    const wanted = isNamesSet(set.name) ? compiled.sets.find(({ name }) => name === set.name) : undefined;
    return wanted === undefined ? set : { ...set, elements: wanted.elements };
  });
  return { ...loaded, sets };
}

/** Who administers this machine from such an address is not shut out by DNS while that connection lasts. */
function keeping(entry: NameEntry, before: NameEntry | undefined, remotes: ReadonlySet<string>): NameEntry {
  const kept = (before?.addresses ?? []).filter((address) => remotes.has(address));
  return { ...entry, addresses: inOrder([...entry.addresses, ...kept]) };
}

/** Why rules with these answers shall not be in force. */
function refusalOf(paths: Paths, { policy, table }: InForce, links: ContainerLinks): string | undefined {
  const broken = testExpectations(policy, links).find(({ counterexamples }) => counterexamples.length > 0);
  if (broken !== undefined) return `\`${formatSentence(broken.expectation)}\` would not hold`;
  if (proofOf(paths, policy, links, table).kind === 'different') {
    return 'the rules would not mean what the policy says. This is a mistake in moat';
  }
  return undefined;
}

function refused(entry: NameEntry, before: ReadonlyMap<string, NameEntry>, why: string): NameEntry {
  const old = before.get(entry.name);
  const failed = {
    at: entry.answered,
    times: (old?.failed?.times ?? 0) + 1,
    why: `${entry.addresses.join(', ')} refused: ${why}`,
  };
  return { ...(old ?? { ...entry, addresses: [], answered: 0 }), failed };
}

function merged(known: readonly NameEntry[], asked: readonly NameEntry[]): NameEntry[] {
  const all = new Map([...known, ...asked].map((entry) => [entry.name, entry]));
  return [...all.values()];
}

function changeOf(before: NameEntry | undefined, after: NameEntry): NameChange | undefined {
  const { name, addresses } = after;
  const old = before?.addresses ?? [];
  const came = addresses.filter((address) => !old.includes(address));
  const went = old.filter((address) => !addresses.includes(address));
  return came.length + went.length === 0 ? undefined : { name, addresses, came, went };
}

function secondsNow(): number {
  return Math.floor(Date.now() / 1000);
}
