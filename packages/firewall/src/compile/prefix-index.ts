// Finds among many entries those whose network overlaps a given one, without looking at all of them.
import { bitsOf, type Prefix } from '@moat/netfilter';

/** Entries by network. Two networks overlap only if one holds the other, which makes look-ups by length exact. */
export interface PrefixIndex<T> {
  add(prefix: Prefix, entry: T): void;
  overlapping(prefix: Prefix): Iterable<T>;
}

export function prefixIndex<T>(): PrefixIndex<T> {
  const byLength = new Map<number, Map<bigint, T[]>>();
  return {
    add(prefix, entry) {
      const bucket = byLength.get(prefix.length) ?? new Map<bigint, T[]>();
      byLength.set(prefix.length, bucket);
      const entries = bucket.get(prefix.value);
      if (entries === undefined) bucket.set(prefix.value, [entry]);
      else entries.push(entry);
    },
    *overlapping(prefix) {
      for (const [length, bucket] of byLength) {
        if (length <= prefix.length) yield* bucket.get(cut(prefix, length)) ?? [];
        else {
          for (const [value, entries] of bucket) {
            if (cut({ ...prefix, value }, prefix.length) === prefix.value) yield* entries;
          }
        }
      }
    },
  };
}

function cut(prefix: Prefix, length: number): bigint {
  const hostBits = BigInt(bitsOf(prefix.family) - length);
  return (prefix.value >> hostBits) << hostBits;
}
