// moat test
import { tableDifferences } from '@moat/netfilter';
import { containerLinks } from '../apply/container-links.ts';
import { listTable } from '../apply/listed.ts';
import { type ProofState, proofOf, rememberProved } from '../apply/proved.ts';
import { compileTable } from '../compile/table.ts';
import { readDocker } from '../kernel/docker.ts';
import { type ExpectationResult, testExpectations } from '../meaning/expectation.ts';
import { liveAt } from '../policy/live.ts';
import { formatSentence } from '../policy/print.ts';
import { differenceLines } from '../proof/difference-text.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { differenceJson, expectationJson, failureLines } from './expectation-words.ts';
import { type Answer, colour, say } from './say.ts';
import { readPolicy } from './show.ts';

/** Whether the kernel has the rules of the policy file: word for word, or others; `none`: moat is not active. */
type InKernel = 'same' | 'others' | 'none';

/**
 * Holds the policy file, applied or not, against its own `expect` lines, and proves that the rules it becomes mean what it
 * says, for as long as that takes.
 */
export async function testVerb(context: Context): Promise<void> {
  const read = readPolicy(context);
  if (!read.ok) return say(context, read.answer);
  // Sentences that have ended say nothing any more.
  const policy = liveAt(read.policy, Math.floor(Date.now() / 1000));
  const links = await containerLinks(await readDocker());
  const results = testExpectations(policy, links);
  const table = compileTable(policy, links);
  const proof = proofOf(context.paths, policy, links, table, { thorough: true });
  if (proof.kind === 'proved') rememberProved(context.paths, proof.key);
  const listed = await listTable();
  const isSame = listed !== undefined && tableDifferences(table, listed).length === 0;
  say(context, answerTo(results, proof, listed === undefined ? 'none' : isSame ? 'same' : 'others'));
}

function answerTo(results: readonly ExpectationResult[], proof: ProofState, inKernel: InKernel): Answer {
  const failing = results.filter(({ counterexamples }) => counterexamples.length > 0).length;
  const isProved = proof.kind !== 'different';
  return {
    code: isProved ? (failing === 0 ? ExitCode.done : ExitCode.refused) : ExitCode.failed,
    text: [...expectationLines(results, failing), ...proofLines(proof, inKernel)].join('\n'),
    json: {
      expectations: results.map(expectationJson),
      proof: proof.kind,
      ...(proof.kind === 'different' ? { difference: differenceJson(proof.difference) } : {}),
      kernel: inKernel,
    },
  };
}

function expectationLines(results: readonly ExpectationResult[], failing: number): string[] {
  if (results.length === 0)
    return ['The policy expects nothing: add `expect` lines (moat expect deny from any to any port mysql)'];
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
  return [...lines, summary];
}

const KERNEL_HAS: Readonly<Record<InKernel, string>> = {
  same: '; they are what the kernel has',
  others: '; the kernel has others, until `moat reload`',
  none: '; moat is not active',
};

function proofLines(proof: ProofState, inKernel: InKernel): string[] {
  switch (proof.kind) {
    case 'proved':
      return [
        `Proved: the rules mean what the policy says, for all packets of IPv4 and IPv6${KERNEL_HAS[inKernel]}`,
      ];
    case 'given up':
      return ['Not proved: what the rules mean needs more memory than there is'];
    case 'different':
      return [
        `${colour.closed('FAIL')}  the rules do not mean what the policy says. This is a mistake in moat:`,
        ...differenceLines(proof.difference),
      ];
    default:
      return proof satisfies never;
  }
}
