// Expressions in nft's JSON: what a rule reads.
import type { Expression, Operand } from '../model/expression.ts';
import type { DataEntry, DataMap, SetSource } from '../model/inline-set.ts';
import type { Value } from '../model/value.ts';
import {
  defined,
  hasOnly,
  isObject,
  type Json,
  type JsonObject,
  list,
  object,
  only,
  optionalNumber,
  optionalText,
  text,
} from './json.ts';
import { readValue } from './nft-value.ts';

/** libnftables-json(5) "EXPRESSIONS"; what is not known is `unknown`. */
export function readExpression(json: Json): Expression {
  const unknown: Expression = { kind: 'unknown', raw: json };
  const [kind, body] = only(json);
  const of = object(body);
  switch (kind) {
    case 'payload':
      return readPayload(of) ?? unknown;
    case 'meta':
      return typeof of['key'] === 'string' ? { kind: 'meta', key: of['key'] } : unknown;
    case 'ct':
      return readCt(of) ?? unknown;
    case 'rt': {
      const key = optionalText(of['key']);
      return key === undefined ? unknown : defined({ kind, key, family: optionalText(of['family']) });
    }
    case 'fib':
      return { kind: 'fib', result: text(of['result']), flags: list(of['flags']).map(text) };
    case 'exthdr':
    case 'tcp option':
    case 'ip option':
    case 'sctp chunk':
    case 'dccp option':
      return readHeaderPart(kind, of) ?? unknown;
    case 'socket':
    case 'osf':
      return typeof of['key'] === 'string' ? { kind, key: of['key'] } : unknown;
    case 'ipsec':
      return readIpsec(of) ?? unknown;
    case 'numgen':
      return readNumgen(of) ?? unknown;
    case 'jhash':
    case 'symhash':
      return readHash(of) ?? unknown;
    case 'concat':
      return { kind: 'concat', parts: list(body).map(readPart) };
    case 'map': {
      const map = readDataMap(of['data']);
      return map === undefined ? unknown : { kind: 'map', key: readExpression(of['key']), map };
    }
    case '&':
    case '|':
    case '^':
    case '<<':
    case '>>':
      return readBits(kind, list(body)) ?? unknown;
    default:
      return unknown;
  }
}

/** A constant or an expression. A `|` of names alone is a constant, one with a field in it is not. */
export function readOperand(json: Json): Operand {
  const value = readValue(json);
  if (!holdsUnknown(value)) return value;
  const expression = readExpression(json);
  return expression.kind === 'unknown' ? value : { kind: 'expression', expression };
}

function holdsUnknown(value: Value): boolean {
  return value.kind === 'unknown' || (value.kind === 'concat' && value.parts.some(holdsUnknown));
}

/** What stands on the right of a match. */
export function readRight(json: Json): Operand | SetSource {
  if (typeof json === 'string' && json.startsWith('@')) return { kind: 'named', name: json.slice(1) };
  if (isObject(json) && json['set'] !== undefined) {
    return { kind: 'elements', elements: list(json['set']).map(readValue) };
  }
  return readOperand(json);
}

/** undefined when it is neither a name nor pairs. */
function readDataMap(json: Json): DataMap | undefined {
  if (typeof json === 'string') return { kind: 'named', name: json.replace(/^@/, '') };
  if (!isObject(json) || json['set'] === undefined) return undefined;
  return { kind: 'entries', entries: list(json['set']).map(readDataEntry) };
}

export function readDataEntry(json: Json): DataEntry {
  const [key, data] = list(json);
  return { key: readValue(key), data: readValue(data) };
}

function readPayload(of: JsonObject): Expression | undefined {
  if (of['tunnel'] !== undefined) return undefined;
  if (typeof of['protocol'] === 'string' && typeof of['field'] === 'string') {
    return { kind: 'payload', protocol: of['protocol'], field: of['field'] };
  }
  const { base, offset, len } = of;
  if (typeof base !== 'string' || typeof offset !== 'number' || typeof len !== 'number') return undefined;
  return { kind: 'raw payload', base, offset, bits: len };
}

function readCt(of: JsonObject): Expression | undefined {
  const name = optionalText(of['key']);
  if (name === undefined || !hasOnly(of, ['key', 'dir', 'family'])) return undefined;
  // `ip saddr` is the key `saddr` with its family in front.
  const [, family = optionalText(of['family']), key = name] = /^(ip6?) (.*)$/.exec(name) ?? [];
  return defined({ kind: 'ct', key, direction: optionalText(of['dir']), family });
}

function readHeaderPart(
  kind: 'exthdr' | 'tcp option' | 'ip option' | 'sctp chunk' | 'dccp option',
  of: JsonObject,
): Expression | undefined {
  if (kind === 'dccp option' && typeof of['type'] === 'number') return { kind, name: String(of['type']) };
  // An offset other than 0 asks for a later header of the kind.
  if (typeof of['name'] !== 'string' || (optionalNumber(of['offset']) ?? 0) !== 0) return undefined;
  if (!hasOnly(of, ['name', 'field', 'offset'])) return undefined;
  return defined({ kind, name: of['name'], field: optionalText(of['field']) });
}

function readIpsec(of: JsonObject): Expression | undefined {
  const key = [optionalText(of['family']), optionalText(of['key'])].filter(Boolean).join(' ');
  if (key === '' || typeof of['dir'] !== 'string') return undefined;
  return { kind: 'ipsec', key, direction: of['dir'], index: optionalNumber(of['spnum']) ?? 0 };
}

function readNumgen(of: JsonObject): Expression | undefined {
  const modulus = optionalNumber(of['mod']);
  if (modulus === undefined) return undefined;
  return { kind: 'numgen', mode: text(of['mode']), modulus, offset: optionalNumber(of['offset']) ?? 0 };
}

function readHash(of: JsonObject): Expression | undefined {
  const modulus = optionalNumber(of['mod']);
  if (modulus === undefined) return undefined;
  const offset = optionalNumber(of['offset']) ?? 0;
  return of['expr'] === undefined
    ? { kind: 'hash', modulus, offset }
    : { kind: 'hash', of: readExpression(of['expr']), modulus, offset };
}

function readPart(json: Json): Expression {
  const operand = readOperand(json);
  if (operand.kind === 'expression') return operand.expression;
  return operand.kind === 'unknown' ? operand : { kind: 'constant', value: operand };
}

/** nft 1.1 prints `a | b | c` as one list, 1.0 nests two by two. */
function readBits(operator: '&' | '|' | '^' | '<<' | '>>', parts: readonly Json[]): Expression | undefined {
  const [first, ...others] = parts;
  if (first === undefined || others.length === 0) return undefined;
  return others.reduce<Expression>((left, part) => {
    const right = readOperand(part);
    return operator === '&' && right.kind !== 'expression'
      ? { kind: 'mask', of: left, mask: right }
      : { kind: 'bits', operator, left, right };
  }, readExpression(first));
}
