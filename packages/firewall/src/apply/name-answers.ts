// What is made of the answers to a name: which addresses are taken, which are refused, what is kept, when to ask again.
import {
  type Address,
  bitsOf,
  formatAddress,
  parseAddress,
  parsePrefix,
  prefixInterval,
  prefixOf,
} from '@moat/netfilter';
import type { FamilyAnswer, Lookup } from '../kernel/name-lookup.ts';
import { type NameEntry, readNames } from '../kernel/names-file.ts';
import type { Paths } from '../kernel/paths.ts';
import type { HostAnswers } from '../policy/host-names.ts';

/** More addresses than these are no host's: the whole answer is refused. */
export const MOST_ADDRESSES = 64;
/** DNS may say that an answer holds for less or for longer. */
const SHORTEST_S = 30;
const LONGEST_S = 3600;
/** After failures in a row the next try comes after 30 s, a minute, two, … */
const LONGEST_RETRY_S = 900;

const FAMILIES = ['ipv4', 'ipv6'] as const;

/** What is no address of another host: unspecified, loopback, multicast, broadcast, IPv4 written as IPv6. RFC 6890. */
const ABSURD = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/127',
  '::ffff:0:0/96',
  'ff00::/8',
].map((text) => {
  const parsed = parsePrefix(text);
  if (!('prefix' in parsed)) throw new Error(text);
  return { family: parsed.prefix.family, ...prefixInterval(parsed.prefix) };
});

function isAbsurd({ family, value }: Address): boolean {
  return ABSURD.some((each) => each.family === family && each.first <= value && value <= each.last);
}

/**
 * What is known of a name after it was asked for. Of a family that was not answered, or only with addresses that are
 * refused, what was known is kept; where no address came at all, or too many, everything is. `now`: seconds since 1970.
 */
export function entryAfter(before: NameEntry | undefined, lookup: Lookup, now: number): NameEntry {
  const { name } = lookup;
  const known = before ?? { name, addresses: [], answered: 0, ttl: SHORTEST_S, failed: null };
  const failedWith = (why: string): NameEntry => ({
    ...known,
    failed: { at: now, times: (known.failed?.times ?? 0) + 1, why },
  });
  const judged = FAMILIES.map((family) => judge(lookup[family]));
  const came = judged.flatMap(({ taken }) => taken);
  const troubles = [...new Set(judged.flatMap(({ trouble }) => trouble ?? []))].join('; ');
  if (came.length === 0) {
    const none = FAMILIES.map((family) => lookup[family]).flatMap((each) =>
      each.kind === 'none' ? each.why : [],
    );
    return failedWith(troubles || none[0] || 'no address');
  }
  if (came.length > MOST_ADDRESSES) {
    return failedWith(`${came.length} addresses, and ${MOST_ADDRESSES} is the most`);
  }
  const lost = FAMILIES.filter((_, i) => judged[i]!.taken.length === 0 && judged[i]!.trouble !== undefined);
  const kept = addressesOf(known).filter(({ family }) => lost.includes(family));
  const ttls = FAMILIES.map((family) => lookup[family]).flatMap((each) =>
    each.kind === 'addresses' ? each.ttl : [],
  );
  return {
    name,
    addresses: inOrder([...came, ...kept].map(formatAddress)),
    answered: now,
    ttl: Math.min(...ttls),
    failed: troubles === '' ? null : { at: now, times: (known.failed?.times ?? 0) + 1, why: troubles },
  };
}

/** Each once, IPv4 first, by their numbers: as people read them, and the same for the same addresses. */
export function inOrder(addresses: readonly string[]): string[] {
  const known = new Map(
    addresses.flatMap((text) => {
      const address = parseAddress(text);
      return address === undefined ? [] : [[text, address] as const];
    }),
  );
  const before = (a: Address, b: Address): boolean =>
    a.family === b.family ? a.value < b.value : a.family === 'ipv4';
  return [...known].sort(([, a], [, b]) => (before(a, b) ? -1 : 1)).map(([text]) => text);
}

/** What can be taken of one family's answer, and what is wrong with it. */
function judge(answer: FamilyAnswer): { readonly taken: readonly Address[]; readonly trouble?: string } {
  switch (answer.kind) {
    case 'failed':
      return { taken: [], trouble: answer.why };
    case 'none':
      return { taken: [] };
    case 'addresses': {
      const distinct = [...new Map(answer.addresses.map((each) => [formatAddress(each), each])).values()];
      const absurd = distinct.filter(isAbsurd).map(formatAddress);
      const taken = distinct.filter((address) => !isAbsurd(address));
      return absurd.length === 0 ? { taken } : { taken, trouble: `refused ${absurd.slice(0, 3).join(', ')}` };
    }
    default:
      return answer satisfies never;
  }
}

function addressesOf({ addresses }: NameEntry): Address[] {
  return addresses.flatMap((text) => parseAddress(text) ?? []);
}

/** When to ask again: seconds since 1970, never further than the longest time from `now`, whatever clocks did. */
export function dueAt({ answered, ttl, failed }: NameEntry, now: number): number {
  // Where only a part failed, what came holds for as long as it says.
  if (failed === null || failed.at <= answered) {
    return Math.min(answered, now) + Math.min(LONGEST_S, Math.max(SHORTEST_S, ttl));
  }
  return (
    Math.min(failed.at, now) + Math.min(LONGEST_RETRY_S, SHORTEST_S * 2 ** Math.min(10, failed.times - 1))
  );
}

/** The answers as the policy takes them. */
export function hostAnswers(entries: readonly NameEntry[]): HostAnswers {
  return new Map(
    entries.map((entry) => [
      entry.name,
      addressesOf(entry).map((address) => prefixOf(address, bitsOf(address.family))),
    ]),
  );
}

/** The last good answers on the disk. */
export function knownAnswers(paths: Paths): HostAnswers {
  return hostAnswers(readNames(paths).entries);
}
