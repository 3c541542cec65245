// The tables of iptables-nft out of two listings, of which neither alone is true.
import type { Chain, Rule, Ruleset, Table } from '../model/ruleset.ts';
import type { Statement } from '../model/statement.ts';
import type { RulePart } from './iptables-rule.ts';
import { type IptablesReading, partsOf } from './iptables-save.ts';
import { isObject } from './json.ts';
import { asksForAnyPort, statementKey } from './statement-key.ts';

/** Where the two listings do not say the same; the rules in question keep their unknown parts. */
export interface MergeProblem {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly handle?: number;
  readonly message: string;
}

export interface Merged {
  readonly ruleset: Ruleset;
  readonly problems: readonly MergeProblem[];
}

/**
 * `native` is read from nft's JSON, `saved` from iptables-save and ip6tables-save of the nf_tables backend, both
 * taken while the rules stood still. nft gives iptables' extensions without their arguments
 * (`{"xt": {"type": "match", "name": "conntrack"}}`); iptables-save prints rules of others as something harmless.
 * So a rule is taken from nft unless it has extensions, and from its line in iptables-save (the one in the same
 * place of the same chain) only if all that nft tells of it agrees with that line. Otherwise it is nft's rule with
 * its extensions unknown.
 */
export function mergeIptablesNft(native: Ruleset, saved: readonly IptablesReading[]): Merged {
  const problems: MergeProblem[] = [];
  const tables = native.tables.map((table) => {
    for (const reading of saved) {
      const twin = reading.ruleset.tables.find(
        ({ family, name, source }) =>
          family === table.family && name === table.name && source !== 'iptables-legacy',
      );
      if (twin !== undefined) return mergeTable(table, twin, problems);
    }
    return table;
  });
  return { ruleset: { ...native, tables }, problems };
}

function mergeTable(table: Table, saved: Table, problems: MergeProblem[]): Table {
  const lines = new Map(saved.chains.map((chain) => [chain.name, chain]));
  return {
    ...table,
    source: 'iptables-nft',
    chains: table.chains.map((chain) => mergeChain(table, chain, saved, lines.get(chain.name), problems)),
  };
}

function mergeChain(
  { family, name: table }: Table,
  chain: Chain,
  twin: Table,
  saved: Chain | undefined,
  problems: MergeProblem[],
): Chain {
  const place = { family, table, chain: chain.name };
  if (saved === undefined || saved.rules.length !== chain.rules.length) {
    if (chain.rules.some(hasExtension)) {
      const found = saved === undefined ? 'no such chain' : `${saved.rules.length} rules`;
      const message = `iptables-save has ${found}, nft has ${chain.rules.length} rules`;
      problems.push({ ...place, message });
    }
    return { ...chain, rules: chain.rules.map((rule) => inTable(rule)) };
  }
  const rules = chain.rules.map((rule, i) => {
    const line = saved.rules[i]!;
    const merged = mergeRule(rule, line, partsOf(line, twin));
    if (merged !== undefined) return merged;
    if (hasExtension(rule)) {
      const message = `nft and iptables-save do not agree about ${JSON.stringify(line.origin?.raw)}`;
      problems.push({ ...place, ...(rule.handle === undefined ? {} : { handle: rule.handle }), message });
    }
    return inTable(withLine(rule, line));
  });
  return { ...chain, rules };
}

function inTable(rule: Rule): Rule {
  return rule.origin === undefined ? rule : { ...rule, origin: { ...rule.origin, source: 'iptables-nft' } };
}

/** What nft knows of the rule, and for what it does not know, the line that may or may not be its spelling. */
function withLine(rule: Rule, line: Rule): Rule {
  const statements = rule.statements.map(
    (statement): Statement =>
      extensionOf(statement) === undefined
        ? statement
        : { kind: 'unknown', raw: { ...(statement as { raw: object }).raw, line: line.origin?.raw } },
  );
  return { ...rule, statements };
}

interface ExtensionName {
  readonly type: string;
  readonly name: string;
}

/** The name that nft gives of an extension in place of its arguments. */
function extensionOf(statement: Statement): ExtensionName | undefined {
  if (statement.kind !== 'unknown' || !isObject(statement.raw)) return undefined;
  const xt = statement.raw['xt'];
  if (!isObject(xt) || typeof xt['type'] !== 'string' || typeof xt['name'] !== 'string') return undefined;
  return { type: xt['type'], name: xt['name'] };
}

function hasExtension(rule: Rule): boolean {
  return rule.statements.some((statement) => extensionOf(statement) !== undefined);
}

/** iptables' older names of what the kernel knows as one extension. */
const KERNEL_NAMES: Readonly<Record<string, string>> = { state: 'conntrack', NOTRACK: 'CT' };

/** undefined: the line says something else than nft does. */
function mergeRule(rule: Rule, line: Rule, parts: readonly RulePart[]): Rule | undefined {
  const rest = rule.statements.filter(({ kind }) => kind !== 'counter');
  for (const part of parts) {
    if (!takeExtension(rest, part) && !takeNative(rest, part)) return undefined;
  }
  if (rest.some((statement) => !isImplied(statement, line))) return undefined;
  const counters = rule.statements.filter(({ kind }) => kind === 'counter');
  const target = parts.filter(({ kind }) => kind === 'target').flatMap(({ statements }) => statements);
  const conditions = parts.filter(({ kind }) => kind !== 'target').flatMap(({ statements }) => statements);
  return {
    ...(line.comment === undefined ? {} : { comment: line.comment }),
    ...(rule.handle === undefined ? {} : { handle: rule.handle }),
    // What nft can tell in full needs no second opinion.
    statements: hasExtension(rule) ? [...conditions, ...counters, ...target] : rule.statements,
    ...(line.origin === undefined
      ? {}
      : {
          origin: {
            ...line.origin,
            source: 'iptables-nft',
            ...(rule.handle === undefined ? {} : { handle: rule.handle }),
          },
        }),
  };
}

/** Takes the extension of that name out of what is left of nft's rule. */
function takeExtension(rest: Statement[], part: RulePart): boolean {
  const at = rest.findIndex((statement) => {
    const extension = extensionOf(statement);
    return (
      extension !== undefined &&
      extension.type === part.kind &&
      extension.name === (KERNEL_NAMES[part.extension] ?? part.extension)
    );
  });
  if (at < 0) return false;
  rest.splice(at, 1);
  return true;
}

/** Takes each statement of the part out of what is left of nft's rule. */
function takeNative(rest: Statement[], part: RulePart): boolean {
  return part.statements.every((statement) => {
    const key = statementKey(statement);
    const at = rest.findIndex((each) => statementKey(each) === key);
    if (at >= 0) rest.splice(at, 1);
    return at >= 0 || asksForAnyPort(statement) || isHidden(statement, rest);
  });
}

/** nft does not print `meta l4proto tcp` before `tcp dport 22`. */
function isHidden(statement: Statement, rest: readonly Statement[]): boolean {
  const protocol = protocolOf(statement);
  return (
    protocol !== undefined &&
    rest.some((each) => each.kind === 'match' && headerOf(each) !== undefined && headerOf(each) === protocol)
  );
}

/** The same the other way round: a protocol that the line says with the name of its match alone. */
function isImplied(statement: Statement, line: Rule): boolean {
  const protocol = protocolOf(statement);
  return (
    protocol !== undefined &&
    line.statements.some((each) => each.kind === 'match' && headerOf(each) === protocol)
  );
}

function protocolOf(statement: Statement): string | undefined {
  if (statement.kind !== 'match' || statement.operator !== '==') return undefined;
  const { left, right } = statement;
  return left.kind === 'meta' && left.key === 'l4proto' && right.kind === 'symbol' ? right.name : undefined;
}

function headerOf(statement: Extract<Statement, { kind: 'match' }>): string | undefined {
  const left = statement.left.kind === 'mask' ? statement.left.of : statement.left;
  return left.kind === 'payload' ? left.protocol : undefined;
}
