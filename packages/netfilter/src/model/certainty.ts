// How much of a rule is known: what was not understood, and what no reader could know.
import type { Expression, Operand } from './expression.ts';
import type { FreeReason } from './extension.ts';
import type { SetSource } from './inline-set.ts';
import type { Rule } from './ruleset.ts';
import type { Statement } from './statement.ts';
import type { Value } from './value.ts';

/** The raw text or JSON of each part of the rule that was not understood; empty: the rule is read exactly. */
export function unknownParts(rule: Rule): readonly unknown[] {
  return rule.statements.flatMap((statement) => inStatement(statement, UNKNOWN));
}

/** Why whether the rule matches cannot be told from packet, flow and rules, a reason for each such condition. */
export function freeReasons(rule: Rule): readonly FreeReason[] {
  return rule.statements.flatMap((statement) => inStatement(statement, FREE));
}

/** What is collected at each place of a rule. */
interface Collector<T> {
  readonly statement: (statement: Statement) => readonly T[];
  readonly expression: (expression: Expression) => readonly T[];
  readonly value: (value: Value) => readonly T[];
}

const UNKNOWN: Collector<unknown> = {
  statement: (statement) => (statement.kind === 'unknown' ? [statement.raw] : []),
  expression: (expression) => (expression.kind === 'unknown' ? [expression.raw] : []),
  value: (value) => (value.kind === 'unknown' ? [value.raw] : []),
};

const FREE: Collector<FreeReason> = {
  statement: freeStatement,
  expression: freeExpression,
  value: () => [],
};

function freeStatement(statement: Statement): readonly FreeReason[] {
  switch (statement.kind) {
    case 'free':
      return [statement.reason];
    case 'limit':
      return ['rate'];
    case 'quota':
      return ['traffic'];
    case 'ct count':
      return ['connections'];
    case 'queue':
    case 'synproxy':
      return ['host'];
    case 'object':
      return statement.type === 'limit' ? ['rate'] : statement.type === 'quota' ? ['traffic'] : [];
    default:
      return [];
  }
}

const CLOCK: ReadonlySet<string> = new Set(['time', 'day', 'hour']);
const OF_HOST: ReadonlySet<string> = new Set([
  'cpu',
  'rtclassid',
  'priority',
  'secmark',
  'iifkind',
  'oifkind',
]);
const TRAFFIC: ReadonlySet<string> = new Set(['bytes', 'packets', 'avgpkt', 'expiration', 'id']);

function freeExpression(expression: Expression): readonly FreeReason[] {
  switch (expression.kind) {
    case 'numgen':
    case 'hash':
      return ['chance'];
    case 'socket':
      return ['socket'];
    case 'osf':
      return ['content'];
    case 'ipsec':
      return ['ipsec'];
    case 'rt':
      return [expression.key === 'ipsec' ? 'ipsec' : 'host'];
    case 'meta':
      if (CLOCK.has(expression.key)) return ['clock'];
      if (expression.key === 'random') return ['chance'];
      if (expression.key === 'cgroup') return ['socket'];
      if (expression.key === 'ipsec' || expression.key === 'secpath') return ['ipsec'];
      return OF_HOST.has(expression.key) ? ['host'] : [];
    case 'ct':
      return TRAFFIC.has(expression.key) ? ['traffic'] : [];
    default:
      return [];
  }
}

function inStatement<T>(statement: Statement, of: Collector<T>): readonly T[] {
  const here = of.statement(statement);
  switch (statement.kind) {
    case 'match':
      return [...here, ...inExpression(statement.left, of), ...inRight(statement.right, of)];
    case 'vmap':
      return [
        ...here,
        ...inExpression(statement.key, of),
        ...(statement.map.kind === 'entries'
          ? statement.map.entries.flatMap(({ key }) => inValue(key, of))
          : []),
      ];
    case 'or':
      return [...here, ...statement.branches.flat().flatMap((inner) => inStatement(inner, of))];
    case 'mangle':
      return [...here, ...inTarget(statement.key, of), ...inRight(statement.value, of)];
    case 'dynset':
      return [
        ...here,
        ...inExpression(statement.element, of),
        ...statement.statements.flatMap((inner) => inStatement(inner, of)),
        ...optional(statement.data, of),
      ];
    case 'object':
      return [...here, ...inRight(statement.name, of)];
    case 'nat':
    case 'tproxy':
      return [...here, ...optional(statement.address, of), ...optional(statement.port, of)];
    case 'dup':
    case 'fwd':
      return [...here, ...optional(statement.address, of), ...optional(statement.device, of)];
    case 'queue':
      return [...here, ...inRight(statement.queue, of)];
    case 'reset':
      return [...here, ...inTarget(statement.option, of)];
    default:
      return here;
  }
}

/** What is written is not read: only what was not understood counts there. */
function inTarget<T>(expression: Expression, of: Collector<T>): readonly T[] {
  return expression.kind === 'unknown' ? of.expression(expression) : [];
}

function optional<T>(operand: Operand | undefined, of: Collector<T>): readonly T[] {
  return operand === undefined ? [] : inRight(operand, of);
}

function inRight<T>(right: Operand | SetSource, of: Collector<T>): readonly T[] {
  switch (right.kind) {
    case 'named':
      return [];
    case 'elements':
      return right.elements.flatMap((value) => inValue(value, of));
    case 'expression':
      return inExpression(right.expression, of);
    default:
      return inValue(right, of);
  }
}

function inExpression<T>(expression: Expression, of: Collector<T>): readonly T[] {
  const here = of.expression(expression);
  switch (expression.kind) {
    case 'concat':
      return [...here, ...expression.parts.flatMap((part) => inExpression(part, of))];
    case 'mask':
      return [...here, ...inExpression(expression.of, of), ...inValue(expression.mask, of)];
    case 'bits':
      return [...here, ...inExpression(expression.left, of), ...inRight(expression.right, of)];
    case 'map':
      return [
        ...here,
        ...inExpression(expression.key, of),
        ...(expression.map.kind === 'entries'
          ? expression.map.entries.flatMap(({ key, data }) => [...inValue(key, of), ...inValue(data, of)])
          : []),
      ];
    case 'constant':
      return [...here, ...inValue(expression.value, of)];
    default:
      return here;
  }
}

function inValue<T>(value: Value, of: Collector<T>): readonly T[] {
  const here = of.value(value);
  switch (value.kind) {
    case 'range':
      return [...here, ...inValue(value.first, of), ...inValue(value.last, of)];
    case 'concat':
      return [...here, ...value.parts.flatMap((part) => inValue(part, of))];
    default:
      return here;
  }
}
