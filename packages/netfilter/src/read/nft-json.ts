// What `nft -j list …` prints → Ruleset. What is not understood stays in the ruleset as `unknown`.
import type {
  BaseChain,
  Chain,
  Flowtable,
  NamedObject,
  Rule,
  Ruleset,
  Table,
  TableFamily,
} from '../model/ruleset.ts';
import type { NamedMap, NamedSet } from '../model/set.ts';
import type { ObjectType } from '../model/statement.ts';
import {
  defined,
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
import { readMap, readSet } from './nft-set.ts';
import { readStatement } from './nft-statement.ts';

/** A table while its objects come in. */
interface Draft {
  readonly family: TableFamily;
  readonly name: string;
  dormant: boolean;
  readonly sets: NamedSet[];
  readonly maps: NamedMap[];
  readonly objects: NamedObject[];
  readonly flowtables: Flowtable[];
  readonly chains: Chain[];
  readonly unknown: Json[];
}

const OBJECT_TYPES: ReadonlySet<string> = new Set<ObjectType>([
  'counter',
  'quota',
  'limit',
  'ct helper',
  'ct timeout',
  'ct expectation',
  'synproxy',
  'secmark',
  'tunnel',
]);

/**
 * Reads the parsed JSON of `nft -j list ruleset` or `nft -j list table …` (libnftables-json(5)), of nft 1.0 and
 * 1.1. Lists of commands (`{"add": {…}}`), as nft also takes them, are read as what they add.
 */
export function readNftJson(json: Json): Ruleset {
  const drafts = new Map<string, Draft>();
  const rules = new Map<string, Rule[]>();
  const draftOf = (of: JsonObject, nameKey: string): Draft => {
    const family = text(of['family']) as TableFamily;
    const name = text(of[nameKey]);
    const key = `${family} ${name}`;
    const known = drafts.get(key);
    if (known !== undefined) return known;
    const fresh: Draft = {
      family,
      name,
      dormant: false,
      sets: [],
      maps: [],
      objects: [],
      flowtables: [],
      chains: [],
      unknown: [],
    };
    drafts.set(key, fresh);
    return fresh;
  };
  const rulesOf = (draft: Draft, chain: string): Rule[] => {
    const key = `${draft.family} ${draft.name} ${chain}`;
    const known = rules.get(key);
    if (known !== undefined) return known;
    const fresh: Rule[] = [];
    rules.set(key, fresh);
    return fresh;
  };
  for (const item of list(object(json)['nftables'])) {
    const [kind, body] = added(item);
    if (kind === 'metainfo' || !isObject(body)) continue;
    const draft = draftOf(body, kind === 'table' ? 'name' : 'table');
    const name = text(body['name']);
    if (kind === 'table') draft.dormant = list(body['flags']).some(isDormant);
    else if (kind === 'set' || (kind === 'meter' && body['type'] !== undefined)) {
      draft.sets.push(readSet(body));
    } else if (kind === 'map') {
      const map = readMap(body);
      if (map === undefined) draft.unknown.push(item);
      else draft.maps.push(map);
    } else if (kind === 'chain') draft.chains.push(readChain(body, rulesOf(draft, name)));
    else if (kind === 'rule') rulesOf(draft, text(body['chain'])).push(readRule(body));
    else if (kind === 'flowtable') draft.flowtables.push(readFlowtable(body));
    else if (OBJECT_TYPES.has(kind)) {
      draft.objects.push({ type: kind as ObjectType, name, settings: body });
    } else draft.unknown.push(item);
  }
  return { tables: [...drafts.values()].map(finish) };
}

/**
 * nft up to 1.0.8 prints memory that it has freed where one flag stands, such as the table's name (json.c,
 * `table_flags_json`); `dormant` is the one that its versions let a table keep.
 */
function isDormant(flag: Json): boolean {
  return flag !== 'owner' && flag !== 'persist';
}

/** `{"add": {"rule": …}}` and `{"rule": …}` alike. */
function added(item: Json): readonly [string, Json] {
  const [kind, body] = only(item);
  return kind === 'add' || kind === 'create' ? only(body) : [kind, body];
}

/** Only what is there: an empty list of maps is no list. */
function finish(draft: Draft): Table {
  const some = <T>(items: readonly T[]): readonly T[] | undefined => (items.length === 0 ? undefined : items);
  return defined({
    family: draft.family,
    name: draft.name,
    source: 'nft',
    dormant: draft.dormant || undefined,
    sets: draft.sets,
    maps: some(draft.maps),
    objects: some(draft.objects),
    flowtables: some(draft.flowtables),
    chains: draft.chains,
    unknown: some(draft.unknown),
  }) as Table;
}

function readChain(of: JsonObject, rules: readonly Rule[]): Chain {
  const name = text(of['name']);
  if (typeof of['hook'] !== 'string') return { name, rules };
  const base = defined({
    type: text(of['type']),
    hook: of['hook'],
    priority: optionalNumber(of['prio']) ?? 0,
    policy: text(of['policy']) || 'accept',
    devices: of['dev'] === undefined ? undefined : list(of['dev']).map(text),
  }) as BaseChain;
  return { name, base, rules };
}

function readRule(of: JsonObject): Rule {
  const handle = optionalNumber(of['handle']);
  return defined({
    comment: optionalText(of['comment']),
    handle,
    statements: list(of['expr']).map(readStatement),
    origin: defined({
      source: 'nft' as const,
      family: text(of['family']),
      table: text(of['table']),
      chain: text(of['chain']),
      handle,
      raw: of['expr'],
    }),
  });
}

function readFlowtable(of: JsonObject): Flowtable {
  return {
    name: text(of['name']),
    hook: text(of['hook']),
    priority: optionalNumber(of['prio']) ?? 0,
    devices: list(of['dev']).map(text),
  };
}
