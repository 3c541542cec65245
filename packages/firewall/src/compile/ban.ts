// Bans: one set a family, judged before anything else, and what is in them when bans overlap.
import {
  type Chain,
  type Interval,
  type IpFamily,
  intervalPrefixes,
  type NamedSet,
  type Prefix,
  payload,
  prefixInterval,
  type Rule,
} from '@moat/netfilter';
import { cutRules } from './cut.ts';
import { firstWins } from './line.ts';

/** Nothing that comes from there reaches the host or its containers. */
export interface Ban {
  readonly prefix: Prefix;
  /** Seconds since 1970; undefined: it does not end by itself. */
  readonly until: number | undefined;
  /** When it was made: seconds since 1970. */
  readonly since: number;
  readonly because: string | undefined;
}

/** A stretch of addresses and the ban that holds for it: an element of a set. */
export interface BanPiece {
  readonly interval: Interval<bigint>;
  readonly ban: Ban;
}

export const BAN_SETS: Readonly<Record<IpFamily, string>> = { ipv4: 'banned_v4', ipv6: 'banned_v6' };

/** Before conntrack (-200) and before `raw` (-300): a banned packet costs one look-up and makes no entry. */
const FIRST = -310;

export function banSets(): NamedSet[] {
  return (['ipv4', 'ipv6'] as const).map((family) => ({
    name: BAN_SETS[family],
    type: [family === 'ipv4' ? 'ipv4_addr' : 'ipv6_addr'],
    interval: true,
    // Bans are no sentences: what is in there is run-time state, with times that the kernel keeps.
    dynamic: true,
    timeouts: true,
    elements: [],
  }));
}

export function banChain(): Chain {
  const from = (family: IpFamily): Rule => ({
    comment: 'moat:ban',
    statements: [
      {
        kind: 'match',
        operator: '==',
        left: payload(family === 'ipv4' ? 'ip' : 'ip6', 'saddr'),
        right: { kind: 'named', name: BAN_SETS[family] },
      },
      { kind: 'counter', packets: 0, bytes: 0 },
      { kind: 'verdict', verdict: { kind: 'drop' } },
    ],
  });
  return {
    name: 'banned',
    base: { type: 'filter', hook: 'prerouting', priority: FIRST, policy: 'accept' },
    rules: [from('ipv4'), from('ipv6'), ...cutRules()],
  };
}

/**
 * The bans of one family cut so that no two overlap, which sets cannot hold: each address is banned for as long as any
 * of them says. A ban that lies wholly in longer ones has no piece.
 */
export function banPieces(bans: readonly Ban[], family: IpFamily): BanPiece[] {
  const longestFirst = bans
    .filter(({ prefix }) => prefix.family === family)
    .sort((a, b) => endOf(b) - endOf(a) || a.prefix.length - b.prefix.length)
    .map((ban) => ({ interval: prefixInterval(ban.prefix), owner: ban }));
  const numbers = new Map(longestFirst.map(({ owner }, i) => [owner, String(i)]));
  return firstWins(longestFirst, (ban) => numbers.get(ban)!).map(({ interval, owner }) => ({
    interval,
    ban: owner,
  }));
}

function endOf({ until }: Ban): number {
  return until ?? Number.POSITIVE_INFINITY;
}

/** A stretch as nft writes and lists it: an address, a prefix, or a range. */
export function pieceOf(family: IpFamily, interval: Interval<bigint>): NamedSet['elements'][number] {
  const [only, ...more] = intervalPrefixes(family, interval);
  if (more.length === 0 && only !== undefined) return { kind: 'prefix', prefix: only };
  return {
    kind: 'range',
    first: { kind: 'address', address: { family, value: interval.first } },
    last: { kind: 'address', address: { family, value: interval.last } },
  };
}
