// Interval: a median of medians, and how far it could be off, by drawing the launches and their rounds again.

const DRAWS = 2000;
const TAIL = 0.025;

/** The middle one of the values; of an even number the mean of the two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/**
 * The median over the launches of the median over their rounds, between the ends of its 95 % bootstrap interval.
 *
 * @param launches for each launch the ratios of its rounds
 */
export function interval(
  launches: readonly (readonly number[])[],
): [low: number, middle: number, high: number] {
  const middle = (of: readonly (readonly number[])[]) => median(of.map(median));
  const draws = Array.from({ length: DRAWS }, () => middle(drawn(launches).map(drawn))).sort((a, b) => a - b);
  return [draws[Math.floor(DRAWS * TAIL)]!, middle(launches), draws[Math.ceil(DRAWS * (1 - TAIL)) - 1]!];
}

function drawn<T>(values: readonly T[]): T[] {
  return values.map(() => values[Math.floor(Math.random() * values.length)]!);
}
