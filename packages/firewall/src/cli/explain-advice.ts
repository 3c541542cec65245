// What to say so that a packet would fare otherwise: sentences that were tried.
import {
  type Address,
  bitsOf,
  intervalSet,
  prefixOf,
  prepareJourney,
  type Ruleset,
  type Table,
} from '@moat/netfilter';
import { triedSentences } from '../apply/advice.ts';
import { containerLinks } from '../apply/container-links.ts';
import { knownAnswers } from '../apply/name-answers.ts';
import { compileTable } from '../compile/table.ts';
import { readDocker } from '../kernel/docker.ts';
import { readPolicyText } from '../kernel/state.ts';
import { parsePolicyFile } from '../policy/file.ts';
import type { Endpoint, RuleSentence } from '../policy/model.ts';
import { type Explanation, refuses } from '../report/explain.ts';
import { sentenceProtocol } from '../report/step-words.ts';
import type { Context } from './context.ts';
import type { Input } from './input.ts';

/**
 * Commands, without `moat`, after which such a packet would get through, or, where it does, would not; the narrowest first.
 * None where moat is not in use, or where no sentence helps, since somebody else's rule decides.
 */
export async function explainAdvice(
  context: Context,
  { ruleset, host }: Input,
  { question, journey }: Explanation,
  live: boolean,
): Promise<readonly string[]> {
  const text = readPolicyText(context.paths);
  const { verdict } = journey.result;
  if (!live || text === undefined || verdict === 'unknown' || !ruleset.tables.some(isOwn)) return [];
  const answers = knownAnswers(context.paths);
  const read = parsePolicyFile(text, context.services, answers);
  const rule = ruleFor(journey.packet, refuses(verdict) ? 'allow' : 'deny');
  if (!read.ok || rule === undefined) return [];
  const links = await containerLinks(await readDocker());
  const helps = (edited: string): boolean => {
    const parsed = parsePolicyFile(edited, context.services, answers);
    if (!parsed.ok) return false;
    const tables = ruleset.tables.map((table) =>
      isOwn(table) ? compileTable(parsed.file.policy, links) : table,
    );
    const changed: Ruleset = { ...ruleset, tables };
    const then = prepareJourney(changed, host, { assume: 'limits not exceeded' })(question).result.verdict;
    return then !== 'unknown' && refuses(then) !== refuses(verdict);
  };
  return triedSentences(read.file, [rule], helps);
}

function isOwn({ family, name }: Table): boolean {
  return family === 'inet' && name === 'moat';
}

/** A sentence about this client and this port; undefined: the grammar has none for it. */
function ruleFor(
  { hook, fields }: Explanation['journey']['packet'],
  action: RuleSentence['action'],
): RuleSentence | undefined {
  const protocol = sentenceProtocol(fields['proto']);
  const { dport } = fields;
  if (protocol === 'any') return undefined;
  const side = (address: unknown): Endpoint['address'] =>
    typeof address === 'object'
      ? { kind: 'prefix', prefix: prefixOf(address as Address, bitsOf((address as Address).family)) }
      : { kind: 'any' };
  const ports = typeof dport === 'number' ? intervalSet([{ first: dport, last: dport }]) : undefined;
  const out = hook === 'output';
  return {
    kind: 'rule',
    action,
    direction: out ? 'out' : 'in',
    interface: undefined,
    protocol,
    from: { address: out ? { kind: 'any' } : side(fields['src']), ports: undefined },
    to: { address: out ? side(fields['dst']) : { kind: 'any' }, ports },
    comment: undefined,
  };
}
