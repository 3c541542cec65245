// A clock that cannot be trusted, on a machine where rules go by it.
import { liveAt } from '../policy/live.ts';
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';

/** Clocks are set back by a little all the time. */
const TOLERANCE_SECONDS = 60;

export function clock({ machine, now }: Facts): Finding[] {
  if (machine === undefined) return [];
  const { lastApplied, policy } = machine.moat;
  const finding = { id: 'clock', mend: ['timedatectl set-ntp true'] } as const;
  if (lastApplied !== undefined && now < lastApplied - TOLERANCE_SECONDS) {
    return [
      {
        ...finding,
        severity: 'medium',
        what: `the clock says ${isoText(now)}, which is before the last change of the rules (${isoText(lastApplied)})`,
        why: 'sentences and bans that end would end later than they say, and `until` is refused or too long',
      },
    ];
  }
  const isAsked = policy !== undefined && liveAt(policy, now).rules.some(({ until }) => until !== undefined);
  if (machine.clockSynchronised !== false || !isAsked) return [];
  return [
    {
      ...finding,
      severity: 'low',
      what: 'the clock is not held by any time server',
      why: 'there are sentences that end at a moment: they end when this clock says so',
    },
  ];
}

function isoText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
}
