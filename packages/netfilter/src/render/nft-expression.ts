// Expressions and values as nft text.
import type { Expression, Operand } from '../model/expression.ts';
import type { DataMap, SetSource } from '../model/inline-set.ts';
import type { Value } from '../model/value.ts';
import type { Verdict } from '../model/verdict.ts';
import { formatAddress } from '../net/address.ts';
import { formatPrefix } from '../net/prefix.ts';
import { protocolNumber } from '../net/protocol.ts';

const INTERFACE_KEYS: ReadonlySet<string> = new Set([
  'iifname',
  'oifname',
  'iif',
  'oif',
  'iifkind',
  'oifkind',
]);
const BARE_META_KEYS: ReadonlySet<string> = new Set(['iifname', 'oifname', 'iif', 'oif']);

/** Protocols that are words of nft's own (parser_bison.y `primary_rhs_expr`); it looks others up in /etc/protocols. */
const PROTOCOL_WORDS: Readonly<Record<string, string>> = {
  tcp: 'tcp',
  udp: 'udp',
  icmp: 'icmp',
  'ipv6-icmp': 'icmpv6',
  esp: 'esp',
  ah: 'ah',
};

/** Bits after `==` and in masks are or-ed; `in` and `!` take a list. */
type FlagMark = '|' | ',';

/** Interface names stand in quotes: a bare one may be a keyword (`lo` is not, `log` is). */
export function quotes(left: Expression): boolean {
  return left.kind === 'meta' && INTERFACE_KEYS.has(left.key);
}

export function renderFor(left: Expression, value: Value, mark: FlagMark = '|'): string {
  if (isProtocol(left) && value.kind === 'symbol') return renderProtocol(value.name);
  return renderValue(value, quotes(left), mark);
}

function isProtocol(expression: Expression): boolean {
  return expression.kind === 'meta' && expression.key === 'l4proto';
}

/** /etc/protocols belongs to a package that small systems do not have. */
function renderProtocol(name: string): string {
  return PROTOCOL_WORDS[name] ?? String(protocolNumber(name) ?? name);
}

/** What stands on the right of a match or after `set`. Throws on what was not understood. */
export function renderRight(left: Expression, right: Operand | SetSource, mark: FlagMark = '|'): string {
  switch (right.kind) {
    case 'named':
      return `@${right.name}`;
    case 'elements':
      return `{ ${right.elements.map((each) => renderFor(left, each)).join(', ')} }`;
    case 'expression':
      return renderExpression(right.expression);
    default:
      return renderFor(left, right, mark);
  }
}

export function renderOperand(operand: Operand): string {
  return operand.kind === 'expression' ? renderExpression(operand.expression) : renderValue(operand, false);
}

export function renderValue(value: Value, quoted: boolean, mark: FlagMark = '|'): string {
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
    case 'flags':
      return value.flags.map((flag) => renderValue(flag, false)).join(mark);
    case 'boolean':
      return value.value ? 'exists' : 'missing';
    case 'bytes':
      return `0x${value.hex}`;
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
    case 'raw payload':
      return `@${expression.base},${expression.offset},${expression.bits}`;
    case 'exthdr':
      return words(expression.field === undefined ? 'exthdr' : '', expression.name, expression.field);
    case 'tcp option':
    case 'ip option':
    case 'sctp chunk':
    case 'dccp option':
      return words(expression.kind, expression.name, expression.field);
    case 'meta':
      return BARE_META_KEYS.has(expression.key) ? expression.key : `meta ${expression.key}`;
    case 'ct':
      return words('ct', expression.direction, expression.family, expression.key);
    case 'rt':
      return words('rt', expression.family, expression.key);
    case 'fib':
      return `fib ${expression.flags.join(' . ')} ${expression.result}`;
    case 'socket':
    case 'osf':
      return `${expression.kind} ${expression.key}`;
    case 'ipsec':
      return `ipsec ${expression.direction} spnum ${expression.index} ${expression.key}`;
    case 'numgen':
      return `numgen ${expression.mode} mod ${expression.modulus} offset ${expression.offset}`;
    case 'hash': {
      const of = expression.of === undefined ? 'symhash' : `jhash ${renderExpression(expression.of)}`;
      return `${of} mod ${expression.modulus} offset ${expression.offset}`;
    }
    case 'concat':
      return expression.parts.map(renderExpression).join(' . ');
    case 'mask': {
      const mask = renderValue(expression.mask, false);
      return `${inner(expression.of)} & ${expression.mask.kind === 'flags' ? `(${mask})` : mask}`;
    }
    case 'bits':
      return `${inner(expression.left)} ${expression.operator} ${renderOperand(expression.right)}`;
    case 'map':
      return `${renderExpression(expression.key)} map ${renderDataMap(expression.key, expression.map)}`;
    case 'constant':
      return renderValue(expression.value, false);
    case 'unknown':
      throw new Error(
        `an expression that was not understood cannot be written: ${JSON.stringify(expression.raw)}`,
      );
    default:
      throw new Error(expression satisfies never);
  }
}

/** An operation inside another one stands in brackets. */
function inner(expression: Expression): string {
  const text = renderExpression(expression);
  return expression.kind === 'mask' || expression.kind === 'bits' ? `(${text})` : text;
}

function words(...parts: readonly (string | undefined)[]): string {
  return parts.filter(Boolean).join(' ');
}

export function renderDataMap(key: Expression, map: DataMap): string {
  if (map.kind === 'named') return `@${map.name}`;
  const pairs = map.entries.map(
    (entry) => `${renderFor(key, entry.key)} : ${renderValue(entry.data, false)}`,
  );
  return `{ ${pairs.join(', ')} }`;
}

export function renderVerdict(verdict: Verdict): string {
  return verdict.kind === 'jump' || verdict.kind === 'goto'
    ? `${verdict.kind} ${verdict.chain}`
    : verdict.kind;
}

/** nft strings know no escapes (scanner.l `quotedstring`), so a quote inside cannot be written at all. */
export function quote(text: string): string {
  if (/["\n\\]/.test(text)) throw new Error(`nft cannot quote ${JSON.stringify(text)}`);
  return `"${text}"`;
}
