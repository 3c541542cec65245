// What moat remembers between commands: the policy in force, the rules for boot, the change that waits.
//
//   /var/lib/moat/applied-policy   the sentences that the loaded rules were made from
//   /var/lib/moat/boot.nft         the last confirmed rules: what boot loads; there only while enabled
//   /var/lib/moat/boot.before.nft  the confirmed rules before those: what boot loads where it cannot load them
//   /var/lib/moat/boot.sh          the script that loads them, whatever runs it at boot
//   /var/lib/moat/pending/         a change that nobody has confirmed yet, and all that undoes it
//   /var/lib/moat/way-back.log     what the way back did, one line each time
//   /var/lib/moat/proved           names of policies with rules that were proved to mean the same
//   /var/lib/moat/tried             the kernel on which the way back was tried, and worked
//   /var/lib/moat/backups/         policies that `reset` put aside
//   /var/lib/moat/generations/     every state that was applied (generations.ts)
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { type StagedFile, stageFile, writeFileAtomic } from './atomic-write.ts';
import type { Paths } from './paths.ts';
import { sealed, unsealed } from './sealed-text.ts';

/** A change that goes back by itself unless it is confirmed. */
export interface Pending {
  /** Names the timer that may undo it; an older timer finds another token and does nothing. */
  readonly token: string;
  /** Names the change: the same for all that join it, whatever timer runs. */
  readonly change: string;
  /** The boot in which it was made, by `bootId`: its timer and its rules end with that. */
  readonly boot: string;
  /** Seconds since the machine started: no clock that somebody sets. */
  readonly deadline: number;
  /** The connections that existed when the change was made, one text each: none of them can confirm. */
  readonly connections: readonly string[];
  /** The sessions whose end undoes it at once, one word each: the processes that carry it, `PID:START,…`. */
  readonly sessions: readonly string[];
}

export interface PendingFiles {
  /** nft text that restores the rules. */
  readonly rules: string;
  /** The policy file to put back; undefined: there was none. */
  readonly policy: string | undefined;
  /** `applied-policy` to put back; undefined: there was none. */
  readonly applied: string | undefined;
  /** The rules for boot to put back: a confirmation that is killed may have replaced them. undefined: there were none. */
  readonly boot: string | undefined;
  /** The shell script that does it. */
  readonly script: string;
}

/** What a deadline is measured by (CLOCK_BOOTTIME). */
export function secondsSinceBoot(): number {
  return uptime();
}

/** Whole seconds, the begun one included, never below 0. */
export function secondsUntil(deadline: number): number {
  return Math.max(0, Math.ceil(deadline - secondsSinceBoot()));
}

function at(paths: Paths, ...names: readonly string[]): string {
  return join(paths.state, ...names);
}

export function pendingFolder(paths: Paths): string {
  return at(paths, 'pending');
}

export function bootFile(paths: Paths): string {
  return at(paths, 'boot.nft');
}

export function bootFileBefore(paths: Paths): string {
  return at(paths, 'boot.before.nft');
}

/** What loads the rules at boot. */
export function bootScriptFile(paths: Paths): string {
  return at(paths, 'boot.sh');
}

export function appliedPolicyFile(paths: Paths): string {
  return at(paths, 'applied-policy');
}

/** The script that undoes the change that waits. */
export function wayBackFile(paths: Paths): string {
  return at(paths, 'pending', 'back.sh');
}

export function wayBackLog(paths: Paths): string {
  return at(paths, 'way-back.log');
}

export function readPolicyText(paths: Paths): string | undefined {
  return readIfThere(paths.policy);
}

/** undefined: there shall be none. */
export function putPolicyText(paths: Paths, text: string | undefined): void {
  if (text === undefined) rmSync(paths.policy, { force: true });
  else writeFileAtomic(paths.policy, text);
}

export function readAppliedPolicy(paths: Paths): string | undefined {
  return readIfThere(appliedPolicyFile(paths));
}

export function stageAppliedPolicy(paths: Paths, text: string): StagedFile {
  return stageFile(appliedPolicyFile(paths), text);
}

export function forgetAppliedPolicy(paths: Paths): void {
  rmSync(appliedPolicyFile(paths), { force: true });
}

/** What `writeProved` wrote, the newest first. */
export function readProved(paths: Paths): readonly string[] {
  return readIfThere(at(paths, 'proved'))?.split('\n').filter(Boolean) ?? [];
}

export function writeProved(paths: Paths, keys: readonly string[]): void {
  writeFileAtomic(at(paths, 'proved'), `${keys.join('\n')}\n`);
}

/** The file of the rules for boot as it stands. */
export function readBootFile(paths: Paths): string | undefined {
  return readIfThere(bootFile(paths));
}

/** Whether there are rules for boot, whole or not. */
export function hasBootRules(paths: Paths): boolean {
  return readBootFile(paths) !== undefined;
}

/** The rules for boot; undefined: there are none, or they are not as they were written, and a boot passes over them. */
export function readBootRules(paths: Paths): string | undefined {
  const text = readIfThere(bootFile(paths));
  return text === undefined ? undefined : unsealed(text);
}

/** What `writeTried` wrote. */
export function readTried(paths: Paths): string | undefined {
  return readIfThere(at(paths, 'tried'))?.trim();
}

/** Notes on which kernel the way back was tried, and worked. */
export function writeTried(paths: Paths, kernel: string): void {
  makeFolders(paths);
  writeFileAtomic(at(paths, 'tried'), `${kernel}\n`);
}

/**
 * Writes the rules for boot beside those that are there. Committed, these become the ones before; but not where they
 * say the same, or are not whole: what is kept twice is worth no more than once.
 */
export function stageBootRules(paths: Paths, text: string): StagedFile {
  const last = readIfThere(bootFile(paths));
  const rules = last === undefined ? undefined : unsealed(last);
  const moves = last !== undefined && rules !== undefined && withoutTimes(rules) !== withoutTimes(text);
  const before = moves ? stageFile(bootFileBefore(paths), last) : undefined;
  let staged: StagedFile;
  try {
    staged = stageFile(bootFile(paths), sealed(text));
  } catch (error) {
    before?.abandon();
    throw error;
  }
  return {
    path: staged.path,
    commit() {
      // In this order: killed between the two, the last confirmed rules are there twice, and never not at all.
      before?.commit();
      staged.commit();
    },
    abandon() {
      before?.abandon();
      staged.abandon();
    },
  };
}

/** Lines for `time_left` say something else each second. */
function withoutTimes(rules: string): string {
  return rules.replaceAll(/^#\+ .*\n/gm, '');
}

/**
 * The next boot finds no rules. First what loads them, which would take their absence for an accident; then those before,
 * which nobody would know of alone.
 */
export function forgetBootRules(paths: Paths): void {
  rmSync(bootScriptFile(paths), { force: true });
  rmSync(bootFileBefore(paths), { force: true });
  rmSync(bootFile(paths), { force: true });
}

/** The same sentences for other bridges: those that were confirmed before stay what they are. */
export function replaceBootRules(paths: Paths, text: string): void {
  writeFileAtomic(bootFile(paths), sealed(text));
}

/** In place of rules, for a boot that would close everything if it found none. */
export function writeBootRules(paths: Paths, text: string): void {
  rmSync(bootFileBefore(paths), { force: true });
  replaceBootRules(paths, text);
}

/** The change that waits. One from before a reboot waits no more: nobody can confirm rules that are gone. */
export function readPending(paths: Paths): Pending | undefined {
  const pending = readAnyPending(paths);
  return pending?.boot === bootId() ? pending : undefined;
}

/** Whether there is a change from before a reboot that no boot has undone. */
export function hasOutlivedPending(paths: Paths): boolean {
  const pending = readAnyPending(paths);
  return pending !== undefined && pending.boot !== bootId();
}

/** Whether a way back loaded its rules and could not put the files back, or was killed before. */
export function isGoingBack(paths: Paths): boolean {
  return existsSync(at(paths, 'pending', 'going'));
}

function readAnyPending(paths: Paths): Pending | undefined {
  const text = readIfThere(at(paths, 'pending', 'change.json'));
  const token = readIfThere(at(paths, 'pending', 'token'))?.trim();
  if (text === undefined || token === undefined) return undefined;
  // A change that an older version made knows no sessions.
  return { token, sessions: [], ...(JSON.parse(text) as Omit<Pending, 'token' | 'sessions'>) };
}

/** What names this boot, and no other (random(4), `boot_id`); a container that boots has its own. */
export function bootId(): string {
  return readIfThere('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}

/**
 * Makes the folder whole before it gets its name, so that no timer and no crash meets half of it. Nothing waits before
 * `renewPending` has put the token in: so that nothing ever waits without a timer, which is started in between.
 */
export function createPending(paths: Paths, pending: Pending, files: PendingFiles): void {
  makeFolders(paths);
  const folder = at(paths, 'pending.new');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
  const put = (name: string, text: string): void => writeFileAtomic(join(folder, name), text);
  try {
    put('rules.nft', files.rules);
    if (files.policy !== undefined) put('policy', files.policy);
    if (files.applied !== undefined) put('applied-policy', files.applied);
    if (files.boot !== undefined) put('boot.nft', files.boot);
    put('back.sh', files.script);
    put('change.json', changeText(pending));
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  // A folder without a token is what an interrupted removal left.
  rmSync(pendingFolder(paths), { recursive: true, force: true });
  renameSync(folder, pendingFolder(paths));
}

/** Lets a change wait for its timer, or for a new one; what it goes back to stays what it was. */
export function renewPending(paths: Paths, pending: Pending): void {
  writeFileAtomic(at(paths, 'pending', 'change.json'), changeText(pending));
  writeFileAtomic(at(paths, 'pending', 'token'), `${pending.token}\n`);
}

export function forgetPending(paths: Paths): void {
  // Without its token a timer finds nothing to do, even if the removal stops half way.
  rmSync(at(paths, 'pending', 'token'), { force: true });
  rmSync(pendingFolder(paths), { recursive: true, force: true });
}

function changeText({ token: _token, ...rest }: Pending): string {
  return `${JSON.stringify(rest)}\n`;
}

/** The last line of the way back's log, if it ever ran. */
export function lastWayBack(paths: Paths): string | undefined {
  return readIfThere(wayBackLog(paths))?.trimEnd().split('\n').at(-1) || undefined;
}

/** How the way back's log begins where somebody asked for it. */
export const ABORTED = 'a change was aborted';

/** The same, if nothing has been changed since and nobody asked for it. */
export function wayBackSinceChange(paths: Paths): string | undefined {
  const [applied, log] = [appliedPolicyFile(paths), wayBackLog(paths)].map((path) =>
    statSync(path, { throwIfNoEntry: false }),
  );
  if (log === undefined || (applied !== undefined && applied.mtimeMs > log.mtimeMs)) return undefined;
  const last = lastWayBack(paths);
  return last?.includes(ABORTED) ? undefined : last;
}

/** A name for a copy of a policy that no other has. */
export function newBackupName(paths: Paths, now: Date): string {
  const taken = new Set(backupNames(paths));
  const stamp = now.toISOString().replace(/[-:]|\.\d+/g, '');
  let name = `policy-${stamp}`;
  for (let again = 2; taken.has(name); again++) name = `policy-${stamp}-${again}`;
  return name;
}

/** Keeps a copy of a policy under this name and tells its path. Hold the lock. */
export function backUpPolicy(paths: Paths, text: string, name: string): string {
  const folder = at(paths, 'backups');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // What a killed command left of one, nobody else would write again.
  for (const torn of backupNames(paths).filter((each) => each.endsWith('.new')))
    rmSync(join(folder, torn), { force: true });
  writeFileAtomic(join(folder, name), text);
  return join(folder, name);
}

function backupNames(paths: Paths): string[] {
  const folder = at(paths, 'backups');
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** What `backUpPolicy` kept under this name; undefined: nothing. */
export function readBackup(paths: Paths, name: string): string | undefined {
  return name.includes('/') ? undefined : readIfThere(at(paths, 'backups', name));
}

export function makeFolders(paths: Paths): void {
  for (const folder of [paths.etc, paths.state, paths.run])
    mkdirSync(folder, { recursive: true, mode: 0o700 });
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
