// Rules that end soon, by the clock.
import { liveAt } from '../policy/live.ts';
import { formatSentence } from '../policy/print.ts';
import { formatMoment } from '../policy/time.ts';
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';
import { letsIn } from './ssh-port.ts';

const SOON_SECONDS = 24 * 3600;

export function endingRules({ machine, ssh, now }: Facts): Finding[] {
  const policy = machine?.moat.policy;
  if (machine === undefined || policy === undefined) return [];
  return liveAt(policy, now).rules.flatMap((rule): Finding[] => {
    const { until, ...lasting } = rule;
    if (until === undefined || until - now > SOON_SECONDS) return [];
    // As they are the second before and the second after.
    const [before, after] = [liveAt(policy, until - 1), liveAt(policy, until)];
    const shut = ssh.filter((each) => letsIn(before, each) && !letsIn(after, each));
    return [
      {
        id: 'rule-ends',
        severity: shut.length > 0 ? 'high' : 'low',
        what: `\`${formatSentence(lasting)}\` ends in ${timeText(until - now)}, at ${formatMoment(until)}`,
        why:
          shut.length > 0
            ? `nothing else lets ssh in at ${shut.map(({ port }) => `${port}/tcp`).join(', ')}`
            : 'what it lets in or keeps out is then decided by the rules after it; flows that run go on',
        mend: [`moat ${formatSentence(lasting)}`],
      },
    ];
  });
}

function timeText(seconds: number): string {
  const minutes = Math.max(1, Math.round(seconds / 60));
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
