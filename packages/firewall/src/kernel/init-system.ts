// Where systemd does not run: which init starts this machine, and its script of moat.
import { existsSync, rmSync } from 'node:fs';
import { writeFileAtomic } from './atomic-write.ts';
import { isSystemNetwork, systemdRuns } from './own-network.ts';
import { run } from './process.ts';
import type { SystemdResult } from './systemd.ts';

export type Init = 'openrc' | 'sysv';

export const INIT_SCRIPT = '/etc/init.d/moat';

/** The init that knows scripts in /etc/init.d, undefined where there is none, or where it starts another machine. */
export function initSystem(): Init | undefined {
  if (systemdRuns() || !isSystemNetwork() || !existsSync('/etc/init.d')) return undefined;
  if (existsSync('/run/openrc')) return 'openrc';
  return existsSync('/usr/sbin/update-rc.d') ? 'sysv' : undefined;
}

export function initScriptExists(): boolean {
  return existsSync(INIT_SCRIPT);
}

const ADD: Readonly<Record<Init, readonly string[]>> = {
  openrc: ['rc-update', 'add', 'moat', 'boot'],
  sysv: ['update-rc.d', 'moat', 'defaults'],
};
const REMOVE: Readonly<Record<Init, readonly string[]>> = {
  openrc: ['rc-update', 'del', 'moat', 'boot'],
  sysv: ['update-rc.d', '-f', 'moat', 'remove'],
};

/** Writes the script and lets it take part in the next boot. Throws what the system says to the file. */
export async function installInitScript(init: Init, text: string): Promise<SystemdResult> {
  writeFileAtomic(INIT_SCRIPT, text, 0o755);
  return finished(ADD[init]);
}

/** Takes it out of the boot and removes it; the rules stay as they are. */
export async function removeInitScript(init: Init): Promise<SystemdResult> {
  if (!initScriptExists()) return { kind: 'ok' };
  const removed = await finished(REMOVE[init]);
  if (removed.kind === 'ok') rmSync(INIT_SCRIPT, { force: true });
  return removed;
}

async function finished([program, ...args]: readonly string[]): Promise<SystemdResult> {
  const ran = await run(program!, args, { timeoutMs: 30_000 });
  if (ran.kind === 'missing') return { kind: 'failed', reason: `${program} is not installed` };
  if (ran.code === 0) return { kind: 'ok' };
  const reason = `${program} ${args.join(' ')}: ${ran.stderr.trim() || `exit code ${ran.code}`}`;
  return { kind: 'failed', reason };
}
