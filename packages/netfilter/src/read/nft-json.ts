// What `nft -j list …` prints → Ruleset. What is not understood stays in the ruleset as `unknown`.
import type { Expression } from '../model/expression.ts';
import type {
  BaseChain,
  Chain,
  MapEntry,
  NamedSet,
  Rule,
  Ruleset,
  SetSource,
  Statement,
  Table,
  TableFamily,
  Verdict,
  VerdictMap,
} from '../model/ruleset.ts';
import type { Value } from '../model/value.ts';
import { parseAddress } from '../net/address.ts';
import { prefixOf } from '../net/prefix.ts';
import { protocolName } from '../net/protocol.ts';

type Json = unknown;
type JsonObject = { readonly [key: string]: Json };

function isObject(json: Json): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function object(json: Json): JsonObject {
  return isObject(json) ? json : {};
}

function text(json: Json): string {
  return typeof json === 'string' ? json : '';
}

function optionalNumber(json: Json): number | undefined {
  return typeof json === 'number' ? json : undefined;
}

/** A list that nft prints as a bare value when it has one member. */
function list(json: Json): readonly Json[] {
  if (json === undefined || json === null) return [];
  return Array.isArray(json) ? json : [json];
}

/**
 * Reads the parsed JSON of `nft -j list ruleset` or `nft -j list table …` (libnftables-json(5)). Objects that
 * the model has no room for (maps of data, counters, flowtables) are left out of the tables.
 */
export function readNftJson(json: Json): Ruleset {
  const tables = new Map<string, { family: TableFamily; name: string; sets: NamedSet[]; chains: Chain[] }>();
  const rules = new Map<string, Rule[]>();
  const tableOf = (of: JsonObject, nameKey: string) => {
    const family = text(of['family']) as TableFamily;
    const name = text(of[nameKey]);
    const key = `${family} ${name}`;
    const table = tables.get(key) ?? { family, name, sets: [], chains: [] };
    tables.set(key, table);
    return { key, table };
  };
  for (const item of list(object(json)['nftables'])) {
    const [kind, body] = Object.entries(object(item))[0] ?? ['', {}];
    const of = object(body);
    if (kind === 'table') tableOf(of, 'name');
    else if (kind === 'set') tableOf(of, 'table').table.sets.push(readSet(of));
    else if (kind === 'chain') {
      const { key, table } = tableOf(of, 'table');
      const chainRules: Rule[] = [];
      rules.set(`${key} ${text(of['name'])}`, chainRules);
      table.chains.push(readChain(of, chainRules));
    } else if (kind === 'rule') {
      const { key } = tableOf(of, 'table');
      rules.get(`${key} ${text(of['chain'])}`)?.push(readRule(of));
    }
  }
  return { tables: [...tables.values()] satisfies Table[] };
}

function readSet(of: JsonObject): NamedSet {
  const flags = list(of['flags']).map(text);
  const timeout = optionalNumber(of['timeout']);
  const size = optionalNumber(of['size']);
  return {
    name: text(of['name']),
    type: list(of['type']).map(text),
    interval: flags.includes('interval'),
    // nft 1.0.6 does not print the flag `dynamic`; of ours only the sets that packets fill have a timeout.
    dynamic: flags.includes('dynamic') || flags.includes('timeout'),
    ...(timeout === undefined ? {} : { timeout }),
    ...(size === undefined ? {} : { size }),
    elements: list(of['elem']).map(readValue),
  };
}

function readChain(of: JsonObject, rules: readonly Rule[]): Chain {
  const name = text(of['name']);
  if (typeof of['hook'] !== 'string') return { name, rules };
  const base = {
    type: text(of['type']),
    hook: of['hook'],
    priority: optionalNumber(of['prio']) ?? 0,
    policy: text(of['policy']) || 'accept',
  } as BaseChain;
  return { name, base, rules };
}

function readRule(of: JsonObject): Rule {
  const handle = optionalNumber(of['handle']);
  return {
    ...(typeof of['comment'] === 'string' ? { comment: of['comment'] } : {}),
    ...(handle === undefined ? {} : { handle }),
    statements: list(of['expr']).map(readStatement),
  };
}

function readStatement(json: Json): Statement {
  const unknown: Statement = { kind: 'unknown', raw: json };
  const [kind, body] = Object.entries(object(json))[0] ?? ['', undefined];
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
      return typeof body === 'string'
        ? unknown
        : {
            kind: 'counter',
            packets: optionalNumber(of['packets']) ?? 0,
            bytes: optionalNumber(of['bytes']) ?? 0,
          };
    case 'log':
      return readLog(of) ?? unknown;
    case 'limit':
      return readLimit(of) ?? unknown;
    case 'mangle':
      return { kind: 'mangle', key: readExpression(of['key']), value: readValue(of['value']) };
    case 'set':
      return readDynset(of) ?? unknown;
    default:
      return unknown;
  }
}

const OPERATORS: ReadonlySet<string> = new Set(['==', '!=', '<', '>', '<=', '>=', 'in']);

function readMatch(of: JsonObject): Statement | undefined {
  const operator = text(of['op']);
  if (!OPERATORS.has(operator)) return undefined;
  const left = readExpression(of['left']);
  const right = readRight(of['right']);
  return {
    kind: 'match',
    operator: operator as Extract<Statement, { kind: 'match' }>['operator'],
    left,
    right:
      right.kind === 'named'
        ? right
        : right.kind === 'elements'
          ? { ...right, elements: right.elements.map((element) => named(left, element)) }
          : named(left, right),
  };
}

/** nft lists a protocol by its number where the machine has no /etc/protocols, or none that knows it. */
function named(left: Expression, value: Value): Value {
  if (left.kind !== 'meta' || left.key !== 'l4proto' || value.kind !== 'number') return value;
  const name = protocolName(value.value);
  return name === undefined ? value : { kind: 'symbol', name };
}

function readRight(json: Json): Value | SetSource {
  // Alternatives without braces: `ct state established,related`.
  if (Array.isArray(json)) return { kind: 'elements', elements: json.map(readValue) };
  if (typeof json === 'string' && json.startsWith('@')) return { kind: 'named', name: json.slice(1) };
  if (isObject(json) && json['set'] !== undefined) {
    return { kind: 'elements', elements: list(json['set']).map(readValue) };
  }
  return readValue(json);
}

function readVmap(of: JsonObject): Statement | undefined {
  const map = readVerdictMap(of['data']);
  if (map === undefined) return undefined;
  const key = readExpression(of['key']);
  return {
    kind: 'vmap',
    key,
    map:
      map.kind === 'named'
        ? map
        : {
            kind: 'entries',
            entries: map.entries.map((entry) => ({ ...entry, key: named(key, entry.key) })),
          },
  };
}

/** undefined when one verdict of the map is not known: then nobody can say what the map decides. */
function readVerdictMap(json: Json): VerdictMap | undefined {
  if (typeof json === 'string') return { kind: 'named', name: json.replace(/^@/, '') };
  const entries: MapEntry[] = [];
  for (const pair of list(object(json)['set'])) {
    const [key, data] = list(pair);
    const verdict = readVerdict(data);
    if (verdict === undefined) return undefined;
    entries.push({ key: readValue(key), verdict });
  }
  return { kind: 'entries', entries };
}

function readVerdict(json: Json): Verdict | undefined {
  const [kind, body] = Object.entries(object(json))[0] ?? ['', undefined];
  switch (kind) {
    case 'accept':
    case 'drop':
    case 'continue':
    case 'return':
      return { kind };
    case 'jump':
    case 'goto':
      return { kind, chain: text(object(body)['target']) };
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

function readLog(of: JsonObject): Statement | undefined {
  const known = ['prefix', 'level', 'group'];
  if (Object.keys(of).some((key) => !known.includes(key))) return undefined;
  const group = optionalNumber(of['group']);
  return {
    kind: 'log',
    ...(typeof of['prefix'] === 'string' ? { prefix: of['prefix'] } : {}),
    ...(typeof of['level'] === 'string' ? { level: of['level'] } : {}),
    ...(group === undefined ? {} : { group }),
  };
}

/** nft's default burst (parser_bison.y `limit_burst_pkts`); 1.0.6 leaves it out of the listing. */
const DEFAULT_BURST = 5;

function readLimit(of: JsonObject): Statement | undefined {
  const rate = optionalNumber(of['rate']);
  if (rate === undefined || of['rate_unit'] !== undefined) return undefined;
  const burst = optionalNumber(of['burst']);
  return {
    kind: 'limit',
    rate,
    per: text(of['per']) || 'second',
    burst: burst === undefined || burst === 0 ? DEFAULT_BURST : burst,
    over: of['inv'] === true,
  };
}

function readDynset(of: JsonObject): Statement | undefined {
  const operation = text(of['op']);
  if (operation !== 'add' && operation !== 'update') return undefined;
  const element = object(of['elem']);
  const inside = isObject(element['elem']) ? element['elem']['val'] : of['elem'];
  return {
    kind: 'dynset',
    operation,
    set: text(of['set']).replace(/^@/, ''),
    element: readExpression(inside),
    statements: list(of['stmt']).map(readStatement),
  };
}

function readExpression(json: Json): Expression {
  const [kind, body] = Object.entries(object(json))[0] ?? ['', undefined];
  const of = object(body);
  switch (kind) {
    case 'payload':
      if (typeof of['protocol'] !== 'string' || typeof of['field'] !== 'string') break;
      return { kind: 'payload', protocol: of['protocol'], field: of['field'] };
    case 'meta':
      return { kind: 'meta', key: text(of['key']) };
    case 'ct':
      return {
        kind: 'ct',
        key: text(of['key']),
        ...(typeof of['dir'] === 'string' ? { direction: of['dir'] } : {}),
        ...(typeof of['family'] === 'string' ? { family: of['family'] } : {}),
      };
    case 'fib':
      return { kind: 'fib', result: text(of['result']), flags: list(of['flags']).map(text) };
    case 'concat':
      return { kind: 'concat', parts: list(body).map(readExpression) };
    case '&': {
      const [left, mask] = list(body);
      return { kind: 'mask', of: readExpression(left), mask: readValue(mask) };
    }
  }
  return { kind: 'unknown', raw: json };
}

function readValue(json: Json): Value {
  if (typeof json === 'number') return { kind: 'number', value: json };
  if (json === '*') return { kind: 'any' };
  if (typeof json === 'string') {
    const address = parseAddress(json);
    return address === undefined ? { kind: 'symbol', name: json } : { kind: 'address', address };
  }
  const [kind, body] = Object.entries(object(json))[0] ?? ['', undefined];
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
    case 'elem':
      // An element with a comment, a counter or a timeout of its own around the value.
      return readValue(object(body)['val']);
  }
  return { kind: 'unknown', raw: json };
}
