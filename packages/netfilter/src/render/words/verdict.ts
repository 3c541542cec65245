// Verdicts in words.
import type { BaseChain } from '../../model/ruleset.ts';
import type { Verdict } from '../../model/verdict.ts';

/**
 * What happens to the packet. `base`: of the chain that the rule stands in, where nothing called it, so that a
 * `return` is the policy.
 */
export function verdictWords(verdict: Verdict, base?: BaseChain): string {
  switch (verdict.kind) {
    case 'accept':
    case 'drop':
      return verdict.kind;
    case 'continue':
      return 'go on with the next rule';
    case 'return':
      return base === undefined ? 'go back to the calling chain' : `leave it to the policy (${base.policy})`;
    case 'jump':
      return `go on in chain ${verdict.chain}`;
    case 'goto':
      return `go on in chain ${verdict.chain} for good`;
    default:
      throw new Error(verdict satisfies never);
  }
}
