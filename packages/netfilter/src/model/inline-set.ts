// Sets and maps as rules mention them: written out, or by the name of one of the table.
import type { Value } from './value.ts';
import type { Verdict } from './verdict.ts';

/** `elements` in a rule (anonymous), or the name of a set of the table. */
export type SetSource =
  | { readonly kind: 'elements'; readonly elements: readonly Value[] }
  | { readonly kind: 'named'; readonly name: string };

export interface MapEntry {
  readonly key: Value;
  readonly verdict: Verdict;
}

export type VerdictMap =
  | { readonly kind: 'entries'; readonly entries: readonly MapEntry[] }
  | { readonly kind: 'named'; readonly name: string };

/** `data` is an address, a number, a name of an object of the table, or a concatenation of such. */
export interface DataEntry {
  readonly key: Value;
  readonly data: Value;
}

export type DataMap =
  | { readonly kind: 'entries'; readonly entries: readonly DataEntry[] }
  | { readonly kind: 'named'; readonly name: string };
