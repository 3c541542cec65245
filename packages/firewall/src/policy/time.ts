// Lengths of time and moments as people write them: `2h`, `1d12h`, `2026-12-31T18:00`.

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** What is expected where a length of time stands. */
export const EXPECTED_DURATION = 'a time such as 90s, 30m, 2h, 1d12h or 4w, from 1s to 10 years';
export const EXPECTED_MOMENT = 'a date and time such as 2026-12-31T18:00, 2026-12-31T18:00:00Z or 2026-12-31';

/** The kernel keeps longer times, but nobody means them. */
const LONGEST = 10 * 365 * 86_400;

/** `1h30m` → seconds; undefined for anything else, nought and more than ten years among it. */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:[0-9]{1,9}[smhdw])+$/.test(text)) return undefined;
  let seconds = 0;
  for (const [, count, unit] of text.matchAll(/([0-9]+)([smhdw])/g)) seconds += Number(count) * UNITS[unit!]!;
  return seconds > 0 && seconds <= LONGEST ? seconds : undefined;
}

/** The two largest units of a length: `2h`, `1d12h`, `59m3s`. */
export function formatDuration(seconds: number): string {
  let rest = seconds;
  const parts = [
    ...(['d', 'h', 'm', 's'] as const).map((unit) => {
      const count = Math.floor(rest / UNITS[unit]!);
      rest -= count * UNITS[unit]!;
      return count === 0 ? '' : `${count}${unit}`;
    }),
  ];
  const first = parts.findIndex((part) => part !== '');
  return first < 0 ? '0s' : parts.slice(first, first + 2).join('');
}

/**
 * A moment as seconds since 1970; undefined for anything else. Without a zone it is in this machine's own (`Z` or
 * `+02:00` say another); a date alone is the end of that day.
 */
export function parseMoment(text: string): number | undefined {
  const [, year, month, day, time, zone] =
    /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}:\d{2}(?::\d{2})?)(Z|[+-]\d{2}:\d{2})?)?$/i.exec(text) ?? [];
  if (year === undefined || month === undefined || day === undefined) return undefined;
  const days = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  if (Number(month) < 1 || Number(month) > 12 || Number(day) < 1 || Number(day) > days) return undefined;
  const at =
    time === undefined
      ? new Date(Number(year), Number(month) - 1, Number(day) + 1).getTime()
      : Date.parse(`${year}-${month}-${day}T${time}${zone?.toUpperCase() ?? ''}`);
  return Number.isNaN(at) || at < 0 ? undefined : Math.floor(at / 1000);
}

/** The same moment for everybody: `2026-12-31T17:00:00Z`, without seconds where there are none. */
export function formatMoment(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/(:00)?\.000Z$/, 'Z');
}
