// `limit`: at most so many new connections from one source, then refusal; a chain and two sets for each sentence.
import {
  type Chain,
  type Expression,
  type NamedSet,
  payload,
  type Rule,
  type Verdict,
} from '@moat/netfilter';
import { REFUSE_CHAIN } from './refuse.ts';

/**
 * Five new connections at once, then one each six seconds: no source gets more than ten through in half a
 * minute. ufw refuses from the sixth within 30 seconds (its xt_recent rule), but shares one list of 100
 * sources among all its limit rules; here each sentence counts for itself, up to SOURCES.
 */
const RATE_PER_MINUTE = 10;
const BURST = 5;
const SOURCES = 65_535;
const FORGET_AFTER_SECONDS = 60;

function limitChainName(ruleId: string): string {
  return `limit_${ruleId}`;
}

export function limitVerdict(ruleId: string): Verdict {
  return { kind: 'goto', chain: limitChainName(ruleId) };
}

/** When the set of sources is full a new source is let in rather than the owner locked out. */
export function limitChain(ruleId: string): Chain {
  const over = (set: string, element: Expression): Rule => ({
    comment: `moat:${ruleId}`,
    statements: [
      {
        kind: 'dynset',
        operation: 'update',
        set,
        element,
        statements: [{ kind: 'limit', rate: RATE_PER_MINUTE, per: 'minute', burst: BURST, over: true }],
      },
      { kind: 'counter', packets: 0, bytes: 0 },
      { kind: 'verdict', verdict: { kind: 'goto', chain: REFUSE_CHAIN } },
    ],
  });
  return {
    name: limitChainName(ruleId),
    rules: [
      over(`${limitChainName(ruleId)}_v4`, payload('ip', 'saddr')),
      // Whoever has one IPv6 address has the /64 around it.
      over(`${limitChainName(ruleId)}_v6`, {
        kind: 'mask',
        of: payload('ip6', 'saddr'),
        mask: { kind: 'address', address: { family: 'ipv6', value: ((1n << 64n) - 1n) << 64n } },
      }),
      {
        comment: `moat:${ruleId}`,
        statements: [
          { kind: 'counter', packets: 0, bytes: 0 },
          { kind: 'verdict', verdict: { kind: 'accept' } },
        ],
      },
    ],
  };
}

export function limitSets(ruleId: string): NamedSet[] {
  return (['ipv4_addr', 'ipv6_addr'] as const).map((type) => ({
    name: `${limitChainName(ruleId)}_${type === 'ipv4_addr' ? 'v4' : 'v6'}`,
    type: [type],
    interval: false,
    dynamic: true,
    timeout: FORGET_AFTER_SECONDS,
    size: SOURCES,
    elements: [],
  }));
}
