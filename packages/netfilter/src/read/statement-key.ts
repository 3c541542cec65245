// One key for statements that mean the same, however iptables-nft chose to write them down.
import type { Expression } from '../model/expression.ts';
import type { Match, Statement } from '../model/statement.ts';
import { flags, number, range } from '../model/value.ts';

/**
 * The same text for a port range and a comparison with its end, for `none of these flags` and `flags & these == 0` (`any` and `!=`),
 * for a set of one and its element.
 */
export function statementKey(statement: Statement): string {
  const plain = statement.kind === 'match' ? normalMatch(statement) : statement;
  return JSON.stringify(plain, (_, value: unknown) =>
    typeof value === 'bigint'
      ? String(value)
      : typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
        : value,
  );
}

/** Whether the statement asks for any port at all; iptables-nft leaves that out. */
export function asksForAnyPort(statement: Statement): boolean {
  return statement.kind === 'match' && statementKey(statement) === statementKey(anyPort(statement.left));
}

function anyPort(left: Expression): Statement {
  return { kind: 'match', operator: '==', left, right: range(0, LAST_PORT) };
}

const LAST_PORT = 65535;
/** What iptables-nft compares with for `! -i +`. */
const NO_SUCH_INTERFACE = 'INVAL/D';

function isPort(left: Expression): boolean {
  return left.kind === 'payload' && (left.field === 'sport' || left.field === 'dport');
}

function normalMatch(match: Match): Match {
  const { left, right, operator } = match;
  if (right.kind === 'elements' && right.elements.length === 1) {
    return normalMatch({ ...match, right: right.elements[0]! });
  }
  if ((operator === '!' || operator === 'in') && (right.kind === 'flags' || right.kind === 'symbol')) {
    const mask = right.kind === 'symbol' ? flags([right.name]) : right;
    const none = { left: { kind: 'mask', of: left, mask }, right: number(0) } as const;
    return { kind: 'match', operator: operator === '!' ? '==' : '!=', ...none };
  }
  if (left.kind === 'mask' && left.mask.kind === 'symbol') {
    return { ...match, left: { ...left, mask: flags([left.mask.name]) } };
  }
  if (right.kind === 'symbol' && right.name === NO_SUCH_INTERFACE) {
    return { kind: 'match', operator: '!=', left, right: { kind: 'any' } };
  }
  return isPort(left) ? normalPort(match) : match;
}

/** A comparison of ports as a range of those that match, where one range can say it. */
function normalPort(match: Match): Match {
  const bounds = portBounds(match);
  if (bounds === undefined) return match;
  const [first, last] = bounds;
  return { kind: 'match', operator: '==', left: match.left, right: range(first, last) };
}

function portBounds({ operator, right }: Match): readonly [number, number] | undefined {
  if (right.kind === 'number') {
    switch (operator) {
      case '==':
        return [right.value, right.value];
      case '<':
        return [0, right.value - 1];
      case '<=':
        return [0, right.value];
      case '>':
        return [right.value + 1, LAST_PORT];
      case '>=':
        return [right.value, LAST_PORT];
      default:
        return outside(right.value, right.value, operator);
    }
  }
  if (right.kind !== 'range' || right.first.kind !== 'number' || right.last.kind !== 'number')
    return undefined;
  const [first, last] = [right.first.value, right.last.value];
  return operator === '==' ? [first, last] : outside(first, last, operator);
}

function outside(first: number, last: number, operator: string): readonly [number, number] | undefined {
  if (operator !== '!=' || first > last) return undefined;
  if (first === 0) return [last + 1, LAST_PORT];
  return last === LAST_PORT ? [0, first - 1] : undefined;
}
