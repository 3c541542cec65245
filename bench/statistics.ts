// Statistics: what several measurements of one thing say together.

/** The middle of the measurements, and how far they lie apart. */
export type Summary = { readonly median: number; readonly min: number; readonly max: number };

/** Throws on an empty list. */
export function summary(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  const min = sorted[0];
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) throw new Error('expected at least one measurement, got none');
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)]!;
  return { median: sorted.length % 2 === 1 ? upper : (sorted[middle - 1]! + upper) / 2, min, max };
}

/**
 * How often `a` goes into what was measured beside it: the summary of a / b round by round, so that what slows a
 * whole round down falls out.
 */
export function ratio(a: readonly number[], b: readonly number[]): Summary {
  if (a.length !== b.length)
    throw new Error(`expected as many rounds of both, got ${a.length} and ${b.length}`);
  return summary(a.map((value, round) => value / b[round]!));
}

/** `0.97 (0.95–0.99)`. */
export function summaryText({ median, min, max }: Summary, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}
