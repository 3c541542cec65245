// Starting a shell script that belongs to nobody's session and lives on without us.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { toolPath } from './process.ts';

/**
 * Starts `sh SCRIPT ARGS…` in a session of its own (setsid(2)), without a terminal, deaf to SIGHUP, in `/`,
 * with what it prints appended to `log` (made with mode 0600). It survives this process and the end of its
 * login, except where systemd-logind kills the processes of a login that ends (KillUserProcesses=yes): where
 * systemd runs, use a timer of its. Gives the pid; throws when `log` cannot be opened or there is no `sh`.
 */
export function startDetachedShell(script: string, args: readonly string[], log: string): number {
  const fd = openSync(log, 'a', 0o600);
  try {
    // An ignored signal stays ignored through exec (signal(7)).
    const child = spawn('sh', ['-c', 'trap "" HUP; exec sh "$0" "$@"', script, ...args], {
      cwd: '/',
      detached: true,
      env: { PATH: toolPath(), LC_ALL: 'C' },
      stdio: ['ignore', fd, fd],
    });
    if (child.pid === undefined) {
      child.on('error', () => {});
      throw new Error('sh could not be started');
    }
    child.unref();
    return child.pid;
  } finally {
    closeSync(fd);
  }
}

/** Whether the shell that was started last with this pid has come to its script; false: it died before. */
export async function hasBegun(pid: number, script: string): Promise<boolean> {
  for (let tries = 0; tries < 2000; tries++) {
    if (procText(pid, 'cmdline').split('\0')[1] === script) return true;
    // In the middle of execve(2) a living process shows no words either; a dead one is a zombie (proc(5)) or gone.
    if (!/\) [^ZX]/.test(procText(pid, 'stat'))) return false;
    await pause(5);
  }
  return false;
}

function procText(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}
