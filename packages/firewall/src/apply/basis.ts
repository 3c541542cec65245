// What a plan was made from, as one short text: the policy file and the loaded rules.
import { createHash } from 'node:crypto';
import { canonicalLines, type Table } from '@moat/netfilter';

/**
 * Equal for equal states, different for others: twelve hex digits of a SHA-256. Counters and what packets put into
 * sets do not count.
 *
 * @param policy the policy file; undefined: there is none
 * @param table the loaded table; undefined: there is none
 */
export function basisOf(policy: string | undefined, table: Table | undefined): string {
  const hash = createHash('sha256').update(JSON.stringify(policy ?? null));
  hash.update(JSON.stringify(table === undefined ? null : [...canonicalLines(table)]));
  return hash.digest('hex').slice(0, 12);
}
