// The chain that refuses politely: the client hears at once that it may not.
import { type Chain, meta, symbol } from '@moat/netfilter';

/** Not called `reject`, which nft keeps for itself. */
export const REFUSE_CHAIN = 'refuse';

/** TCP gets a reset, everything else an ICMP message: what the client's own kernel would have said. */
export function refuseChain(): Chain {
  return {
    name: REFUSE_CHAIN,
    rules: [
      {
        comment: 'moat:refuse',
        statements: [
          { kind: 'match', operator: '==', left: meta('l4proto'), right: symbol('tcp') },
          { kind: 'reject', type: 'tcp reset' },
        ],
      },
      { comment: 'moat:refuse', statements: [{ kind: 'reject', type: 'icmpx', code: 'port-unreachable' }] },
    ],
  };
}
