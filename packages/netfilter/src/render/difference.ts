// Does one table say what the other says? If not, where.
import type { Table } from '../model/ruleset.ts';
import { canonicalLines } from './canonical.ts';

export interface TableDifference {
  /** `chain incoming`, `set group_blog_v4`. */
  readonly object: string;
  readonly wanted: readonly string[];
  readonly found: readonly string[];
}

/** The sets and chains in which `found` does not say what `wanted` says; empty when they mean the same. */
export function tableDifferences(wanted: Table, found: Table): TableDifference[] {
  const a = canonicalLines(wanted);
  const b = canonicalLines(found);
  const objects = [...new Set([...a.keys(), ...b.keys()])].sort();
  return objects.flatMap((object) => {
    const left = a.get(object) ?? [];
    const right = b.get(object) ?? [];
    const same = left.length === right.length && left.every((line, i) => line === right[i]);
    if (same) return [];
    return [
      {
        object,
        wanted: left.filter((line) => !right.includes(line)),
        found: right.filter((line) => !left.includes(line)),
      },
    ];
  });
}
