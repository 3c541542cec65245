// Waiting: asking again and again until something is true, with a limit.

/** Asks every 25 ms until the answer is yes or `limitMs` is over; gives whether it was yes. */
export async function eventually(limitMs: number, ask: () => Promise<boolean>): Promise<boolean> {
  const until = performance.now() + limitMs;
  while (!(await ask())) {
    if (performance.now() > until) return false;
    await pause(25);
  }
  return true;
}

/** Resolves after so many milliseconds. */
export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
