// Random: the same sequence for the same seed, so that a failing case can be made again.

/** A source of chance. */
export type Random = {
  /** A whole number from 0 to `below - 1`. */
  int(below: number): number;
  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** `count` of the list, none twice, in its order; all of it where it is shorter. */
  some<T>(from: readonly T[], count: number): T[];
};

/** mulberry32, a 32-bit generator that passes the usual tests. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const int = (below: number): number => Math.floor(next() * below);
  return {
    int,
    chance: (percent) => next() * 100 < percent,
    pick: (from) => {
      if (from.length === 0) throw new Error('nothing to pick from');
      return from[int(from.length)]!;
    },
    some: (from, count) => {
      let needed = Math.min(count, from.length);
      return from.filter((_, i) => {
        const taken = next() * (from.length - i) < needed;
        if (taken) needed -= 1;
        return taken;
      });
    },
  };
}
