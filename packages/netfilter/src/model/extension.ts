// iptables extensions that the rest of the model has no words for.

/** One option of a match or target as it was written: `! --seconds 60`. */
export interface XtOption {
  /** With the dashes, in its full spelling. */
  readonly name: string;
  readonly negated: boolean;
  readonly values: readonly string[];
}

/**
 * Why a condition cannot be told from the packet, its flow and the rules alone. `rate`: how much came before;
 * `memory`: which addresses came before; `chance`; `connections`: how many are open; `traffic`: what the flow
 * carried so far; `clock`; `content`: bytes beyond the headers that are modelled; `socket`: which program of
 * this host sends or listens; `ipsec`; `host`: other state of this host; `set contents`: a set that is not
 * part of the ruleset; `redacted`: somebody made the value unreadable in the dump.
 */
export type FreeReason =
  | 'rate'
  | 'memory'
  | 'chance'
  | 'connections'
  | 'traffic'
  | 'clock'
  | 'content'
  | 'socket'
  | 'ipsec'
  | 'host'
  | 'set contents'
  | 'redacted';

/** An iptables match of which may hold what wants: either outcome is possible for any packet. */
export interface FreeStatement {
  readonly kind: 'free';
  readonly reason: FreeReason;
  /** The extension's name: `recent`, `hashlimit`. */
  readonly extension: string;
  readonly options: readonly XtOption[];
}

/** An iptables match that always holds, or a target that decides nothing, with an effect that no rule can see. */
export interface XtEffect {
  readonly kind: 'effect';
  readonly extension: string;
  readonly options: readonly XtOption[];
}
