// What a plan was made from, as one short text: the policy file and the loaded rules.
import { createHash } from 'node:crypto';
import { canonicalLines, type Table } from '@moat/netfilter';
import { isNamesSet } from '../compile/group.ts';

/**
 * Equal for equal states, different for others: twelve hex digits of a SHA-256. Counters, what packets put into sets,
 * and what names are answered with do not count.
 *
 * @param policy the policy file; undefined: there is none
 * @param table the loaded table; undefined: there is none
 */
export function basisOf(policy: string | undefined, table: Table | undefined): string {
  const hash = createHash('sha256').update(JSON.stringify(policy ?? null));
  const lines =
    table === undefined ? null : [...canonicalLines(table)].filter(([object]) => !isOfNames(object));
  hash.update(JSON.stringify(lines));
  return hash.digest('hex').slice(0, 12);
}

function isOfNames(object: string): boolean {
  return object.startsWith('set ') && isNamesSet(object.slice('set '.length));
}
