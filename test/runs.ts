// How often properties are tried: a fifth of what they were made for, and all of it with MOAT_LONG=1.

/** Of `long` times those that are tried now. */
export function runs(long: number): number {
  return process.env['MOAT_LONG'] === '1' ? long : Math.ceil(long / 5);
}
