// Finds among many entries those whose network overlaps a given one, without looking at all of them.
import { bitsOf, type Prefix } from '@moat/netfilter';

/** Entries by network. Two networks overlap only if one holds the other, which makes look-ups by length exact. */
export interface PrefixIndex<T> {
  add(prefix: Prefix, entry: T): void;
  overlapping(prefix: Prefix): Iterable<T>;
}

type Buckets<T> = Map<bigint, { readonly prefix: Prefix; readonly entry: T }[]>;

/** All prefixes have to be of one family. */
export function prefixIndex<T>(): PrefixIndex<T> {
  /** By length: the entries of just this length, by their network. */
  const equal = new Map<number, Buckets<T>>();
  /** By length: the entries of longer prefixes, by the network of this length that holds them. Made when asked for. */
  const longer = new Map<number, Buckets<T>>();
  return {
    add(prefix, entry) {
      const buckets = equal.get(prefix.length) ?? new Map();
      equal.set(prefix.length, buckets);
      put(buckets, prefix.length, prefix, entry);
      for (const [length, inside] of longer) {
        if (length < prefix.length) put(inside, length, prefix, entry);
      }
    },
    *overlapping(prefix) {
      for (const [length, buckets] of equal) {
        if (length <= prefix.length) yield* entriesOf(buckets, head(prefix, length));
      }
      let inside = longer.get(prefix.length);
      if (inside === undefined) {
        inside = new Map();
        longer.set(prefix.length, inside);
        for (const [length, buckets] of equal) {
          if (length <= prefix.length) continue;
          for (const bucket of buckets.values()) {
            for (const { prefix: held, entry } of bucket) put(inside, prefix.length, held, entry);
          }
        }
      }
      yield* entriesOf(inside, head(prefix, prefix.length));
    },
  };
}

function put<T>(buckets: Buckets<T>, length: number, prefix: Prefix, entry: T): void {
  const key = head(prefix, length);
  const bucket = buckets.get(key);
  if (bucket === undefined) buckets.set(key, [{ prefix, entry }]);
  else bucket.push({ prefix, entry });
}

function* entriesOf<T>(buckets: Buckets<T>, key: bigint): Iterable<T> {
  for (const { entry } of buckets.get(key) ?? []) yield entry;
}

/** The first `length` bits. */
function head(prefix: Prefix, length: number): bigint {
  return prefix.value >> BigInt(bitsOf(prefix.family) - length);
}
