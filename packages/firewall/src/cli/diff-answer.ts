// How the difference between two sides is told.
import { differentElsewhere } from '../report/audit-gaps.ts';
import { compareRulesets, type DifferenceReport } from '../report/difference.ts';
import { differenceJson, differenceText, tooLargeText } from '../report/difference-text.ts';
import { ExitCode } from './exit-code.ts';
import type { Answer } from './say.ts';
import { rulesetsOf, type Side } from './side.ts';

/** What becomes different for packets on the way from the first to the second. */
export function diffAnswer(a: Side, b: Side): Answer {
  const { problems, families, ...compared } = rulesetsOf(a, b);
  const report = compareRulesets({ ...compared, families });
  const notes = [
    ...problems.map(({ message }) => message),
    ...differentElsewhere(compared.before, compared.after).map(
      ({ what, why }) => `${what} is different: ${why}`,
    ),
    ...(families.length < 2
      ? [
          `only ${families.map((family) => (family === 'ipv4' ? 'IPv4' : 'IPv6')).join('') || 'nothing'} is compared: both say nothing of the rest`,
        ]
      : []),
  ];
  return {
    code: ExitCode.done,
    text: [reportText(report), ...notes.map((note) => `note: ${note}`)].join('\n'),
    json: { from: a.source, to: b.source, ...differenceJson(report), notes },
  };
}

function reportText(report: DifferenceReport): string {
  if (report.rows.length > 0) return differenceText(report);
  return report.tooLarge.length > 0
    ? tooLargeText(report.tooLarge)
    : 'no effect: no verdict changes, for any packet';
}
