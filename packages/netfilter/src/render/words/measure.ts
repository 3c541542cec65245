// Rates and amounts in words.
import type { Limit } from '../../model/statement.ts';
import { amount } from './list.ts';

/** `at most 6 a minute (10 at once)`. */
export function limitWords({ rate, per, burst, over, unit, burstUnit }: Limit): string {
  const what = unit === undefined ? amount(rate) : `${amount(rate)} ${unit}`;
  const most =
    burst === 0 ? '' : ` (${amount(burst)}${unit === undefined ? '' : ` ${burstUnit ?? 'bytes'}`} at once)`;
  return `${over ? 'more than' : 'at most'} ${what} ${/^[aeiou]|^hour/.test(per) ? 'an' : 'a'} ${per}${most}`;
}

/** Until so many bytes have passed, or after. */
export function quotaWords({ bytes, over }: { readonly bytes: number; readonly over: boolean }): string {
  return `${over ? 'after' : 'until'} ${amount(bytes)} bytes have passed`;
}
