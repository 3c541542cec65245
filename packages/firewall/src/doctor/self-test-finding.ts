// A way back that was tried on this machine and does not work.
import type { SelfTest } from '../apply/self-test.ts';
import type { Finding, FindingId } from './finding.ts';

/** Where these are found nobody wonders. */
const CAUSES: readonly FindingId[] = ['nft-refused', 'kernel-feature', 'way-back-programs'];

/** Empty where it works, could not be tried, or where what was found already explains it. */
export function wayBackFinding(tried: SelfTest | undefined, found: readonly Finding[]): Finding[] {
  if (tried?.kind !== 'failed' || found.some(({ id }) => CAUSES.includes(id))) return [];
  return [
    {
      id: 'way-back-test',
      severity: 'high',
      what: `the way back does not work on this machine (${tried.step}): ${tried.why}`,
      why: 'a change that locks you out would not be undone',
      mend:
        tried.step === 'timer of systemd'
          ? ['systemctl daemon-reexec']
          : ['apt install --reinstall nftables util-linux coreutils dash'],
    },
  ];
}
