// A difference between policy and table, in words.
import { deciderText } from '../meaning/decided-by.ts';
import type { Difference, Outcome } from './prove-policy.ts';

const BECOMES: Readonly<Record<Outcome, string>> = {
  accept: 'let through',
  drop: 'denied',
  reject: 'rejected',
  unknown: 'nobody can say',
};

/** `let through`; where a limit decides `let through or rejected`. */
function outcomesText(outcomes: readonly Outcome[]): string {
  return outcomes.map((outcome) => BECOMES[outcome]).join(' or ');
}

/** The packet, what policy and table make of it, by which sentence, and how many more there are; indented by two. */
export function differenceLines(difference: Difference): string[] {
  const { family, traffic, road, text, policy, table, decidedBy, packets } = difference;
  const by = decidedBy === undefined ? '' : ` by ${deciderText(decidedBy)}`;
  return [
    `  ${text} (${family === 'ipv4' ? 'IPv4' : 'IPv6'}, ${traffic}, ${road})`,
    `    the policy: ${outcomesText(policy)}${by}`,
    `    the rules:  ${outcomesText(table)}`,
    '    all of these:',
    ...packets.map((box) => `      ${box}`),
  ];
}
