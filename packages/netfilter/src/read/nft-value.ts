// Values in nft's JSON: what a match compares with and what sets hold.
import type { Expression } from '../model/expression.ts';
import type { Value } from '../model/value.ts';
import { parseAddress } from '../net/address.ts';
import { prefixOf } from '../net/prefix.ts';
import { protocolName } from '../net/protocol.ts';
import { type Json, list, object, only, optionalNumber, text } from './json.ts';

/** libnftables-json(5) "EXPRESSIONS" that are constants; anything else is `unknown`. */
export function readValue(json: Json): Value {
  // A number beyond 2^53 has lost digits on its way through JSON.parse.
  if (typeof json === 'number') {
    return Number.isSafeInteger(json) ? { kind: 'number', value: json } : { kind: 'unknown', raw: json };
  }
  if (typeof json === 'boolean') return { kind: 'boolean', value: json };
  if (typeof json === 'string') return readText(json);
  if (Array.isArray(json)) return readFlags(json, json);
  const [kind, body] = only(json);
  switch (kind) {
    case 'range': {
      const [first, last] = list(body);
      return { kind: 'range', first: readValue(first), last: readValue(last) };
    }
    case 'prefix': {
      const address = parseAddress(text(object(body)['addr']));
      const length = optionalNumber(object(body)['len']);
      if (address === undefined || length === undefined) break;
      return { kind: 'prefix', prefix: prefixOf(address, length) };
    }
    case 'concat':
      return { kind: 'concat', parts: list(body).map(readValue) };
    case '|':
      return readFlags(list(body), json);
    case 'elem':
      // An element with a comment, a counter or a timeout of its own around the value.
      return readValue(object(body)['val']);
  }
  return { kind: 'unknown', raw: json };
}

function readText(text: string): Value {
  if (text === '*') return { kind: 'any' };
  if (/^0x[0-9a-f]{14,}$/.test(text)) return { kind: 'bytes', hex: text.slice(2) };
  const address = parseAddress(text);
  return address === undefined ? { kind: 'symbol', name: text } : { kind: 'address', address };
}

/** Bits by name or number; `{"|": [{"|": ["a", "b"]}, "c"]}` is how some versions nest three. */
function readFlags(parts: readonly Json[], raw: Json): Value {
  const flags = parts.flatMap((part) => {
    const value = readValue(part);
    return value.kind === 'flags' ? value.flags : [value];
  });
  return flags.every(({ kind }) => kind === 'symbol' || kind === 'number')
    ? { kind: 'flags', flags }
    : { kind: 'unknown', raw };
}

const PROTOCOL_FIELDS: ReadonlySet<string> = new Set([
  'meta l4proto',
  'ip protocol',
  'ip6 nexthdr',
  'ct protocol',
]);

/** nft lists a protocol by its number where the machine has no /etc/protocols, or none that knows it. */
export function withProtocolNames(left: Expression, value: Value): Value {
  if (left.kind === 'concat' && value.kind === 'concat') {
    const parts = value.parts.map((part, i) => withProtocolNames(left.parts[i] ?? left, part));
    return { kind: 'concat', parts };
  }
  if (value.kind !== 'number' || !PROTOCOL_FIELDS.has(fieldOf(left))) return value;
  const name = protocolName(value.value);
  return name === undefined ? value : { kind: 'symbol', name };
}

function fieldOf(left: Expression): string {
  if (left.kind === 'payload') return `${left.protocol} ${left.field}`;
  return left.kind === 'meta' || left.kind === 'ct' ? `${left.kind} ${left.key}` : '';
}
