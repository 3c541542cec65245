// The entries of a map to verdicts, written out or by its name.
import type { MapEntry, VerdictMap } from '../model/inline-set.ts';
import type { Table } from '../model/ruleset.ts';

/** undefined: there is no such map, or not one to verdicts. */
export function verdictEntries(table: Table, map: VerdictMap): readonly MapEntry[] | undefined {
  if (map.kind === 'entries') return map.entries;
  const named = table.maps?.find(({ name }) => name === map.name);
  return named?.kind === 'verdicts' ? named.entries : undefined;
}
