// nft text that brings back the rules of a moment.
import { renderRemoval, renderReplacement, type Table } from '@moat/netfilter';
import { TABLE } from '../compile/table.ts';
import { nftListText } from '../kernel/nft.ts';

/**
 * The text for a listed table; for undefined, the removal of ours. What packets put into dynamic sets is left
 * out. A table that holds something we do not understand is brought back in nft's own words.
 */
export async function restoration(table: Table | undefined): Promise<string> {
  if (table === undefined) return renderRemoval(TABLE);
  try {
    return renderReplacement({
      ...table,
      sets: table.sets.map((set) => (set.dynamic ? { ...set, elements: [] } : set)),
    });
  } catch {
    return `${renderRemoval(TABLE)}${(await nftListText()) ?? ''}`;
  }
}
