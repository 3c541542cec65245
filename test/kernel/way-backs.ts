// The shells that wait to undo a change; a test that leaves one behind has to end it.
import { readdirSync, readFileSync } from 'node:fs';

/** What a process was started with; '' when it has ended. */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** Ends those of the moat with this root, each with its `sleep`: it leads a process group of its own. */
export function endWayBacks(root: string): void {
  for (const pid of readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)) {
    const line = commandLine(pid);
    if (line.startsWith('sh\0') && line.includes(`${root}/var/lib/moat/pending/back.sh`))
      process.kill(-pid, 'SIGKILL');
  }
}
