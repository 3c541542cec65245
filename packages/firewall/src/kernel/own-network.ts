// Whose network this process is in, and the guard that keeps development builds off a machine's real rules.
import { existsSync, readFileSync, readlinkSync, statSync } from 'node:fs';

/** Set by the bundler: true in a release, absent when the sources run as they are. */
declare const __MOAT_RELEASE__: boolean | undefined;

/** Whether this is a release build. Everything else is a development build. */
export const RELEASE: boolean = typeof __MOAT_RELEASE__ !== 'undefined' && __MOAT_RELEASE__;

/** The network namespace of this process, as the kernel names it: `net:[4026531840]`. */
export function ownNetwork(proc = '/proc'): string {
  return readlinkSync(`${proc}/self/ns/net`);
}

/**
 * Whether this process is in the network namespace of PID 1, that is, in the machine's (or its container's)
 * real network. `/proc/1/ns/net` tells, but even root may not read it (namespaces(7): it takes
 * PTRACE_MODE_READ on PID 1). Then the inode of `/proc/PID/net/dev` does: proc(5) keeps one for each network
 * namespace, for everybody to stat. Where that is hidden as well the answer is yes, unless this process is in
 * a user namespace of its own, which has no power over anybody else's network.
 */
export function isSystemNetwork(proc = '/proc'): boolean {
  const own = ownNetwork(proc);
  try {
    return readlinkSync(`${proc}/1/ns/net`) === own;
  } catch {
    return sharesNetTree(proc) ?? isIdentityMap(readFileSync(`${proc}/self/uid_map`, 'utf8'));
  }
}

function sharesNetTree(proc: string): boolean | undefined {
  try {
    return statSync(`${proc}/1/net/dev`).ino === statSync(`${proc}/self/net/dev`).ino;
  } catch {
    return undefined;
  }
}

/** user_namespaces(7): the initial user namespace maps all 2^32 - 1 ids to themselves, in one line. */
function isIdentityMap(text: string): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(text);
}

/**
 * Whether rule changes are refused: in a build that is not a release, in the system's network. Must be asked
 * in the process that runs nft, right before it does.
 */
export function refusesRuleChanges(release: boolean, proc = '/proc'): boolean {
  return !release && isSystemNetwork(proc);
}

/** Whether systemd is the running init system (sd_booted(3)). */
export function systemdRuns(run = '/run'): boolean {
  return existsSync(`${run}/systemd/system`);
}
