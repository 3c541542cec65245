// One spelling for rulesets that say the same, so that sent and listed can be compared as text.
import type { Operand } from '../model/expression.ts';
import type { MapEntry, SetSource, VerdictMap } from '../model/inline-set.ts';
import type { Chain, Rule, Table } from '../model/ruleset.ts';
import type { NamedSet } from '../model/set.ts';
import type { Statement } from '../model/statement.ts';
import type { Value } from '../model/value.ts';
import type { IpFamily } from '../net/address.ts';
import { type Interval, intervalSet } from '../net/interval.ts';
import { intervalPrefixes, prefixInterval } from '../net/prefix.ts';
import { renderValue, renderVerdict } from './nft-expression.ts';
import { renderRule, renderSet } from './nft-text.ts';

/**
 * The lines of a table in an order and a spelling that depend on its meaning only: sets sorted and merged, as
 * nft itself merges them; counters, handles and the contents of dynamic sets left out. A construct that was
 * not understood becomes a line of its own that equals nothing else.
 */
export function canonicalLines(table: Table): ReadonlyMap<string, readonly string[]> {
  const known = spelled.get(table);
  if (known !== undefined) return known;
  const lines = new Map<string, readonly string[]>();
  if (table.dormant) lines.set('table', ['dormant: the kernel does not call its chains']);
  for (const set of table.sets) lines.set(`set ${set.name}`, [canonicalSet(set)]);
  for (const chain of table.chains) lines.set(`chain ${chain.name}`, canonicalChain(chain));
  spelled.set(table, lines);
  return lines;
}

/** One change asks for the same tables several times: what is wanted, what was there. */
const spelled = new WeakMap<Table, ReadonlyMap<string, readonly string[]>>();

function canonicalSet(set: NamedSet): string {
  const elements = set.dynamic ? [] : mergeValues(set.elements);
  const { expires: _, ...declared } = set;
  return renderSet({ ...declared, interval: false, elements });
}

function canonicalChain(chain: Chain): readonly string[] {
  const { base } = chain;
  const head = base === undefined ? 'chain' : `${base.type} ${base.hook} ${base.priority} ${base.policy}`;
  return [head, ...chain.rules.map(canonicalRule)];
}

/** A rule as nft text in canonical spelling. */
function canonicalRule(rule: Rule): string {
  try {
    return renderRule({
      ...(rule.comment === undefined ? {} : { comment: rule.comment }),
      statements: rule.statements.map(canonicalStatement),
    });
  } catch {
    return `not understood: ${JSON.stringify(rule.statements)}`;
  }
}

function canonicalStatement(statement: Statement): Statement {
  switch (statement.kind) {
    case 'match':
      return { ...statement, right: canonicalRight(statement.right) };
    case 'vmap':
      return { ...statement, map: canonicalMap(statement.map) };
    case 'counter':
      return { ...statement, packets: 0, bytes: 0 };
    case 'dynset':
      return { ...statement, statements: statement.statements.map(canonicalStatement) };
    default:
      return statement;
  }
}

function canonicalRight(right: Operand | SetSource): Operand | SetSource {
  if (right.kind === 'named' || right.kind === 'expression') return right;
  if (right.kind !== 'elements' && right.kind !== 'prefix' && right.kind !== 'range') return right;
  // nft lists a set whose elements are next to each other as the range that they are, and takes either.
  const merged = mergeValues(right.kind === 'elements' ? right.elements : [right]);
  // A set of one is a plain comparison.
  return merged.length === 1 ? merged[0]! : { kind: 'elements', elements: merged };
}

function canonicalMap(map: VerdictMap): VerdictMap {
  if (map.kind === 'named') return map;
  const keyed = map.entries.map((entry): [string, MapEntry] => [
    `${renderValue(canonicalValue(entry.key), false)} : ${renderVerdict(entry.verdict)}`,
    { key: canonicalValue(entry.key), verdict: entry.verdict },
  ]);
  keyed.sort(([a], [b]) => (a < b ? -1 : 1));
  return { kind: 'entries', entries: keyed.map(([, entry]) => entry) };
}

/** A prefix, a range of addresses and a single one are all prefixes where one prefix can say it. */
function canonicalValue(value: Value): Value {
  if (value.kind === 'concat') return { kind: 'concat', parts: value.parts.map(canonicalValue) };
  if (value.kind === 'prefix' || value.kind === 'range') {
    const merged = mergeValues([value]);
    if (merged.length === 1) return merged[0]!;
  }
  return value;
}

/**
 * Merges numbers, and addresses of each family, into the fewest disjoint values, sorted; other values are
 * sorted by their text.
 */
function mergeValues(values: readonly Value[]): readonly Value[] {
  const numbers: Interval<number>[] = [];
  const addresses: Record<IpFamily, Interval<bigint>[]> = { ipv4: [], ipv6: [] };
  const others: Value[] = [];
  for (const value of values) {
    if (value.kind === 'number') numbers.push({ first: value.value, last: value.value });
    else if (value.kind === 'address') {
      addresses[value.address.family].push({ first: value.address.value, last: value.address.value });
    } else if (value.kind === 'prefix') addresses[value.prefix.family].push(prefixInterval(value.prefix));
    else if (value.kind === 'range') {
      const { first, last } = value;
      if (first.kind === 'number' && last.kind === 'number') {
        numbers.push({ first: first.value, last: last.value });
      } else if (first.kind === 'address' && last.kind === 'address') {
        addresses[first.address.family].push({ first: first.address.value, last: last.address.value });
      } else others.push(value);
    } else others.push(canonicalValue(value));
  }
  const text = new Map(others.map((value) => [renderValue(value, true), value]));
  return [
    ...intervalSet(numbers).map(numberValue),
    ...(['ipv4', 'ipv6'] as const).flatMap((family) =>
      intervalSet(addresses[family]).flatMap((interval) => addressValues(family, interval)),
    ),
    ...[...text.keys()].sort().map((key) => text.get(key)!),
  ];
}

function numberValue({ first, last }: Interval<number>): Value {
  if (first === last) return { kind: 'number', value: first };
  return { kind: 'range', first: { kind: 'number', value: first }, last: { kind: 'number', value: last } };
}

function addressValues(family: IpFamily, interval: Interval<bigint>): Value[] {
  return intervalPrefixes(family, interval).map((prefix) => ({ kind: 'prefix', prefix }));
}
