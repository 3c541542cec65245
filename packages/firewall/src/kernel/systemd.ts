// The few things asked of systemd, each refused where systemd or its network is not ours.
import { existsSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { writeFileAtomic } from './atomic-write.ts';
import { isSystemNetwork, systemdRuns } from './own-network.ts';
import { run } from './process.ts';

/** `reason` says in words why nothing, or not everything, was done. */
export type SystemdResult = { readonly kind: 'ok' } | { readonly kind: 'failed'; readonly reason: string };

/** Why systemd must be left alone here, in words; undefined when it can be used. */
export function systemdRefusal(): string | undefined {
  if (!systemdRuns()) return 'systemd does not run on this machine';
  // Its units would act on the machine's network, not on the one that this process sees.
  if (!isSystemNetwork()) return 'this process is not in the network namespace of systemd';
  return undefined;
}

/** Writes a unit file (mode 0644), lets systemd read it, and enables it: it takes part in the next boot. */
export function installUnit(path: string, text: string): Promise<SystemdResult> {
  return guarded(async () => {
    writeFileAtomic(path, text, 0o644);
    return systemctl(['daemon-reload'], ['enable', basename(path)]);
  });
}

/** Whether its file is there. */
export function unitExists(path: string): boolean {
  return existsSync(path);
}

/** Disables a unit and removes its file. What it has done stays as it is; it is not stopped. */
export function removeUnit(path: string): Promise<SystemdResult> {
  return guarded(async () => {
    const disabled = await systemctl(['disable', basename(path)]);
    if (disabled.kind === 'failed') return disabled;
    rmSync(path, { force: true });
    return systemctl(['daemon-reload']);
  });
}

/** What failed at boot is mended: `systemctl --failed` need not tell of it any more. */
export function clearFailure(unit: string): Promise<SystemdResult> {
  return guarded(() => systemctl(['reset-failed', unit]));
}

/**
 * Runs a command once, as root, `seconds` from now, by `systemd-run --on-active`: it belongs to systemd and
 * outlives this process and its session. `name` is without the ending; `NAME.timer` and `NAME.service` must
 * not exist.
 */
export function startTimer(
  name: string,
  seconds: number,
  command: readonly string[],
): Promise<SystemdResult> {
  return guarded(() =>
    finished('systemd-run', [
      `--unit=${name}`,
      `--on-active=${seconds}s`,
      // The default, a minute, is how late a timer may fire to spare the battery.
      '--timer-property=AccuracySec=100ms',
      '--collect',
      '--',
      ...command,
    ]),
  );
}

/** Starts a command as a service, as root: it belongs to systemd and outlives this process and its session. */
export function startService(name: string, command: readonly string[]): Promise<SystemdResult> {
  return guarded(() => finished('systemd-run', [`--unit=${name}`, '--collect', '--', ...command]));
}

/** Ends such a service; that there is none (any more) is a failure. */
export function stopService(name: string): Promise<SystemdResult> {
  return guarded(() => systemctl(['stop', `${name}.service`]));
}

/** Takes such a timer back; when the command has already begun, that fails and the command goes on. */
export function stopTimer(name: string): Promise<SystemdResult> {
  return guarded(() => systemctl(['stop', `${name}.timer`]));
}

async function guarded(work: () => Promise<SystemdResult>): Promise<SystemdResult> {
  const reason = systemdRefusal();
  return reason === undefined ? work() : { kind: 'failed', reason };
}

async function systemctl(...commands: readonly (readonly string[])[]): Promise<SystemdResult> {
  for (const command of commands) {
    const result = await finished('systemctl', command);
    if (result.kind === 'failed') return result;
  }
  return { kind: 'ok' };
}

async function finished(program: string, args: readonly string[]): Promise<SystemdResult> {
  const ran = await run(program, args, { timeoutMs: 30_000 });
  if (ran.kind === 'missing') return { kind: 'failed', reason: `${program} is not installed` };
  if (ran.code === 0) return { kind: 'ok' };
  const why = ran.timedOut ? 'no answer within 30 s' : ran.stderr.trim() || `exit code ${ran.code}`;
  return { kind: 'failed', reason: `${program} ${args.join(' ')}: ${why}` };
}
