// A rule as the analysis looks at it: whose it is, where the packet is, and what stands for the unknown in it.
import type { FreeReason } from '../model/extension.ts';
import type { Nat } from '../model/nat.ts';
import type { Rule, Ruleset, Table } from '../model/ruleset.ts';
import type { Place } from '../semantics/reading.ts';
import { packetsWhere } from '../space/packet-set.ts';
import type { PacketSet } from '../space/packet-space.ts';
import { type Analysis, freeField } from './analysis.ts';

/** A ruleset in a run, with what was made of its sets. */
export interface RulesetView {
  readonly analysis: Analysis;
  readonly ruleset: Ruleset;
  /** Diagrams of named sets, held; by table, set and what is looked up. undefined: one rule has asked for it so far. */
  readonly sets: Map<string, PacketSet | undefined>;
  readonly ruleNames: WeakMap<Rule, string>;
  /** How many rules have this text so far. */
  readonly ruleTexts: Map<string, number>;
  /** The leaf for packets that were accepted after this rule rewrote their destination; absent: no other than for all. */
  readonly mappedLeaf?: (rule: Rule, nat: Nat) => number | undefined;
}

export function viewOf(
  analysis: Analysis,
  ruleset: Ruleset,
  options: Pick<RulesetView, 'mappedLeaf'> = {},
): RulesetView {
  return { analysis, ruleset, sets: new Map(), ruleNames: new WeakMap(), ruleTexts: new Map(), ...options };
}

export interface Scope {
  readonly view: RulesetView;
  readonly table: Table;
  readonly chain: string;
  readonly rule: Rule;
  readonly place: Place;
}

/** The packets for which something that nobody can know holds; `part` tells the unknowns of one rule apart. */
export function freeSet(scope: Scope, part: string, reason: FreeReason | 'not understood'): PacketSet {
  const field = freeNumber(scope, part, 1, reason);
  return packetsWhere(scope.view.analysis.space, { [field]: 1 });
}

/** A number that nobody can know, as the name of its field. */
export function freeNumber(
  scope: Scope,
  part: string,
  bits: number,
  reason: FreeReason | 'not understood',
): string {
  const { view, table, chain, rule } = scope;
  const onTop =
    bits === 1 &&
    !rule.statements.some(({ kind }) => SELECTS.has(kind)) &&
    table.chains.some(({ name, base }) => name === chain && base !== undefined);
  return freeField(view.analysis, `${ruleName(scope)} ${part}`, bits, { reason, rule }, onTop);
}

/** What makes a rule be about some packets. */
const SELECTS: ReadonlySet<string> = new Set(['match', 'or', 'ipset', 'vmap']);

/** The same for equal rules at the same place of two rulesets. */
function ruleName({ view, table, chain, rule }: Scope): string {
  const known = view.ruleNames.get(rule);
  if (known !== undefined) return known;
  const text = `${table.family} ${table.name} ${chain} ${JSON.stringify(rule.statements, comparable)}`;
  const times = (view.ruleTexts.get(text) ?? 0) + 1;
  view.ruleTexts.set(text, times);
  const name = `${text} ${times}`;
  view.ruleNames.set(rule, name);
  return name;
}

function comparable(key: string, value: unknown): unknown {
  if (key === 'packets' || key === 'bytes') return 0;
  return typeof value === 'bigint' ? String(value) : value;
}
