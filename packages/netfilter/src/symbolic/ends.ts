// What comes after a chain, by how it ends.
import type { Decision } from '../space/packet-space.ts';

/** What comes after a chain, by how it ends. */
export interface Ends {
  readonly accept: Decision;
  /** It returned, or came to its end. */
  readonly fall: Decision;
  /** An address was rewritten: the other chains of NAT at this hook are passed by. Absent outside of NAT. */
  readonly mapped?: Mapped;
}

/** What comes after a rewritten address, by where the packet goes now. */
export interface Mapped {
  readonly elsewhere: Decision;
  /** `redirect`: to this host. */
  readonly here: Decision;
}
