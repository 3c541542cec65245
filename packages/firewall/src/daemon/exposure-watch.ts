// What can be reached, looked at again after anything that may have changed it, by a process of its own.
import { readExposures, writeExposures } from '../kernel/exposure-file.ts';
import { askOwnCommand } from '../kernel/own-command.ts';
import type { Paths } from '../kernel/paths.ts';
import { readSockets } from '../kernel/sockets.ts';
import type { DaemonEvent } from '../report/daemon-event.ts';
import { type ExposureRows, exposureChanges } from '../report/exposure-change.ts';
import { oneAtATime } from './one-at-a-time.ts';

export interface ExposureWatch {
  /** Something changed that may decide on what can be reached. */
  noticed(): void;
  stop(): Promise<void>;
}

/** Changes come together: a container's start is a dozen transactions. */
const SETTLES_MS = 1000;
/** Audits take at most a fifth of the time of one core, and only what nobody else wants of it. */
const REST = 4;
/** No event tells of sockets that listen. */
const SOCKETS_MS = 2000;
const SOCKETS_REST = 50;

/** Begins with what an earlier daemon of this boot saw last, if there was one. */
export function watchExposures(paths: Paths, tell: (event: DaemonEvent) => void): ExposureWatch {
  let before = readExposures(paths) as ExposureRows | undefined;
  let complaint: string | undefined;
  let restUntil = 0;
  let timer: NodeJS.Timeout | undefined;
  let sockets = '';
  const ending = new AbortController();

  async function look(): Promise<void> {
    const begun = performance.now();
    const words = ['audit', ...(paths.root === '' ? [] : ['--root', paths.root])];
    const answer = await askOwnCommand(words, ending.signal);
    if (ending.signal.aborted) return;
    restUntil = performance.now() + (performance.now() - begun) * REST;
    if (!answer.ok) {
      const message = `what can be reached is not known: ${answer.why}`;
      if (message !== complaint) tell({ event: 'problem', message });
      complaint = message;
      return;
    }
    complaint = undefined;
    const { exposures, direct } = answer.json as ExposureRows;
    const after = { exposures, direct };
    for (const change of before === undefined ? [] : exposureChanges(before, after)) {
      tell({ event: 'exposure', ...change });
    }
    before = after;
    writeExposures(paths, after);
  }

  const ask = oneAtATime(look, (error) => tell({ event: 'problem', message: error.message }));
  const noticed = (): void => ask(Math.max(SETTLES_MS, restUntil - performance.now()));

  function lookAtSockets(): void {
    const begun = performance.now();
    const now = listening();
    if (now !== sockets) noticed();
    sockets = now;
    timer = setTimeout(lookAtSockets, Math.max(SOCKETS_MS, (performance.now() - begun) * SOCKETS_REST));
  }

  lookAtSockets();
  return {
    noticed,
    stop: async () => {
      clearTimeout(timer);
      ending.abort();
      await ask.stop();
    },
  };
}

/** What takes from anybody, as one text. */
function listening(): string {
  try {
    const open = readSockets().filter(({ kind }) => kind === 'open');
    return JSON.stringify(
      open.map(({ protocol, local, uid }) => [protocol, String(local.address.value), local.port, uid]).sort(),
    );
  } catch (error) {
    return (error as Error).message;
  }
}
