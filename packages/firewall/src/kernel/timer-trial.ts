// Whether a timer of systemd fires, and finds the programs that the way back needs.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startTimer, stopTimer, systemdRefusal } from './systemd.ts';

const PATIENCE_MS = 5000;

/**
 * Sets one that makes a file of ours and nothing else, and waits for it. In words, why it does not work; undefined: it does,
 * or systemd would not be asked to keep the time.
 */
export async function timerRefusal(run = '/run'): Promise<string | undefined> {
  if (systemdRefusal() !== undefined) return undefined;
  const folder = mkdtempSync(join(run, 'moat-timer-'));
  const file = join(folder, 'fired');
  const name = `moat-self-test-${randomBytes(8).toString('hex')}`;
  try {
    const script = `command -v nft && command -v flock && : >${file}`;
    const started = await startTimer(name, 0, ['/bin/sh', '-c', script]);
    if (started.kind === 'failed') return started.reason;
    const end = performance.now() + PATIENCE_MS;
    while (!existsSync(file)) {
      if (performance.now() > end) {
        await stopTimer(name);
        return `a timer for now did not fire within ${PATIENCE_MS / 1000} s, or did not find nft and flock`;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
