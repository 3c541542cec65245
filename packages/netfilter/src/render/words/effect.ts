// What a rule does, in words.
import type { Expression, Operand } from '../../model/expression.ts';
import type { BaseChain } from '../../model/ruleset.ts';
import type { Log, Statement } from '../../model/statement.ts';
import { objectName } from './condition.ts';
import { effectWords } from './extension.ts';
import { definite, fieldWords, operandWords } from './field.ts';
import { notUnderstood } from './list.ts';
import { elementSentence } from './match.ts';
import { natWords, tproxyWords } from './nat.ts';
import { namedMapWords, type Surroundings, valueWords } from './value.ts';
import { verdictWords } from './verdict.ts';

/** undefined: nothing that people need to be told (a counter), or a condition. */
export function doneWords(
  statement: Statement,
  around: Surroundings,
  base: BaseChain | undefined,
): string | undefined {
  switch (statement.kind) {
    case 'verdict':
      return verdictWords(statement.verdict, base);
    case 'vmap':
      return vmapWords(statement, around, base);
    case 'reject':
      return `reject (${statement.type === 'tcp reset' ? 'tcp reset' : [statement.type === 'icmpx' ? 'icmp' : statement.type, statement.code].filter(Boolean).join(' ')})`;
    case 'log':
      return logWords(statement);
    case 'mangle':
      return mangleWords(statement.key, statement.value, around);
    case 'reset':
      return `take out the ${fieldWords(statement.option, around)}`;
    case 'dynset':
      return dynsetWords(statement, around);
    case 'object':
      return objectWords(statement, around);
    case 'nat':
      return natWords(statement, around);
    case 'tproxy':
      return tproxyWords(statement, around);
    case 'dup':
      return `send a copy${to(statement.address, around)}${by(statement.device, around)}`;
    case 'fwd':
      return `send on at once${to(statement.address, around)}${by(statement.device, around)}, past all other rules`;
    case 'notrack':
      return 'do not track the connection';
    case 'queue': {
      const bypass = statement.flags.includes('bypass') ? ', accept when none listens' : '';
      return `let a program decide (queue ${plain(statement.queue, around)}${bypass})`;
    }
    case 'synproxy':
      return 'answer the SYN for the server (synproxy)';
    case 'flow':
      return `let the rest of the connection pass by the rules (flowtable ${statement.flowtable})`;
    case 'last':
      return undefined;
    case 'ipset change': {
      const sides = statement.directions
        .map((each) => (each === 'src' ? 'source' : 'destination'))
        .join(' and ');
      const time = statement.timeout === undefined ? '' : ` for ${statement.timeout} s`;
      return statement.operation === 'add'
        ? `put the ${sides} into set ${statement.set}${time}`
        : `take the ${sides} out of set ${statement.set}`;
    }
    case 'effect':
      return effectWords(statement);
    case 'unknown':
      return notUnderstood(statement.raw);
    case 'counter':
    case 'match':
    case 'limit':
    case 'quota':
    case 'ct count':
    case 'or':
    case 'ipset':
    case 'free':
      return undefined;
    default:
      throw new Error(statement satisfies never);
  }
}

function plain(operand: Operand, around: Surroundings): string {
  return operandWords({ kind: 'unknown', raw: '' }, operand, around);
}

function to(address: Operand | undefined, around: Surroundings): string {
  return address === undefined ? '' : ` to ${plain(address, around)}`;
}

function by(device: Operand | undefined, around: Surroundings): string {
  return device === undefined ? '' : ` by ${plain(device, around)}`;
}

const MOST_ENTRIES = 8;

/** `by destination port: 22 → accept; 80 → drop; others: next rule`. */
function vmapWords(
  { key, map }: Extract<Statement, { kind: 'vmap' }>,
  around: Surroundings,
  base: BaseChain | undefined,
): string {
  const noun = fieldWords(key, around);
  if (map.kind === 'named') return `do what ${namedMapWords(map.name, around)} says for ${definite(noun)}`;
  const entries = map.entries.slice(0, MOST_ENTRIES).map(({ key: each, verdict }) => {
    const when =
      each.kind === 'any'
        ? 'anything else'
        : key.kind === 'concat'
          ? elementSentence(key.parts, each, around)
          : valueWords(key, each);
    return `${when} → ${verdictWords(verdict, base)}`;
  });
  const more = map.entries.length > MOST_ENTRIES ? [`and ${map.entries.length - MOST_ENTRIES} more`] : [];
  return `by ${noun}: ${[...entries, ...more].join('; ') || 'nothing'}`;
}

function logWords({ prefix, level, group, flags }: Log): string {
  const mode = level === 'audit' ? 'write an audit record' : 'log';
  return [
    mode,
    ...(prefix === undefined ? [] : [`with ${JSON.stringify(prefix)}`]),
    ...(level === undefined || level === 'audit' ? [] : [`at level ${level}`]),
    ...(group === undefined ? [] : [`to listeners of group ${group}`]),
    ...(flags === undefined || flags.length === 0 ? [] : [`(${flags.join(', ')})`]),
  ].join(' ');
}

function mangleWords(key: Expression, value: Operand, around: Surroundings): string {
  const noun = fieldWords(key, around);
  const the = definite(noun);
  if (key.kind === 'meta' && key.key === 'nftrace') return 'trace the packet';
  if (key.kind === 'ct' && key.key === 'helper')
    return `give the connection the helper ${plain(value, around)}`;
  if (value.kind !== 'expression') {
    return key.kind === 'meta' || value.kind === 'unknown'
      ? `set ${noun} ${valueWords(key, value)}`
      : `set ${the} to ${valueWords(key, value)}`;
  }
  const { expression } = value;
  if (key.kind === 'tcp option' && expression.kind === 'rt' && expression.key === 'mtu') {
    return 'fit the TCP segment size to the path';
  }
  if (expression.kind === 'mask' && same(expression.of, key)) {
    return `keep of ${the} only the bits ${valueWords(expression, expression.mask)}`;
  }
  if (expression.kind === 'bits' && same(expression.left, key)) {
    const operand = operandWords(key, expression.right, around);
    if (expression.operator === '|') return `add the bits ${operand} to ${the}`;
    if (expression.operator === '^') return `flip the bits ${operand} of ${the}`;
  }
  return `set ${the} to ${definite(fieldWords(expression, around))}`;
}

function same(a: Expression, b: Expression): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** With a condition inside it is told there. */
function dynsetWords(statement: Extract<Statement, { kind: 'dynset' }>, around: Surroundings): string {
  const { operation, set, element, data, timeout } = statement;
  const what = definite(fieldWords(element, around));
  if (operation === 'delete') return `take ${what} out of set ${set}`;
  const with_ = data === undefined ? '' : ` with ${plain(data, around)}`;
  const time = timeout === undefined ? '' : ` for ${timeout} s`;
  return `put ${what}${with_} into set ${set}${time}`;
}

function objectWords(
  statement: Extract<Statement, { kind: 'object' }>,
  around: Surroundings,
): string | undefined {
  const name = objectName(statement, around);
  switch (statement.type) {
    case 'counter':
      return `count in counter ${name}`;
    case 'ct helper':
      return `give the connection the helper ${name}`;
    case 'ct timeout':
      return `give the connection the timeouts ${name}`;
    case 'ct expectation':
      return `expect a connection (${name})`;
    case 'synproxy':
      return `answer the SYN for the server (synproxy ${name})`;
    case 'secmark':
      return `set security mark ${name}`;
    case 'tunnel':
      return `send through tunnel ${name}`;
    case 'limit':
    case 'quota':
      return undefined;
    default:
      throw new Error(statement.type satisfies never);
  }
}
