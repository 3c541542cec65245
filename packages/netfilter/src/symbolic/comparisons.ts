// What the rules of a ruleset look at: each expression with the values that it is compared with.
import type { Expression, Operand } from '../model/expression.ts';
import type { SetSource } from '../model/inline-set.ts';
import { type Ipset, ipsetKey } from '../model/ipset.ts';
import type { Ruleset, Table } from '../model/ruleset.ts';
import type { Statement } from '../model/statement.ts';
import type { Value } from '../model/value.ts';

/** An expression that is made of no others, and what some rule compares it with. */
export interface Comparison {
  readonly of: Expression;
  readonly values: readonly Value[];
}

/** All comparisons of a ruleset, and reads without a comparison (a mark that is copied) with no values. */
export function comparisonsOf(ruleset: Ruleset): readonly Comparison[] {
  const known = compared.get(ruleset);
  if (known !== undefined) return known;
  const found: Comparison[] = [];
  for (const table of ruleset.tables) {
    const sets = new Map(table.sets.map((set) => [set.name, set.elements]));
    const maps = new Map(
      (table.maps ?? []).map((map): [string, readonly Value[]] => [
        map.name,
        map.entries.map(({ key }: { readonly key: Value }) => key),
      ]),
    );
    for (const [name, keys] of maps) sets.set(name, keys);
    for (const chain of table.chains)
      for (const rule of chain.rules)
        for (const statement of rule.statements) ofStatement(statement, { table, sets, ruleset }, found);
  }
  compared.set(ruleset, found);
  return found;
}

/** A ruleset never changes, and is asked several times: for each family, for its interfaces and its fields. */
const compared = new WeakMap<Ruleset, readonly Comparison[]>();

const expressions = new WeakMap<Ruleset, readonly Expression[]>();

/** What the comparisons of a ruleset are about, each once: most rules ask for the same few things. */
export function expressionsOf(ruleset: Ruleset): readonly Expression[] {
  const known = expressions.get(ruleset);
  if (known !== undefined) return known;
  const found = new Map<string, Expression>();
  const text = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);
  for (const { of } of comparisonsOf(ruleset)) found.set(JSON.stringify(of, text), of);
  const list = [...found.values()];
  expressions.set(ruleset, list);
  return list;
}

interface Names {
  readonly table: Table;
  /** Elements of named sets, keys of named maps. */
  readonly sets: ReadonlyMap<string, readonly Value[]>;
  readonly ruleset: Ruleset;
}

function ofStatement(statement: Statement, names: Names, found: Comparison[]): void {
  switch (statement.kind) {
    case 'match':
      ofExpression(statement.left, valuesOf(statement.right, names), names, found);
      ofOperand(statement.right, names, found);
      return;
    case 'vmap':
      ofExpression(statement.key, keysOf(statement.map, names), names, found);
      return;
    case 'or':
      for (const inner of statement.branches.flat()) ofStatement(inner, names, found);
      return;
    case 'mangle':
      ofOperand(statement.value, names, found);
      return;
    case 'dynset':
      for (const inner of statement.statements) ofStatement(inner, names, found);
      return;
    case 'object':
      ofOperand(statement.name, names, found);
      return;
    case 'nat':
    case 'tproxy':
      ofOperand(statement.address, names, found);
      ofOperand(statement.port, names, found);
      return;
    case 'ipset':
      ofIpset(statement.set, statement.directions, names, found, 0);
      return;
    default:
      return;
  }
}

function ofIpset(
  name: string,
  directions: readonly ('src' | 'dst')[],
  names: Names,
  found: Comparison[],
  depth: number,
): void {
  const set = names.ruleset.ipsets?.find((each) => each.name === name);
  if (set === undefined || depth > 8) return;
  if (set.method === 'list') {
    for (const { parts } of set.entries)
      if (parts[0]?.kind === 'symbol') ofIpset(parts[0].name, directions, names, found, depth + 1);
    return;
  }
  const key = ipsetKey(set, directions, names.table.family === 'ip6' ? 'ip6' : 'ip');
  for (const [i, part] of (key ?? []).entries()) {
    ofExpression(part, entryValues(set, i), names, found);
  }
}

function entryValues(set: Ipset, dimension: number): readonly Value[] {
  // Only names have to be known beforehand.
  return set.dimensions[dimension] === 'iface'
    ? set.entries.flatMap(({ parts }) => parts[dimension] ?? [])
    : [];
}

function ofOperand(right: Operand | SetSource | undefined, names: Names, found: Comparison[]): void {
  if (right?.kind === 'expression') ofExpression(right.expression, [], names, found);
}

function valuesOf(right: Operand | SetSource, names: Names): readonly Value[] {
  if (right.kind === 'named') return names.sets.get(right.name) ?? [];
  if (right.kind === 'elements') return right.elements;
  return right.kind === 'expression' ? [] : [right];
}

function keysOf(
  map:
    | { readonly kind: 'named'; readonly name: string }
    | { readonly kind: 'entries'; readonly entries: readonly { readonly key: Value }[] },
  names: Names,
): readonly Value[] {
  return map.kind === 'named' ? (names.sets.get(map.name) ?? []) : map.entries.map(({ key }) => key);
}

function ofExpression(of: Expression, values: readonly Value[], names: Names, found: Comparison[]): void {
  switch (of.kind) {
    case 'concat':
      for (const [i, part] of of.parts.entries()) {
        const parts = values.flatMap((value) => (value.kind === 'concat' ? (value.parts[i] ?? []) : []));
        ofExpression(part, parts, names, found);
      }
      return;
    case 'mask':
      ofExpression(of.of, [], names, found);
      return;
    case 'bits':
      ofExpression(of.left, [], names, found);
      ofOperand(of.right, names, found);
      return;
    case 'map':
      ofExpression(of.key, keysOf(of.map, names), names, found);
      return;
    case 'constant':
      return;
    default:
      found.push({ of, values });
  }
}
