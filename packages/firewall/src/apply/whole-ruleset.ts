// The rules of everybody with other rules of moat's.
import type { Ruleset, Table } from '@moat/netfilter';
import { TABLE } from '../compile/table.ts';

/** The ruleset with this table in the place of moat's; undefined: without one. */
export function withTable(ruleset: Ruleset, table: Table | undefined): Ruleset {
  const others = ruleset.tables.filter(
    ({ family, name, source = 'nft' }) => family !== TABLE.family || name !== TABLE.name || source !== 'nft',
  );
  return { ...ruleset, tables: table === undefined ? others : [...others, table] };
}
