// What the doctor found, for people: worst first, what to type below each, one line of summary at the end.
import type { SelfTest } from '../apply/self-test.ts';
import type { Looks } from '../report/audit-text.ts';
import type { Finding } from './finding.ts';

export interface Diagnosis {
  readonly findings: readonly Finding[];
  /** undefined: it was not asked for. */
  readonly wayBack: SelfTest | undefined;
  /** What could not be looked at, and why. */
  readonly notKnown: readonly string[];
}

const INDENT = ' '.repeat(8);

export function doctorText({ findings, wayBack, notKnown }: Diagnosis, looks: Looks): string {
  const blocks = findings.map((finding) => findingLines(finding, looks));
  if (wayBack !== undefined) blocks.push([`${looks.heading('WAY BACK')}  ${wayBackText(wayBack)}`]);
  if (notKnown.length > 0) {
    blocks.push([looks.heading('NOT LOOKED AT'), ...notKnown.map((line) => `${INDENT}${line}`)]);
  }
  blocks.push([summary(findings)]);
  return blocks.map((lines) => lines.join('\n')).join('\n');
}

function findingLines({ severity, what, why, mend }: Finding, { bad }: Looks): string[] {
  const mark = severity.toUpperCase().padEnd(6);
  return [
    `${severity === 'high' ? bad(mark) : mark}  ${what}`,
    `${INDENT}${why}`,
    ...mend.map((command) => `${INDENT}$ ${command}`),
  ];
}

function wayBackText(tried: SelfTest): string {
  switch (tried.kind) {
    case 'passed':
      return (
        `works, tried in a network of its own on this machine: a change given ${seconds(tried.waited)} to be confirmed ` +
        `was gone after ${seconds(tried.backAfter)}; all of it took ${seconds(tried.took)}`
      );
    case 'failed':
      return `does not work, tried in a network of its own on this machine (${tried.step}): ${tried.why}`;
    case 'impossible':
      return `not tried, no network of its own can be made here: ${tried.why}`;
    default:
      return tried satisfies never;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function summary(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'Nothing was found that will bite';
  const counts = (['high', 'medium', 'low'] as const).flatMap((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return count === 0 ? [] : [`${count} ${severity}`];
  });
  return `${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}: ${counts.join(', ')}`;
}
