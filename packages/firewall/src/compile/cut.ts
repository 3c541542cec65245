// Flows that were ended: what still comes of them is dropped, so that neither side can take them up again.
import { type IpFamily, meta, type NamedSet, payload, type Rule } from '@moat/netfilter';

/**
 * Forgetting a flow in conntrack is not enough: it takes up a TCP or UDP flow in the middle, and from inside, where
 * sending is allowed, that would make it an allowed flow again.
 */
export const CUT_SETS: Readonly<Record<IpFamily, string>> = { ipv4: 'cut_v4', ipv6: 'cut_v6' };

const FAMILIES = ['ipv4', 'ipv6'] as const;

/** Protocol, source, its port, destination, its port: as packets come in, each side of a flow for itself. */
export function cutSets(): NamedSet[] {
  return FAMILIES.map((family) => {
    const address = family === 'ipv4' ? 'ipv4_addr' : 'ipv6_addr';
    return {
      name: CUT_SETS[family],
      type: ['inet_proto', address, 'inet_service', address, 'inet_service'],
      interval: false,
      dynamic: true,
      timeouts: true as const,
      elements: [],
    };
  });
}

export function cutRules(): Rule[] {
  return FAMILIES.map((family) => {
    const ip = family === 'ipv4' ? 'ip' : 'ip6';
    return {
      comment: 'moat:ended',
      statements: [
        {
          kind: 'match',
          operator: '==',
          left: {
            kind: 'concat',
            parts: [
              meta('l4proto'),
              payload(ip, 'saddr'),
              payload('th', 'sport'),
              payload(ip, 'daddr'),
              payload('th', 'dport'),
            ],
          },
          right: { kind: 'named', name: CUT_SETS[family] },
        },
        { kind: 'counter', packets: 0, bytes: 0 },
        { kind: 'verdict', verdict: { kind: 'drop' } },
      ],
    };
  });
}
