// What is being worked on, on a terminal, when it takes long.
import { type Progress, watchProgress } from '@moat/netfilter';

/** Milliseconds before anything is shown, and between two lines. */
const PATIENCE = 1000;
const PAUSE = 200;

/** Erases the line that the cursor is in. */
const ERASE = '\r\u001b[K';

let isShown = false;

/**
 * From now on long work tells on stderr how far it is. It stays in the main thread: a worker would cost short commands
 * its start and a copy of the rules, and Ctrl-C ends the process from within a computation as well, since nobody
 * handles it.
 */
export function showProgress({ json }: { readonly json: boolean }): void {
  if (json || !process.stderr.isTTY) return;
  const begun = performance.now();
  let last = begun + PATIENCE - PAUSE;
  watchProgress((progress) => {
    const now = performance.now();
    if (now - last < PAUSE) return;
    last = now;
    isShown = true;
    process.stderr.write(`${ERASE}${progressText(progress, now - begun)}`);
  });
}

/** Takes the line away, before something else is written. */
export function endProgress(): void {
  watchProgress(undefined);
  if (isShown) process.stderr.write(ERASE);
  isShown = false;
}

/** `IPv6: 340,000 nodes of packet sets … 2.1 s`; from the second order of variables on with its number. */
export function progressText({ family, attempt, attempts, nodes }: Progress, milliseconds: number): string {
  const again = attempt === 1 ? '' : ` (attempt ${attempt} of ${attempts})`;
  const name = family === 'ipv4' ? 'IPv4' : 'IPv6';
  const seconds = (milliseconds / 1000).toFixed(1);
  return `${name}: ${nodes.toLocaleString('en')} nodes of packet sets${again} … ${seconds} s`;
}
