// Asking DNS for the addresses of a name, by the servers of /etc/resolv.conf, within a time.
import { Resolver } from 'node:dns/promises';
import { type Address, parseAddress } from '@moat/netfilter';

/** What the servers said about one family. */
export type FamilyAnswer =
  /** `ttl`: seconds that the answer holds, the least of them. */
  | { readonly kind: 'addresses'; readonly addresses: readonly Address[]; readonly ttl: number }
  /** The name has none of this family, or there is no such name: they know. */
  | { readonly kind: 'none'; readonly why: string }
  /** They do not know, or could not be asked. */
  | { readonly kind: 'failed'; readonly why: string };

export interface Lookup {
  readonly name: string;
  readonly ipv4: FamilyAnswer;
  readonly ipv6: FamilyAnswer;
}

const NONE: Readonly<Record<string, string>> = { ENODATA: 'no address', ENOTFOUND: 'no such name' };
const FAILED: Readonly<Record<string, string>> = {
  ESERVFAIL: 'the server failed',
  EREFUSED: 'the server refused',
  ETIMEOUT: 'no answer in time',
  ECANCELLED: 'no answer in time',
  ECONNREFUSED: 'no server can be reached',
  EBADRESP: 'the answer makes no sense',
  EFORMERR: 'the answer makes no sense',
};

/**
 * Asks for A and AAAA of each name at the same time. /etc/resolv.conf is read anew each time; /etc/hosts, search domains and
 * nsswitch.conf have no say (c-ares, by `node:dns`). Never rejects: what has not come after `limitMs` has failed.
 */
export async function lookUpNames(names: readonly string[], limitMs: number): Promise<Lookup[]> {
  if (names.length === 0) return [];
  // A datagram may be lost: two tries, the second with twice the time.
  const resolver = new Resolver({ timeout: Math.ceil(limitMs / 4), tries: 2 });
  const timer = setTimeout(() => resolver.cancel(), limitMs);
  const answer = async (asked: Promise<{ address: string; ttl: number }[]>): Promise<FamilyAnswer> => {
    try {
      const records = await asked;
      return {
        kind: 'addresses',
        addresses: records.flatMap(({ address }) => parseAddress(address) ?? []),
        ttl: Math.min(...records.map(({ ttl }) => ttl)),
      };
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      const none = NONE[code];
      if (none !== undefined) return { kind: 'none', why: none };
      return { kind: 'failed', why: FAILED[code] ?? (error as Error).message };
    }
  };
  try {
    return await Promise.all(
      names.map(async (name) => {
        const [ipv4, ipv6] = await Promise.all([
          answer(resolver.resolve4(name, { ttl: true })),
          answer(resolver.resolve6(name, { ttl: true })),
        ]);
        return { name, ipv4, ipv6 };
      }),
    );
  } finally {
    clearTimeout(timer);
  }
}
