// Whose network this process is in, and the guard that keeps development builds off a machine's real rules.
import { existsSync, readFileSync, readlinkSync } from 'node:fs';

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
 * real network. Where `/proc/1/ns/net` cannot be read (namespaces(7): it takes PTRACE_MODE_READ on PID 1)
 * the answer is yes, unless this process is in a user namespace of its own: there it has no power over
 * anybody else's network.
 */
export function isSystemNetwork(proc = '/proc'): boolean {
  const own = ownNetwork(proc);
  try {
    return readlinkSync(`${proc}/1/ns/net`) === own;
  } catch {
    return isIdentityMap(readFileSync(`${proc}/self/uid_map`, 'utf8'));
  }
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

/** user_namespaces(7): the initial user namespace maps all 2^32 - 1 ids to themselves, in one line. */
function isIdentityMap(text: string): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(text);
}
