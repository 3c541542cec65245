// nft text that brings back the rules of a moment.
import { type NamedSet, renderRemoval, renderReplacement, type Table } from '@moat/netfilter';
import { TABLE } from '../compile/table.ts';
import { nftListText } from '../kernel/nft.ts';
import { emptied, storedRules } from './run-time.ts';

/**
 * The text for a listed table; for undefined, the removal of ours. What packets put into dynamic sets is left
 * out. A table that holds something we do not understand is brought back in nft's own words.
 *
 * @param when `now`: what programs put into sets, such as bans, comes back with the time that it has left; `later`: it
 * is left out
 */
export async function restoration(table: Table | undefined, when: 'now' | 'later'): Promise<string> {
  if (table === undefined) return renderRemoval(TABLE);
  try {
    if (when === 'later') return storedRules(table);
    const kept = (set: NamedSet): NamedSet => (set.timeouts ? set : emptied(set));
    return renderReplacement({ ...table, sets: table.sets.map(kept) });
  } catch {
    return `${renderRemoval(TABLE)}${(await nftListText()) ?? ''}`;
  }
}
