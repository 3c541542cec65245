// moat explain PROTO SRC PORT, a line of the log, or --packets FILE
import type { Command } from 'commander';
import { ruleIds } from '../compile/identity.ts';
import { snapshotListeners } from '../kernel/snapshot-listeners.ts';
import { readText } from '../kernel/text-file.ts';
import { judgesElsewhere } from '../report/audit-gaps.ts';
import { type Explanation, prepareExplain } from '../report/explain.ts';
import { explanationJson } from '../report/explain-json.ts';
import { explanationText } from '../report/explain-text.ts';
import { isLogLine } from '../report/log-line.ts';
import { completeQuestion } from '../report/question.ts';
import type { PolicyNow } from '../report/step-words.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { explainAdvice } from './explain-advice.ts';
import { explainLive, type Live, liveText } from './explain-live.ts';
import { explainPackets } from './explain-packets.ts';
import { type ExplainOptions, readQuestions } from './explain-question.ts';
import { type Input, readInput } from './input.ts';
import { appliedPolicy } from './policy-in-force.ts';
import { colour, failure, say } from './say.ts';

export interface ExplainVerbOptions extends ExplainOptions {
  readonly packets?: string;
  readonly live?: boolean;
}

/** The verb's own options. */
export function explainOptions(verb: Command): Command {
  return verb
    .option('--from <address>', 'where it comes from')
    .option('--to <address>', 'where it goes to, if not to an address of this host')
    .option('--in <interface>', 'by which interface it comes in')
    .option('--out <interface>', 'by which interface it goes out')
    .option(
      '--state <state>',
      'of its connection: new (what is meant otherwise), established, related, invalid, untracked',
    )
    .option('--sport <port>', 'its source port')
    .option('--hook <hook>', 'where it goes, whatever the routes say: input, forward, output')
    .option('--live', 'send one such packet through a copy of the rules, and show what the kernel traced')
    .option('--packets <file>', 'many packets, one JSON object a line, answered line by line; - is stdin');
}

/** `words`: what was typed after `moat`, without options. */
export async function explainVerb(
  context: Context,
  words: readonly string[],
  options: ExplainVerbOptions,
): Promise<void> {
  const { snapshot, rulesets } = context.options;
  const live = snapshot === undefined && rulesets.length === 0;
  if (live && process.geteuid?.() !== 0) {
    const message = `moat reads the kernel's rules, which takes root: sudo ${context.command}, or --snapshot FILE`;
    return say(context, failure(ExitCode.notPermitted, 'not-root', message));
  }
  if (options.packets !== undefined) {
    if (words.length > 1) {
      const message = 'expected either --packets FILE or one packet in words; both are given';
      return say(context, failure(ExitCode.mistake, 'usage', message));
    }
    return explainPackets(context, options.packets);
  }
  const typed = words.length === 1 && process.stdin.isTTY !== true ? ['explain', '-'] : words;
  const asked = readQuestions(fromStdin(typed), options, context.services);
  if (!asked.ok) return say(context, asked.answer);
  const read = await readInput(context, { nftText: options.live === true });
  if (!read.ok) return say(context, read.answer);
  const { input } = read;
  const policy = live ? policyNow(context, input) : undefined;
  const listeners = input.snapshot?.sockets === undefined ? undefined : snapshotListeners(input.snapshot);
  const explain = prepareExplain({
    ruleset: input.ruleset,
    host: input.host,
    listeners: listeners?.listeners,
    policy,
  });
  const told: Told[] = [];
  for (const question of asked.questions) {
    const tried =
      options.live === true
        ? await explainLive(context, input, completeQuestion(question, input.host), explain)
        : { explanation: explain(question), live: undefined };
    const advice = await explainAdvice(context, input, tried.explanation, live);
    told.push({ ...tried, advice });
  }
  const notes = [
    ...new Set(input.problems.map((problem) => `${problem.in}: ${problem.message}`)),
    ...judgesElsewhere({ ruleset: input.ruleset, snapshot: input.snapshot }).map(
      ({ what, why }) => `not looked at: ${what} (${why})`,
    ),
  ];
  const text = [
    ...told.flatMap(({ explanation, advice, live }) => [
      explanationText(explanation, advice, colour),
      ...(live === undefined ? [] : [liveText(live, explanation)]),
    ]),
    ...(notes.length === 0 ? [] : [notes.map((note) => `note: ${note}`).join('\n')]),
  ].join('\n\n');
  const [first, ...others] = told.map(({ explanation, advice, live }) => ({
    ...explanationJson(explanation, advice),
    ...(live === undefined ? {} : { live }),
  }));
  const json = others.length === 0 ? { ...first, notes } : { answers: [first, ...others], notes };
  return say(context, { code: codeOf(told), text, json });
}

interface Told {
  readonly explanation: Explanation;
  readonly advice: readonly string[];
  readonly live: Live | undefined;
}

/** The kernel has the last word: where it says otherwise, or could not be asked, that is a failure. */
function codeOf(told: readonly Told[]): ExitCode {
  const fails = told.some(
    ({ explanation, live }) =>
      live !== undefined &&
      (live.kind === 'not tried' || (!live.agrees && explanation.verdict !== 'unknown')),
  );
  return fails ? ExitCode.failed : ExitCode.done;
}

/** `moat explain -`, and a pipe: the first line that is one of the log. */
function fromStdin(words: readonly string[]): readonly string[] {
  if (words.length !== 2 || words[1] !== '-') return words;
  const told = readText('-');
  const line = told.ok ? told.text.split('\n').find(isLogLine) : undefined;
  return line === undefined ? ['explain'] : ['explain', line];
}

/** The sentences behind the rules of moat that are loaded. */
function policyNow(context: Context, { ruleset }: Input): PolicyNow | undefined {
  if (!ruleset.tables.some(({ family, name }) => family === 'inet' && name === 'moat')) return undefined;
  const policy = appliedPolicy(context.paths, context.services);
  return policy === undefined ? undefined : { policy, ids: ruleIds(policy.rules) };
}
