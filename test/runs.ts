// How long properties are tried: a fifth of the full number each time, all of it with MOAT_LONG=1.

/** How often to run a property whose full number of cases is `full`; also for what is to be found in them at least. */
export function runs(full: number): number {
  return process.env['MOAT_LONG'] === '1' ? full : Math.ceil(full / 5);
}
