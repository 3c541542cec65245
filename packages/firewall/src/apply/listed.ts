// Our table as the kernel has it now.
import { readNftJson, type Table } from '@moat/netfilter';
import { TABLE } from '../compile/table.ts';
import { nftListTable } from '../kernel/nft.ts';

/** undefined: there is no table `inet moat`. Rejects when nft cannot be asked. */
export async function listTable(): Promise<Table | undefined> {
  const json = await nftListTable();
  if (json === undefined) return undefined;
  return readNftJson(json).tables.find(({ family, name }) => family === TABLE.family && name === TABLE.name);
}
