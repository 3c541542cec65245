// Neighbouring rules that only compare fields and then decide: looked at all at once.
import type { Rule } from '../model/ruleset.ts';
import type { Statement } from '../model/statement.ts';
import { rejectNeeds } from '../semantics/reading.ts';
import { isConstant, LEAF, thenDecide } from '../space/decision.ts';
import { firstMatch, type ReadRow, readRow } from '../space/first-match.ts';
import type { Decision, PacketSpace } from '../space/packet-space.ts';
import { ALWAYS, both, type Condition, conditionMatch, isNever } from './condition.ts';
import type { Ends } from './ends.ts';
import { needed } from './need.ts';
import type { Scope } from './scope.ts';
import { statementCondition } from './statement-condition.ts';

/** In a chain that is looked at alone: its base chain accepted. */
export const ACCEPTED = 5;
/** In a part of a chain: no rule of it decided. */
export const NEXT = 6;

/** Fewer simple rules are as quickly put one before the other. */
const FEW = 8;

export interface RuleBlock {
  readonly from: number;
  readonly to: number;
  readonly isSimple: boolean;
}

/** The rules in order, long stretches of simple ones apart from the others. */
export function ruleBlocks(rules: readonly Rule[]): RuleBlock[] {
  const blocks: RuleBlock[] = [];
  const add = (from: number, to: number, isSimple: boolean): void => {
    const last = blocks.at(-1);
    if (last?.isSimple === false && !isSimple) blocks[blocks.length - 1] = { ...last, to };
    else if (from < to) blocks.push({ from, to, isSimple });
  };
  for (let from = 0; from < rules.length; ) {
    let to = from;
    while (to < rules.length && isSimple(rules[to]!)) to++;
    if (to - from >= FEW) add(from, to, true);
    else add(from, Math.max(to, from + 1), false);
    from = Math.max(to, from + 1);
  }
  return blocks;
}

const COMPARES: ReadonlySet<string> = new Set(['match', 'or', 'limit', 'quota', 'ct count', 'ipset', 'free']);
const ENDS: ReadonlySet<string> = new Set(['accept', 'drop', 'return', 'continue']);

/** What changes neither the packet nor its way. */
export function isInert({ kind }: Statement): boolean {
  return kind === 'counter' || kind === 'log' || kind === 'last';
}

/** Conditions, and then at most one verdict that ends the chain. */
function isSimple({ statements }: Rule): boolean {
  return statements.every(
    (statement, i) =>
      COMPARES.has(statement.kind) ||
      isInert(statement) ||
      (i === statements.length - 1 &&
        (statement.kind === 'reject' || (statement.kind === 'verdict' && ENDS.has(statement.verdict.kind)))),
  );
}

/**
 * Simple rules from `from` up to `to` as rows, as many of the last ones as can be looked at together: from `from` of the
 * answer on. undefined: not even the last one.
 */
export function simpleRows(
  scope: Omit<Scope, 'rule'>,
  rules: readonly Rule[],
  from: number,
  to: number,
  ends: Ends,
): { readonly rows: readonly ReadRow[]; readonly from: number } | undefined {
  const { space } = scope.view.analysis;
  const rows: ReadRow[] = [];
  let end = 0;
  let top = Number.POSITIVE_INFINITY;
  let begin = to;
  for (; begin > from; begin--) {
    const rule = rules[begin - 1]!;
    const leaf = leafOf(rule, ends);
    if (leaf === undefined) continue;
    const condition = ruleCondition({ ...scope, rule });
    if (condition === undefined || isNever(condition)) continue;
    const row = readRow(space, { match: conditionMatch(condition), sets: condition.sets, leaf });
    if (row === undefined || Math.max(end, row.end) > Math.min(top, row.top)) break;
    end = Math.max(end, row.end);
    top = Math.min(top, row.top);
    rows.push(row);
  }
  return begin === to ? undefined : { rows: rows.reverse(), from: begin };
}

/** What the rows decide, and where none of them does NEXT. undefined: see `firstMatch`. */
export function rowsDecision(space: PacketSpace, rows: readonly ReadRow[], ends: Ends): Decision | undefined {
  let decision = firstMatch(space, rows, NEXT);
  if (decision === undefined) return undefined;
  if (!isConstant(ends.accept)) decision = thenDecide(decision, ends.accept, ACCEPTED);
  return isConstant(ends.fall) ? decision : thenDecide(decision, ends.fall, LEAF.fall);
}

/** The leaf with which the rule ends the chain; undefined: it does not. */
function leafOf({ statements }: Rule, { accept, fall }: Ends): number | undefined {
  const last = statements.at(-1);
  if (last?.kind === 'reject') return LEAF.reject;
  if (last?.kind !== 'verdict') return undefined;
  switch (last.verdict.kind) {
    case 'accept':
      return isConstant(accept) ? accept.node : ACCEPTED;
    case 'return':
      return isConstant(fall) ? fall.node : LEAF.fall;
    case 'drop':
      return LEAF.drop;
    default:
      return undefined;
  }
}

/** All that a simple rule asks for; undefined: it can never decide. */
function ruleCondition(scope: Scope): Condition | undefined {
  let all = ALWAYS;
  for (const [i, statement] of ofOneProtocol(scope.rule.statements).entries()) {
    const part = String(i);
    if (statement.kind === 'reject') {
      const needs = rejectNeeds(statement, scope.place);
      if (needs === 'nothing') return undefined;
      all = both(needed(scope, needs, ALWAYS, part), all);
    } else all = both(all, statementCondition(scope, statement, part) ?? ALWAYS);
  }
  return all;
}

const WITH_PORTS: ReadonlySet<string> = new Set(['tcp', 'udp', 'udplite', 'sctp', 'dccp']);

/**
 * `th dport` of a rule that is about one protocol is that protocol's port: what the bytes there would be in packets of
 * others need not be asked.
 */
export function ofOneProtocol(statements: readonly Statement[]): readonly Statement[] {
  let protocol: string | undefined;
  for (const statement of statements) {
    if (statement.kind !== 'match' || statement.operator !== '==' || statement.right.kind !== 'symbol')
      continue;
    const { left, right } = statement;
    if (left.kind === 'meta' && left.key === 'l4proto' && WITH_PORTS.has(right.name)) protocol = right.name;
  }
  if (protocol === undefined) return statements;
  return statements.map((statement) => {
    if (statement.kind !== 'match' || statement.left.kind !== 'payload') return statement;
    const { left } = statement;
    const isPort = left.protocol === 'th' && (left.field === 'sport' || left.field === 'dport');
    return isPort ? { ...statement, left: { ...left, protocol } } : statement;
  });
}
