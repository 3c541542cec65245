// Work that is asked for again and again, of which one run at a time is enough.

export interface Asked {
  /** Asks for a run in `ms` milliseconds, or earlier where an earlier one is asked for. */
  (ms?: number): void;
  /** Runs now, and resolves when that run has ended. */
  run(): Promise<void>;
  /** No run begins any more; resolves when the one that runs has ended. */
  stop(): Promise<void>;
}

/** Runs `work` when it is asked for. What is asked while it runs makes it run once more afterwards. */
export function oneAtATime(work: () => Promise<void>, onError: (error: Error) => void): Asked {
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  /** By `performance.now()`, when the next run is due. */
  let due = Number.POSITIVE_INFINITY;
  let stopped = false;
  const begin = (): void => {
    due = Number.POSITIVE_INFINITY;
    running = Promise.resolve()
      .then(work)
      .catch(onError)
      .finally(() => {
        running = undefined;
        arm();
      });
  };
  const arm = (): void => {
    clearTimeout(timer);
    if (stopped || running !== undefined || due === Number.POSITIVE_INFINITY) return;
    timer = setTimeout(begin, Math.max(0, due - performance.now()));
  };
  const ask = (ms = 0): void => {
    due = Math.min(due, performance.now() + ms);
    arm();
  };
  return Object.assign(ask, {
    run: async () => {
      if (running !== undefined) await running;
      clearTimeout(timer);
      begin();
      await running;
    },
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  });
}
