// Statements in nft's JSON → the model.
import type { Expression } from '../model/expression.ts';
import type { MapEntry, VerdictMap } from '../model/inline-set.ts';
import type { ByteUnit, Match, MatchOperator, ObjectType, Statement } from '../model/statement.ts';
import type { Verdict } from '../model/verdict.ts';
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
import { readExpression, readOperand, readRight } from './nft-expression.ts';
import { readDuplicate, readForward, readNat, readTproxy } from './nft-nat.ts';
import { readValue, withProtocolNames } from './nft-value.ts';

/**
 * libnftables-json(5) "STATEMENTS". What nft has no JSON for stands in a rule as bare text; that and whatever
 * else is not understood in full is `unknown` with the JSON as it was.
 */
export function readStatement(json: Json): Statement {
  const unknown: Statement = { kind: 'unknown', raw: json };
  if (json === 'notrack') return { kind: 'notrack' };
  const [kind, body] = only(json);
  const of = object(body);
  switch (kind) {
    case 'match':
      return readMatch(of) ?? unknown;
    case 'vmap':
      return readVmap(of) ?? unknown;
    case 'accept':
    case 'drop':
    case 'continue':
    case 'return':
    case 'jump':
    case 'goto': {
      const verdict = readVerdict(json);
      return verdict === undefined ? unknown : { kind: 'verdict', verdict };
    }
    case 'reject':
      return readReject(of) ?? unknown;
    case 'counter':
      return readObject(kind, body) ?? readCounter(of);
    case 'log':
      return readLog(of) ?? unknown;
    case 'limit':
      return readObject(kind, body) ?? readLimit(of) ?? unknown;
    case 'quota':
      return readObject(kind, body) ?? readQuota(of) ?? unknown;
    case 'ct helper':
    case 'ct timeout':
    case 'ct expectation':
    case 'secmark':
    case 'tunnel':
      return readObject(kind, body) ?? unknown;
    case 'synproxy':
      return readObject(kind, body) ?? readSynproxy(of);
    case 'ct count': {
      const count = optionalNumber(of['val']);
      return count === undefined ? unknown : { kind: 'ct count', count, over: of['inv'] === true };
    }
    case 'mangle':
      return { kind: 'mangle', key: readExpression(of['key']), value: readOperand(of['value']) };
    case 'reset':
      return { kind: 'reset', option: readExpression(body) };
    case 'set':
    case 'map':
      return readDynset(of) ?? unknown;
    case 'meter':
      return readMeter(of) ?? unknown;
    case 'notrack':
      return { kind: 'notrack' };
    case 'snat':
    case 'dnat':
    case 'masquerade':
    case 'redirect':
      return readNat(kind, of) ?? unknown;
    case 'tproxy':
      return readTproxy(of) ?? unknown;
    case 'dup':
      return readDuplicate(of) ?? unknown;
    case 'fwd':
      return readForward(of) ?? unknown;
    case 'queue':
      return {
        kind: 'queue',
        queue: of['num'] === undefined ? { kind: 'number', value: 0 } : readOperand(of['num']),
        flags: list(of['flags']).map(text),
      };
    case 'flow':
      return { kind: 'flow', flowtable: text(of['flowtable']).replace(/^@/, '') };
    case 'last':
      return { kind: 'last' };
    default:
      return unknown;
  }
}

const OPERATORS: ReadonlySet<string> = new Set(['==', '!=', '<', '>', '<=', '>=', 'in', '!']);

function readMatch(of: JsonObject): Statement | undefined {
  const operator = text(of['op']);
  if (!OPERATORS.has(operator)) return undefined;
  const left = readExpression(of['left']);
  return {
    kind: 'match',
    operator: operator as MatchOperator,
    ...(readNumberPrefix(left, of['right']) ?? { left, right: namedRight(left, readRight(of['right'])) }),
  };
}

function namedRight(left: Expression, right: Match['right']): Match['right'] {
  if (right.kind === 'named' || right.kind === 'expression') return right;
  if (right.kind !== 'elements') return withProtocolNames(left, right);
  return { ...right, elements: right.elements.map((element) => withProtocolNames(left, element)) };
}

/** `meta mark & 0xffff0000 == 0x40000` comes as a prefix of 16 bits, as if the mark were an address. */
function readNumberPrefix(left: Expression, json: Json): Pick<Match, 'left' | 'right'> | undefined {
  const { addr, len } = object(object(json)['prefix']);
  const bits = bitsOf(left);
  if (typeof addr !== 'number' || typeof len !== 'number' || bits === undefined) return undefined;
  const mask = 2 ** bits - 2 ** (bits - len);
  return {
    left: { kind: 'mask', of: left, mask: { kind: 'number', value: mask } },
    right: { kind: 'number', value: addr },
  };
}

function bitsOf(left: Expression): number | undefined {
  if (left.kind === 'meta' || left.kind === 'ct') return left.key === 'mark' ? 32 : undefined;
  if (left.kind !== 'payload') return undefined;
  return left.field === 'sport' || left.field === 'dport' ? 16 : undefined;
}

function readVmap(of: JsonObject): Statement | undefined {
  const map = readVerdictMap(of['data']);
  if (map === undefined) return undefined;
  const key = readExpression(of['key']);
  if (map.kind === 'named') return { kind: 'vmap', key, map };
  const entries = map.entries.map((entry) => ({ ...entry, key: withProtocolNames(key, entry.key) }));
  return { kind: 'vmap', key, map: { kind: 'entries', entries } };
}

/** undefined when one verdict of the map is not known: then nobody can say what the map decides. */
function readVerdictMap(json: Json): VerdictMap | undefined {
  if (typeof json === 'string') return { kind: 'named', name: json.replace(/^@/, '') };
  const entries = readMapEntries(object(json)['set']);
  return entries === undefined ? undefined : { kind: 'entries', entries };
}

/** Pairs of key and verdict; undefined when one verdict is not known. */
export function readMapEntries(json: Json): readonly MapEntry[] | undefined {
  const entries: MapEntry[] = [];
  for (const pair of list(json)) {
    const [key, data] = list(pair);
    const verdict = readVerdict(data);
    if (verdict === undefined) return undefined;
    entries.push({ key: readValue(key), verdict });
  }
  return entries;
}

function readVerdict(json: Json): Verdict | undefined {
  const [kind, body] = only(json);
  switch (kind) {
    case 'accept':
    case 'drop':
    case 'continue':
    case 'return':
      return { kind };
    case 'jump':
    case 'goto': {
      const chain = object(body)['target'];
      return typeof chain === 'string' ? { kind, chain } : undefined;
    }
    default:
      return undefined;
  }
}

function readReject(of: JsonObject): Statement | undefined {
  const type = of['type'] === undefined ? 'icmpx' : text(of['type']);
  if (type !== 'tcp reset' && type !== 'icmpx' && type !== 'icmp' && type !== 'icmpv6') return undefined;
  return typeof of['expr'] === 'string'
    ? { kind: 'reject', type, code: of['expr'] }
    : type === 'icmpx'
      ? { kind: 'reject', type, code: 'port-unreachable' }
      : { kind: 'reject', type };
}

function readCounter(of: JsonObject): Statement {
  return {
    kind: 'counter',
    packets: optionalNumber(of['packets']) ?? 0,
    bytes: optionalNumber(of['bytes']) ?? 0,
  };
}

/** A named object (`"counter": "name"`) or a map to one; undefined: it is written out. */
function readObject(type: ObjectType, body: Json): Statement | undefined {
  if (typeof body === 'string') return { kind: 'object', type, name: { kind: 'symbol', name: body } };
  if (!isObject(body) || body['map'] === undefined) return undefined;
  return { kind: 'object', type, name: readOperand(body) };
}

function readLog(of: JsonObject): Statement | undefined {
  if (!hasOnly(of, ['prefix', 'level', 'group', 'flags', 'snaplen', 'queue-threshold'])) return undefined;
  return defined({
    kind: 'log',
    prefix: optionalText(of['prefix']),
    level: optionalText(of['level']),
    group: optionalNumber(of['group']),
    flags: of['flags'] === undefined ? undefined : list(of['flags']).map(text),
    snaplen: optionalNumber(of['snaplen']),
    queueThreshold: optionalNumber(of['queue-threshold']),
  });
}

/** nft's default burst (parser_bison.y `limit_burst_pkts`); 1.0.6 leaves it out of the listing. */
const DEFAULT_BURST = 5;

function readLimit(of: JsonObject): Statement | undefined {
  const rate = optionalNumber(of['rate']);
  const known = ['rate', 'burst', 'per', 'inv', 'rate_unit', 'burst_unit'];
  if (rate === undefined || !hasOnly(of, known)) return undefined;
  const unit = byteUnit(of['rate_unit']);
  const burst = optionalNumber(of['burst']) ?? 0;
  return defined({
    kind: 'limit',
    rate,
    per: text(of['per']) || 'second',
    burst: burst === 0 && unit === undefined ? DEFAULT_BURST : burst,
    over: of['inv'] === true,
    unit,
    burstUnit: unit === undefined ? undefined : byteUnit(of['burst_unit']),
  });
}

function byteUnit(json: Json): ByteUnit | undefined {
  return json === 'bytes' || json === 'kbytes' || json === 'mbytes' ? json : undefined;
}

const BYTES_IN: Readonly<Record<ByteUnit, number>> = { bytes: 1, kbytes: 1024, mbytes: 1024 * 1024 };

function readQuota(of: JsonObject): Statement | undefined {
  const value = optionalNumber(of['val']);
  if (value === undefined || !hasOnly(of, ['val', 'val_unit', 'used', 'used_unit', 'inv'])) return undefined;
  return {
    kind: 'quota',
    bytes: value * BYTES_IN[byteUnit(of['val_unit']) ?? 'bytes'],
    over: of['inv'] === true,
  };
}

function readSynproxy(of: JsonObject): Statement {
  return defined({
    kind: 'synproxy',
    mss: optionalNumber(of['mss']),
    wscale: optionalNumber(of['wscale']),
    flags: list(of['flags']).map(text),
  });
}

/** `{"val": …, "timeout": 60}` around the key of an element, or the key alone. */
function readElement(json: Json): { element: Expression; timeout: number | undefined } {
  const inside = isObject(json) ? json['elem'] : undefined;
  if (!isObject(inside)) return { element: readExpression(json), timeout: undefined };
  return { element: readExpression(inside['val']), timeout: optionalNumber(inside['timeout']) };
}

function readDynset(of: JsonObject): Statement | undefined {
  if (!hasOnly(of, ['op', 'elem', 'set', 'map', 'data', 'stmt'])) return undefined;
  const operation = text(of['op']);
  if (operation !== 'add' && operation !== 'update' && operation !== 'delete') return undefined;
  const set = optionalText(of['set']) ?? optionalText(of['map']);
  if (set === undefined) return undefined;
  return defined({
    kind: 'dynset',
    operation,
    set: set.replace(/^@/, ''),
    ...readElement(of['elem']),
    statements: list(of['stmt']).map(readStatement),
    data: of['data'] === undefined ? undefined : readOperand(of['data']),
  });
}

function readMeter(of: JsonObject): Statement | undefined {
  const { element, timeout } = readElement(of['key']);
  if (typeof of['name'] !== 'string') return undefined;
  return defined({
    kind: 'dynset',
    // What nft itself makes of a meter (evaluate.c stmt_evaluate_meter).
    operation: timeout === undefined ? 'add' : 'update',
    set: of['name'],
    element,
    statements: list(of['stmt']).map(readStatement),
    timeout,
    meter: true,
  });
}
