// moat test
import { containerLinks } from '../apply/container-links.ts';
import { readDocker } from '../kernel/docker.ts';
import { type ExpectationResult, testExpectations } from '../meaning/expectation.ts';
import { formatSentence } from '../policy/print.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { expectationJson, failureLines } from './expectation-words.ts';
import { type Answer, colour, say } from './say.ts';
import { readPolicy } from './show.ts';

/** Holds the policy file, applied or not, against its own `expect` lines. */
export async function testVerb(context: Context): Promise<void> {
  const read = readPolicy(context);
  if (!read.ok) return say(context, read.answer);
  if (read.policy.expectations.length === 0) {
    const text =
      'The policy expects nothing: add `expect` lines (moat expect deny from any to any port mysql)';
    return say(context, { code: ExitCode.done, text, json: { expectations: [] } });
  }
  const facts = await containerLinks(await readDocker());
  say(context, answerTo(testExpectations(read.policy, facts)));
}

function answerTo(results: readonly ExpectationResult[]): Answer {
  const failing = results.filter(({ counterexamples }) => counterexamples.length > 0).length;
  const lines = results.flatMap((result) => {
    const sentence = formatSentence(result.expectation);
    if (result.counterexamples.length > 0)
      return [`${colour.closed('FAIL')}  ${sentence}`, ...failureLines(result)];
    const remark = result.empty ? ['      there are no such packets: a group has no address that fits'] : [];
    return [`${colour.open('ok')}    ${sentence}`, ...remark];
  });
  const count = results.length === 1 ? 'The expectation' : `All ${results.length} expectations`;
  const summary =
    failing === 0
      ? `${count} ${results.length === 1 ? 'holds' : 'hold'}, for all packets`
      : `${failing} of ${results.length} ${results.length === 1 ? 'expectation' : 'expectations'} ${failing === 1 ? 'fails' : 'fail'}`;
  return {
    code: failing === 0 ? ExitCode.done : ExitCode.refused,
    text: [...lines, summary].join('\n'),
    json: { expectations: results.map(expectationJson) },
  };
}
