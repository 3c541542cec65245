// What a change would do, before anything is touched: the new file, the new rules, who would be locked out.
import {
  renderChange,
  renderReplacement,
  type Snapshot,
  type Table,
  tableDifferences,
} from '@moat/netfilter';
import { type ContainerLinks, NO_LINKS } from '../compile/container-links.ts';
import { gateEnd } from '../compile/gate.ts';
import { compileTable } from '../compile/table.ts';
import { type AdminConnection, adminConnections } from '../kernel/admin-connections.ts';
import { readBanLines } from '../kernel/ban-file.ts';
import { readBootRecord } from '../kernel/boot-record.ts';
import { readDocker } from '../kernel/docker.ts';
import { iptablesDisabled } from '../kernel/docker-iptables.ts';
import { readLinks } from '../kernel/links.ts';
import { type NameEntry, readNames } from '../kernel/names-file.ts';
import type { Paths } from '../kernel/paths.ts';
import { readSession, type Session } from '../kernel/session.ts';
import { takeSnapshot } from '../kernel/snapshot.ts';
import {
  appliedPolicyFile,
  hasBootRules,
  readAppliedPolicy,
  readPending,
  readPolicyText,
  secondsSinceBoot,
  wayBackSinceChange,
} from '../kernel/state.ts';
import { counterexampleText, type ExpectationResult, testExpectations } from '../meaning/expectation.ts';
import { emptyPolicyText, type PolicyFile, type PolicyFileResult, parsePolicyFile } from '../policy/file.ts';
import { type HostAnswers, hostNamesOf } from '../policy/host-names.ts';
import { liveAt } from '../policy/live.ts';
import type { Policy } from '../policy/model.ts';
import { narrows } from '../policy/narrow.ts';
import { formatSentence } from '../policy/print.ts';
import type { Problem, Source } from '../policy/problem.ts';
import type { Services } from '../policy/services.ts';
import type { Difference } from '../proof/prove-policy.ts';
import { adviceFor, connectionText } from './advice.ts';
import { basisOf } from './basis.ts';
import { containerLinks } from './container-links.ts';
import { flowsRefusedBy, flowsText } from './cut.ts';
import { compiledInto } from './live.ts';
import { findLockouts, isLetIn } from './lockout.ts';
import { hostAnswers } from './name-answers.ts';
import { firstAnswers, nameRemarks, TORN_NAMES } from './names.ts';
import { type ProofState, proofOf } from './proved.ts';
import { withRunTime } from './run-time.ts';
import { WORKINGS, type Workings } from './workings.ts';

/** Something to tell although the change is made. */
export interface Remark {
  readonly message: string;
  readonly hint: string | undefined;
}

/** What an edit makes of the policy file's text. */
export type EditResult =
  | {
      readonly ok: true;
      readonly text: string;
      readonly warnings: readonly Remark[];
      /** Under which name the policy as it was is kept (`backUpPolicy`). */
      readonly backup?: string | undefined;
    }
  | { readonly ok: false; readonly problems: readonly Problem[]; readonly source: Source };

export interface ChangeRequest {
  /** As typed, for those who wait for the lock. */
  readonly command: string;
  readonly services: Services;
  /** undefined: the file as it stands (`enable`, `reload`). */
  readonly edit: ((file: PolicyFile) => EditResult) | undefined;
  /** Loads the rules also where moat is not active yet. */
  readonly activate: boolean;
  /** 0: the change is final at once. */
  readonly confirmSeconds: number;
  readonly allowLockout: boolean;
  readonly dryRun: boolean;
  /** Lets flows go on that the new rules would not let begin. */
  readonly keepFlows: boolean;
  /** The state (`basisOf`) that the change is meant for; another one is refused. undefined: whatever is there. */
  readonly basis?: string | undefined;
  /** The generation that it brings back. */
  readonly restores?: number;
}

export interface Plan {
  /** The state that it was made from (`basisOf`). */
  readonly basis: string;
  /** The policy file as it was; undefined: there was none. */
  readonly oldText: string | undefined;
  /** The policy as it will be. */
  readonly file: PolicyFile;
  /** Under which name the one that was is to be kept. */
  readonly backup?: string | undefined;
  readonly warnings: readonly Remark[];
  readonly notes: readonly string[];
  /** moat was not active and will be. */
  readonly activates: boolean;
  /** The rules to be in force; undefined: moat is not active, only the file changes. */
  readonly table: Table | undefined;
  /** The rules in force now. */
  readonly current: Table | undefined;
  /** When these were listed: seconds since boot. */
  readonly listedAt: number;
  /** Everything that decides on this machine, from before the change; absent where no rule changes, or with huge sets. */
  readonly snapshot?: Snapshot;
  /** nft text from `current` to `table`; undefined: they say the same. */
  readonly change: string | undefined;
  /** Whether `table` means what the policy means; undefined: moat is not active. */
  readonly proof: Exclude<ProofState, { kind: 'different' }> | undefined;
  /** The sentences that are live now: what `table` was made from. */
  readonly policy: Policy;
  /** What the interfaces are on this machine, as far as rules depend on it. */
  readonly links: ContainerLinks;
  /** In words, what could be reached before and may not be after; empty: nothing. */
  readonly narrowing: readonly string[];
  /** What names were answered with, to be kept; absent: nothing new. */
  readonly names?: readonly NameEntry[];
  /** Connections of admins that exist now, as far as the change could concern them. */
  readonly connections: readonly AdminConnection[];
  /** The session that it is made in; absent where no rule changes. */
  readonly session?: Session;
  /** Those of them that the new rules would not let in again; not empty only where that was allowed. */
  readonly lockouts: readonly AdminConnection[];
}

export type PlanFailure =
  | { readonly kind: 'policy'; readonly problems: readonly Problem[]; readonly source: Source }
  | { readonly kind: 'lockout'; readonly lockouts: readonly Lockout[] }
  /** The policy does not keep what it expects; `results` are those that fail. */
  | { readonly kind: 'expectation'; readonly results: readonly ExpectationResult[] }
  /** The rules would not mean what the policy means: a mistake in moat. */
  | { readonly kind: 'unproved'; readonly difference: Difference }
  /** The policy file or the loaded rules are not those that the change was planned on. */
  | { readonly kind: 'stale'; readonly basis: string; readonly found: string }
  /** The policy file is gone although there was one. */
  | { readonly kind: 'no policy'; readonly file: string; readonly lastApplied: string };

/** An admin's connection that could not be made again, and what to say first (see `adviceFor`). */
export interface Lockout {
  readonly connection: AdminConnection;
  readonly advice: readonly string[];
}

/** Reads and computes only. Rejects when the machine cannot be read. */
export async function planChange(
  paths: Paths,
  request: ChangeRequest,
  { compile, list }: Workings = WORKINGS,
): Promise<Plan | PlanFailure> {
  const oldText = readPolicyText(paths);
  const appliedText = readAppliedPolicy(paths);
  // A file that has vanished is an accident, and not a policy without rules.
  if (oldText === undefined && appliedText !== undefined) {
    return { kind: 'no policy', file: paths.policy, lastApplied: appliedPolicyFile(paths) };
  }
  const known = readNames(paths);
  let parse = parser(request.services, hostAnswers(known.entries));
  const before = parse(oldText ?? emptyPolicyText());
  const source = { name: paths.policy, text: oldText ?? '' };
  if (!before.ok) return { kind: 'policy', problems: before.problems, source };
  const edited: EditResult = request.edit?.(before.file) ?? {
    ok: true,
    text: before.file.text,
    warnings: [],
  };
  if (!edited.ok) return { kind: 'policy', problems: edited.problems, source: edited.source };
  const after = parse(edited.text);
  if (!after.ok) {
    return { kind: 'policy', problems: after.problems, source: { name: paths.policy, text: edited.text } };
  }
  const warnings = [...edited.warnings];
  let { file } = after;

  const listedAt = secondsSinceBoot();
  const current = await list();
  const basis = basisOf(oldText, current);
  if (request.basis !== undefined && request.basis !== basis) {
    return { kind: 'stale', basis: request.basis, found: basis };
  }
  const enabled = current !== undefined || hasBootRules(paths);
  const needsLinks = enabled || request.activate || file.policy.expectations.length > 0;
  const links = needsLinks ? await containerLinks(await readDocker()) : NO_LINKS;
  const now = Math.floor(Date.now() / 1000);
  const active = enabled || request.activate;
  const asked = active ? await firstAnswers(known.entries, hostNamesOf(file.policy)) : [];
  const names = [...known.entries, ...asked];
  if (asked.length > 0) {
    parse = parser(request.services, hostAnswers(names));
    const again = parse(edited.text);
    if (again.ok) file = again.file;
  }
  if (active) warnings.push(...nameRemarks(file.policy, names, asked, request.edit === undefined));
  const policy = liveAt(file.policy, now);
  const failing = testExpectations(policy, links).filter(({ counterexamples }) => counterexamples.length > 0);
  if (!active) {
    return {
      ...{ basis, oldText, file, warnings: [...warnings, ...failing.map(failingLater)], notes: [] },
      ...{ activates: false, table: undefined, current, listedAt, proof: undefined, policy, links },
      ...{ change: undefined, narrowing: [], connections: [], lockouts: [] },
    };
  }
  if (failing.length > 0) return { kind: 'expectation', results: failing };
  const compiled = compile(policy, links);
  const proof = proofOf(paths, policy, links, compiled);
  if (proof.kind === 'different') return { kind: 'unproved', difference: proof.difference };
  // What a boot could not load is not in the kernel, and that does not mean that it is over.
  const lost = (readBootRecord(paths)?.without.length ?? 0) > 0;
  const table = withRunTime(compiled, lost ? undefined : current, readBanLines(paths), now);
  const change = lost && current !== undefined ? renderReplacement(table) : renderChange(table, current);
  const applied = appliedText === undefined ? undefined : parse(appliedText);
  const narrowing = narrowed(
    policy,
    applied?.ok ? applied.file.policy : undefined,
    ...([current, change, links, now] as const),
  );
  // Also where nothing narrows: what is loaded may let in what no sentence says.
  const concerns = change !== undefined || narrowing.length > 0;
  // Takes about as long as what follows until it is needed.
  const looking = change === undefined || isHuge(current) ? undefined : takeSnapshot();
  const connections = concerns ? adminConnections(await readLinks()).connections : [];
  const session = concerns ? readSession(connections) : undefined;
  const lockouts = findLockouts(table, current, connections);
  if (lockouts.length > 0 && !request.allowLockout) {
    const rulesAfter = (text: string): Table | undefined => {
      const first = parse(text);
      const then = first.ok ? (request.edit?.(first.file) ?? { ok: true as const, text }) : undefined;
      const result = then?.ok ? parse(then.text) : undefined;
      return result?.ok ? compile(liveAt(result.file.policy, now), links) : undefined;
    };
    const advised = lockouts.map((connection) => ({
      connection,
      advice: adviceFor(connection, before.file, rulesAfter),
    }));
    return { kind: 'lockout', lockouts: advised };
  }
  if (request.dryRun && narrowing.length > 0 && change !== undefined && !request.keepFlows) {
    const flows = (await flowsRefusedBy(table)) ?? [];
    const message = `this would end what runs: ${flowsText(flows)}`;
    if (flows.length > 0) warnings.push({ message, hint: 'to let it go on: --keep-flows' });
  }
  const notes = [...(current === undefined ? dockerNotes() : []), ...endingNotes(table, connections)];
  const back = readPending(paths) === undefined ? wayBackSinceChange(paths) : undefined;
  if (back !== undefined) notes.push(`the change before this one went back by itself: ${back}`);
  if (request.edit !== undefined && appliedText !== undefined && appliedText !== oldText) {
    notes.push('this also brought into force what was edited in the policy file since the last reload');
  }
  if (proof.kind === 'given up') notes.push(GIVEN_UP);
  if (known.torn) notes.push(TORN_NAMES);
  const snapshot = await looking;
  return {
    ...(asked.length > 0 || known.torn ? { names } : {}),
    ...(snapshot === undefined ? {} : { snapshot }),
    backup: edited.backup,
    ...(session === undefined ? {} : { session }),
    ...{ basis, oldText, file, warnings, notes, proof, policy, links },
    ...{ activates: !enabled || request.activate, table, current, listedAt, change },
    ...{ narrowing, connections, lockouts },
  };
}

const GIVEN_UP =
  'that these rules mean what the policy says was not proved: with so many sentences it takes longer than a change ' +
  'should. `moat test` takes the time, and the next change to the same rules then knows';

/** Where moat is not active a policy is still being written. */
function failingLater({ expectation, counterexamples: [first] }: ExpectationResult): Remark {
  const message = `\`${formatSentence(expectation)}\` does not hold, so this policy could not be enabled`;
  return { message, hint: first && counterexampleText(first) };
}

/** nft lists everything in sets each time that it is asked for rules: with 100,000 bans that takes seconds. */
const MOST_ELEMENTS = 10_000;

function isHuge(table: Table | undefined): boolean {
  const count = table?.sets.reduce((sum, { elements }) => sum + elements.length, 0) ?? 0;
  return count > MOST_ELEMENTS;
}

/** Who is let in for a time only should know it before the time is over. */
function endingNotes(table: Table, connections: readonly AdminConnection[]): string[] {
  if (!table.sets.some(({ name }) => gateEnd(name) !== undefined)) return [];
  const sets = table.sets.map((set) => (gateEnd(set.name) === undefined ? set : { ...set, elements: [] }));
  const shut = { ...table, sets };
  const ending = connections.filter((each) => !each.loopback && isLetIn(table, each) && !isLetIn(shut, each));
  const texts = new Set(ending.map(connectionText));
  return [...texts].map((text) => `what lets ${text} in ends by itself: say it without an end to keep it`);
}

type Parser = (text: string) => PolicyFileResult;

/** Reads each text once: the file as it is and the applied policy are mostly the same. */
function parser(services: Services, answers: HostAnswers): Parser {
  const read = new Map<string, PolicyFileResult>();
  return (text) => {
    const result = read.get(text) ?? parsePolicyFile(text, services, answers);
    read.set(text, result);
    return result;
  };
}

/**
 * Measured against what is in force: the sentences applied last, which a hand edit may have left behind long ago,
 * and the rules that are loaded, which somebody may have changed or a dead command not have come to write down.
 */
function narrowed(
  policy: Policy,
  applied: Policy | undefined,
  current: Table | undefined,
  change: string | undefined,
  links: ContainerLinks,
  now: number,
): readonly string[] {
  if (current === undefined) return ['moat was not active'];
  if (applied === undefined) return ['it is not known which policy the loaded rules come from'];
  if (
    change !== undefined &&
    tableDifferences(compileTable(compiledInto(applied, current), links), current).length > 0
  ) {
    return ['the loaded rules are not those of the policy that was applied last'];
  }
  return narrows(liveAt(applied, now), policy);
}

/** Nothing of moat depends on it, but whoever set it to close ports should know what it costs. */
function dockerNotes(): string[] {
  const disabled = iptablesDisabled();
  if (disabled === undefined) return [];
  const where =
    disabled.by === 'file' ? `in ${disabled.file}` : `on dockerd's command line (pid ${disabled.pid})`;
  return [
    `Docker runs with iptables switched off (${where}). This breaks the containers' way out (no masquerade), ` +
      'their traffic among each other where forwarding is refused, and hides the clients behind the address ' +
      'of the bridge. moat does not need it: published ports are closed unless a sentence opens them.',
  ];
}
