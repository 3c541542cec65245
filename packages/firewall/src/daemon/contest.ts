// Somebody who changes our table again and again: it is repaired each time, a little later each time, and told together.

/** More repairs than that within `WINDOW_MS` are a contest. */
const MOST = 5;
const WINDOW_MS = 10_000;
/** How long it stays as the other one made it, at most, besides the repair itself. */
const LONGEST_PAUSE_MS = 400;
const STEP_MS = 100;

/** Each repair by itself, nothing, or how many there were in the last seconds. */
export type Told = 'each' | 'nothing' | { readonly times: number; readonly seconds: number };

export interface Contest {
  /** Notes a repair; `now` by `performance.now()`. */
  repaired(now: number): void;
  /** How long to wait before the next one. */
  pause(now: number): number;
  /** What to tell now. */
  told(now: number): Told;
}

export function newContest(): Contest {
  let recent: number[] = [];
  let lastTold = Number.NEGATIVE_INFINITY;
  const keep = (now: number): void => {
    recent = recent.filter((at) => now - at < WINDOW_MS);
  };
  return {
    repaired(now) {
      keep(now);
      recent.push(now);
    },
    pause(now) {
      keep(now);
      return Math.min(LONGEST_PAUSE_MS, Math.max(0, recent.length - MOST) * STEP_MS);
    },
    told(now) {
      keep(now);
      if (recent.length <= MOST) return 'each';
      if (now - lastTold < WINDOW_MS) return 'nothing';
      lastTold = now;
      return { times: recent.length, seconds: Math.ceil((now - recent[0]!) / 1000) };
    },
  };
}
