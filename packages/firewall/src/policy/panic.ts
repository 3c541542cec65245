// The policy of a panic: nothing in, out or through but the connections of those who administer the machine now.
import { type Address, formatAddress } from '@moat/netfilter';

/** One who may still come in: from where, and the TCP port that he dialled. */
export interface Insider {
  readonly from: Address;
  readonly port: number;
}

const MARK = '# moat panic';

/** `before`: the name under which the policy from before is kept. */
export function panicPolicyText(insiders: readonly Insider[], before: string): string {
  const sentences = insiders.map(
    ({ from, port }) => `allow from ${formatAddress(from)} to any port ${port} proto tcp`,
  );
  return [
    `${MARK} ${before}`,
    '# Nothing may pass but those who administered this machine when it was said. `moat calm` brings back what was before.',
    '',
    ...['incoming', 'outgoing', 'routed'].map((traffic) => `default deny ${traffic}`),
    'logging low',
    '',
    ...new Set(sentences),
    '',
  ].join('\n');
}

/** The name that a panic's policy was made with; undefined: it is no such policy. */
export function policyBeforePanic(text: string): string | undefined {
  return /^# moat panic (\S+)$/m.exec(text.split('\n', 1)[0] ?? '')?.[1];
}
