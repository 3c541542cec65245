// Where a rule was found.

/** `iptables`: a dump that does not say which of the two it is from. */
export type Source = 'nft' | 'iptables-nft' | 'iptables-legacy' | 'iptables';

/** The place of a rule and how it was written there. */
export interface Origin {
  readonly source: Source;
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** The kernel's number, in nft's listings. */
  readonly handle?: number;
  /** Line in an iptables-save text, counted from 1. */
  readonly line?: number;
  /** The line of iptables-save, or the rule's object in nft's JSON. */
  readonly raw: unknown;
}
