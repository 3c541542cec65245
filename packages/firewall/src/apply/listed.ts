// Our table as the kernel has it now.
import { readNftJson, type Table } from '@moat/netfilter';
import { TABLE } from '../compile/table.ts';
import { nftListTable } from '../kernel/nft.ts';

/** undefined: there is no table `inet moat`. Rejects when nft cannot be asked. */
export async function listTable(): Promise<Table | undefined> {
  const json = await nftListTable();
  if (json === undefined) return undefined;
  const table = readNftJson(json).tables.find(
    ({ family, name }) => family === TABLE.family && name === TABLE.name,
  );
  return table !== undefined && hasFlags(json) ? { ...table, dormant: true } : table;
}

/**
 * No table of ours has a flag, and the one that somebody would give it is `dormant`. nft 1.0.6 prints the table's name in
 * the place of each flag.
 */
function hasFlags(json: unknown): boolean {
  const { nftables } = json as { readonly nftables: readonly { readonly table?: { flags?: unknown } }[] };
  return nftables.some(({ table }) => table?.flags !== undefined);
}
