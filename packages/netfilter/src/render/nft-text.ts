// Ruleset → the text that `nft -f` reads.
import type { Expression } from '../model/expression.ts';
import { isProtocol, protocolNumber } from '../model/protocol.ts';
import type {
  BaseChain,
  Chain,
  NamedSet,
  Rule,
  SetSource,
  Statement,
  Table,
  Verdict,
} from '../model/ruleset.ts';
import type { Value } from '../model/value.ts';
import { formatAddress } from '../net/address.ts';
import { formatPrefix } from '../net/prefix.ts';

const INTERFACE_KEYS: ReadonlySet<string> = new Set([
  'iifname',
  'oifname',
  'iif',
  'oif',
  'iifkind',
  'oifkind',
]);
const BARE_META_KEYS: ReadonlySet<string> = new Set(['iifname', 'oifname', 'iif', 'oif']);

/** A whole table with its sets and chains. Throws on what cannot be written: an unknown construct. */
export function renderTable(table: Table): string {
  return [
    `table ${table.family} ${table.name} {`,
    ...table.sets.map(renderSet),
    ...table.chains.map(renderChain),
    '}',
    '',
  ].join('\n');
}

/** One transaction that puts `table` in place of whatever table of that name there is, or of none. */
export function renderReplacement(table: Table): string {
  return `${renderRemoval(table)}${renderTable(table)}`;
}

/** One transaction that removes the table; it also succeeds when there is none. */
export function renderRemoval(table: Pick<Table, 'family' | 'name'>): string {
  // Naming a table creates it if need be, so that the delete cannot fail.
  const id = `${table.family} ${table.name}`;
  return `table ${id}\ndelete table ${id}\n`;
}

export function renderSet(set: NamedSet): string {
  const flags = [
    ...(set.interval ? ['interval'] : []),
    ...(set.dynamic ? ['dynamic'] : []),
    ...(set.timeout === undefined ? [] : ['timeout']),
  ];
  return [
    `  set ${set.name} {`,
    `    type ${set.type.join(' . ')}`,
    ...(flags.length > 0 ? [`    flags ${flags.join(',')}`] : []),
    ...(set.size === undefined ? [] : [`    size ${set.size}`]),
    ...(set.timeout === undefined ? [] : [`    timeout ${set.timeout}s`]),
    ...(set.elements.length > 0 ? [`    elements = { ${renderValues(set.elements, false)} }`] : []),
    '  }',
  ].join('\n');
}

export function renderChain(chain: Chain): string {
  return [
    `  chain ${chain.name} {`,
    ...(chain.base === undefined ? [] : [`    ${renderBase(chain.base)}`]),
    ...chain.rules.map((rule) => `    ${renderRule(rule)}`),
    '  }',
  ].join('\n');
}

function renderBase(base: BaseChain): string {
  return `type ${base.type} hook ${base.hook} priority ${base.priority}; policy ${base.policy};`;
}

export function renderRule(rule: Rule): string {
  const statements = rule.statements.map(renderStatement).join(' ');
  return rule.comment === undefined ? statements : `${statements} comment ${quote(rule.comment)}`;
}

export function renderStatement(statement: Statement): string {
  switch (statement.kind) {
    case 'match':
      return renderMatch(statement);
    case 'vmap': {
      const map =
        statement.map.kind === 'named'
          ? `@${statement.map.name}`
          : `{ ${statement.map.entries
              .map(({ key, verdict }) => `${renderFor(statement.key, key)} : ${renderVerdict(verdict)}`)
              .join(', ')} }`;
      return `${renderExpression(statement.key)} vmap ${map}`;
    }
    case 'verdict':
      return renderVerdict(statement.verdict);
    case 'reject':
      return statement.code === undefined || statement.type === 'tcp reset'
        ? `reject with ${statement.type}`
        : `reject with ${statement.type} ${statement.code}`;
    case 'counter':
      return 'counter';
    case 'log':
      return [
        'log',
        ...(statement.prefix === undefined ? [] : [`prefix ${quote(statement.prefix)}`]),
        ...(statement.level === undefined ? [] : [`level ${statement.level}`]),
        ...(statement.group === undefined ? [] : [`group ${statement.group}`]),
      ].join(' ');
    case 'limit':
      return `limit rate ${statement.over ? 'over ' : ''}${statement.rate}/${statement.per} burst ${statement.burst} packets`;
    case 'mangle':
      return `${renderExpression(statement.key)} set ${renderFor(statement.key, statement.value)}`;
    case 'dynset': {
      const inner = [renderExpression(statement.element), ...statement.statements.map(renderStatement)];
      return `${statement.operation} @${statement.set} { ${inner.join(' ')} }`;
    }
    case 'unknown':
      throw new Error(
        `a statement that was not understood cannot be written: ${JSON.stringify(statement.raw)}`,
      );
    default:
      throw new Error(statement satisfies never);
  }
}

function renderMatch(match: Extract<Statement, { kind: 'match' }>): string {
  const operator = match.operator === '==' || match.operator === 'in' ? '' : `${match.operator} `;
  return `${renderExpression(match.left)} ${operator}${renderRight(match.left, match.right)}`;
}

function renderRight(left: Expression, right: Value | SetSource): string {
  if (right.kind === 'named') return `@${right.name}`;
  if (right.kind === 'elements') {
    return `{ ${right.elements.map((element) => renderFor(left, element)).join(', ')} }`;
  }
  return renderFor(left, right);
}

/** Interface names stand in quotes: a bare one may be a keyword (`lo` is not, `log` is). */
function quotes(left: Expression): boolean {
  return left.kind === 'meta' && INTERFACE_KEYS.has(left.key);
}

function renderFor(left: Expression, value: Value): string {
  if (isProtocol(left) && value.kind === 'symbol') return renderProtocol(value.name);
  return renderValue(value, quotes(left));
}

/** The protocols that are words of nft's grammar (parser_bison.y `primary_rhs_expr`) and so need no look-up. */
const PROTOCOL_WORDS: Readonly<Record<string, string>> = {
  ...{ tcp: 'tcp', udp: 'udp', icmp: 'icmp', 'ipv6-icmp': 'icmpv6', igmp: 'igmp', esp: 'esp', ah: 'ah' },
};

/** nft looks other names up in /etc/protocols, which a small system does not have: those are numbers. */
function renderProtocol(name: string): string {
  return PROTOCOL_WORDS[name] ?? protocolNumber(name)?.toString() ?? name;
}

function renderValues(values: readonly Value[], quoted: boolean): string {
  return values.map((value) => renderValue(value, quoted)).join(', ');
}

export function renderValue(value: Value, quoted: boolean): string {
  switch (value.kind) {
    case 'number':
      return String(value.value);
    case 'symbol':
      return quoted ? quote(value.name) : value.name;
    case 'address':
      return formatAddress(value.address);
    case 'prefix':
      return formatPrefix(value.prefix);
    case 'range':
      return `${renderValue(value.first, quoted)}-${renderValue(value.last, quoted)}`;
    case 'concat':
      return value.parts.map((part) => renderValue(part, quoted)).join(' . ');
    case 'any':
      return '*';
    case 'unknown':
      throw new Error(`a value that was not understood cannot be written: ${JSON.stringify(value.raw)}`);
    default:
      throw new Error(value satisfies never);
  }
}

export function renderExpression(expression: Expression): string {
  switch (expression.kind) {
    case 'payload':
      return `${expression.protocol} ${expression.field}`;
    case 'meta':
      return BARE_META_KEYS.has(expression.key) ? expression.key : `meta ${expression.key}`;
    case 'ct':
      return ['ct', expression.direction, expression.family, expression.key].filter(Boolean).join(' ');
    case 'fib':
      return `fib ${expression.flags.join(' . ')} ${expression.result}`;
    case 'concat':
      return expression.parts.map(renderExpression).join(' . ');
    case 'mask':
      return `${renderExpression(expression.of)} & ${renderValue(expression.mask, false)}`;
    case 'unknown':
      throw new Error(
        `an expression that was not understood cannot be written: ${JSON.stringify(expression.raw)}`,
      );
    default:
      throw new Error(expression satisfies never);
  }
}

export function renderVerdict(verdict: Verdict): string {
  return verdict.kind === 'jump' || verdict.kind === 'goto'
    ? `${verdict.kind} ${verdict.chain}`
    : verdict.kind;
}

/** nft strings know no escapes (scanner.l `quotedstring`), so a quote inside cannot be written at all. */
function quote(text: string): string {
  if (/["\n\\]/.test(text)) throw new Error(`nft cannot quote ${JSON.stringify(text)}`);
  return `"${text}"`;
}
