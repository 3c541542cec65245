// moat diff A B
import { compareRulesets, type DifferenceReport } from '../report/difference.ts';
import { differenceJson, differenceText, tooLargeText } from '../report/difference-text.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { type Answer, say } from './say.ts';
import { readSide, rulesetsOf, type Side } from './side.ts';
import { notThisMachine, tooFew, tooMuch } from './usage.ts';

/** `words`: what was typed after `moat`. */
export async function diffVerb(context: Context, words: readonly string[]): Promise<void> {
  const [, first, second] = words;
  if (first === undefined || second === undefined) {
    return say(context, tooFew(words, 'two of: a snapshot, a ruleset, a policy file, the word live'));
  }
  if (words.length > 3) return say(context, tooMuch(words, 3));
  const { snapshot, rulesets } = context.options;
  if (snapshot !== undefined) return say(context, notThisMachine(words, '--snapshot'));
  if (rulesets.length > 0) return say(context, notThisMachine(words, '--ruleset'));
  const a = await readSide(first, context.services);
  if (!a.ok) return say(context, a.answer);
  const b = await readSide(second, context.services);
  if (!b.ok) return say(context, b.answer);
  return say(context, diffAnswer(a.side, b.side));
}

/** What becomes different for packets on the way from the first to the second. */
export function diffAnswer(a: Side, b: Side): Answer {
  const { problems, families, ...compared } = rulesetsOf(a, b);
  const report = compareRulesets({ ...compared, families });
  const notes = [
    ...problems.map(({ message }) => message),
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
