// The conditions of a rule in words.
import type { Statement } from '../../model/statement.ts';
import { freeWords } from './extension.ts';
import { fieldWords } from './field.ts';
import { count, notUnderstood } from './list.ts';
import { matchPhrases } from './match.ts';
import { limitWords, quotaWords } from './measure.ts';
import { type Phrase, rest, sentence } from './phrase.ts';
import { ipsetWords, type Surroundings, valueWords } from './value.ts';

/** What has to hold for a packet to get past these statements: `tcp to port 22, new connections`; without any: `everything`. */
export function conditionWords(statements: readonly Statement[], around: Surroundings): string {
  return sentence(statements.flatMap((statement) => conditionPhrases(statement, around) ?? []));
}

/** undefined: the statement is no condition. Nothing: it always holds. */
export function conditionPhrases(statement: Statement, around: Surroundings): readonly Phrase[] | undefined {
  switch (statement.kind) {
    case 'match':
      return matchPhrases(statement, around);
    case 'limit':
      return [rest(limitWords(statement))];
    case 'quota':
      return [rest(quotaWords(statement))];
    case 'ct count':
      return [
        rest(
          `${statement.over ? 'more than' : 'at most'} ${count(statement.count, 'connection', 'connections')}`,
        ),
      ];
    case 'or': {
      const branches = statement.branches.map((branch) => conditionWords(branch, around));
      return [rest(`either ${branches.map((branch) => `(${branch})`).join(' or ')}`)];
    }
    case 'ipset':
      return ipsetPhrases(statement, around);
    case 'free':
      return [rest(freeWords(statement))];
    case 'object':
      return statement.type === 'limit' || statement.type === 'quota'
        ? [rest(`within ${statement.type} ${objectName(statement, around)}`)]
        : undefined;
    case 'dynset':
      return dynsetPhrases(statement, around);
    case 'unknown':
      return [rest(notUnderstood(statement.raw))];
    case 'vmap':
    case 'verdict':
    case 'reject':
    case 'counter':
    case 'log':
    case 'mangle':
    case 'reset':
    case 'nat':
    case 'tproxy':
    case 'dup':
    case 'fwd':
    case 'notrack':
    case 'queue':
    case 'synproxy':
    case 'flow':
    case 'last':
    case 'ipset change':
    case 'effect':
      return undefined;
    default:
      throw new Error(statement satisfies never);
  }
}

export function objectName({ name }: Extract<Statement, { kind: 'object' }>, around: Surroundings): string {
  return name.kind === 'expression'
    ? `by ${fieldWords(name.expression, around)}`
    : valueWords({ kind: 'unknown', raw: '' }, name);
}

/** An element is counted, and the count is the condition; without a condition of its own it is an effect. */
function dynsetPhrases(
  statement: Extract<Statement, { kind: 'dynset' }>,
  around: Surroundings,
): readonly Phrase[] | undefined {
  const inner = statement.statements.filter((each) => (conditionPhrases(each, around) ?? []).length > 0);
  if (inner.length === 0) return undefined;
  const each = fieldWords(statement.element, around);
  return [rest(`${conditionWords(inner, around)} for each ${each} (kept in set ${statement.set})`)];
}

/** `-m set --match-set NAME src,dst`. */
function ipsetPhrases(
  { set, directions, inverted, returnNomatch }: Extract<Statement, { kind: 'ipset' }>,
  around: Surroundings,
): readonly Phrase[] {
  const words = ipsetWords(set, around);
  const not = inverted ? 'not ' : '';
  const exceptions = returnNomatch === true ? ', as an exception' : '';
  const dimensions = around.ipsets?.find(({ name }) => name === set)?.dimensions;
  const [first] = directions;
  if (directions.length === 1 && (dimensions === undefined || /^(ip|net)$/.test(dimensions[0] ?? ''))) {
    const source = first === 'src';
    const text = `${not}${source ? 'from' : 'to'} an address in ${words}${exceptions}`;
    return [{ place: source ? 'source' : 'destination', text }];
  }
  const sides = directions.map((direction, i) => {
    const dimension = dimensions?.[i];
    return `${direction === 'src' ? 'source' : 'destination'}${dimension === undefined ? '' : ` ${dimension}`}`;
  });
  return [rest(`${sides.join(' and ')} ${not}in ${words}${exceptions}`)];
}
