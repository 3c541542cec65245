// Sets and maps with a name.
import type { Expression } from './expression.ts';
import type { DataEntry, MapEntry } from './inline-set.ts';
import type { Statement } from './statement.ts';
import type { Value } from './value.ts';

/** What named sets and maps have in common. */
interface Declared {
  readonly name: string;
  /** nft's data types of the parts of a key: `ipv4_addr`, `inet_service`, `ifname`… Empty where `typeof` says it. */
  readonly type: readonly string[];
  /** The expression that a key is declared after, where nft lists that instead of types. */
  readonly typeOf?: Expression;
  readonly interval: boolean;
  readonly dynamic: boolean;
  /** Seconds that an element lives. */
  readonly timeout?: number;
  /** Elements have times of their own, or none: nft's flag `timeout` without a time for all. */
  readonly timeouts?: true;
  readonly size?: number;
  /** Run for each element that a packet finds: one that does not match makes the element not found. */
  readonly statements?: readonly Statement[];
  /** Seconds until each element goes, in the order of the elements. Absent: none goes by itself. */
  readonly expires?: readonly (number | undefined)[];
}

/** A named set. `elements` of a dynamic set are what packets or programs put there: run-time state, not rules. */
export interface NamedSet extends Declared {
  readonly elements: readonly Value[];
}

/** A named map to verdicts, or to data of the types `data` (or objects: `counter`, `limit`, `quota`…). */
export type NamedMap = Declared &
  (
    | { readonly kind: 'verdicts'; readonly entries: readonly MapEntry[] }
    | { readonly kind: 'data'; readonly data: readonly string[]; readonly entries: readonly DataEntry[] }
  );
