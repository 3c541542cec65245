// Ruleset → the text that `nft -f` reads.
import type { BaseChain, Chain, Rule, Table } from '../model/ruleset.ts';
import type { NamedSet } from '../model/set.ts';
import { quote, renderValue } from './nft-expression.ts';
import { renderStatement } from './nft-statement.ts';

/** A whole table with its sets and chains. Throws on what cannot be written: an unknown construct. */
export function renderTable(table: Table): string {
  return [
    `table ${table.family} ${table.name} {`,
    ...table.sets.map(renderSet),
    ...table.chains.map(renderChain),
    '}',
    '',
  ].join('\n');
}

/** One transaction that puts `table` in place of whatever table of that name there is, or of none. */
export function renderReplacement(table: Table): string {
  return `${renderRemoval(table)}${renderTable(table)}`;
}

/** One transaction that removes the table; it also succeeds when there is none. */
export function renderRemoval(table: Pick<Table, 'family' | 'name'>): string {
  // Naming a table creates it if need be, so that the delete cannot fail.
  const id = `${table.family} ${table.name}`;
  return `table ${id}\ndelete table ${id}\n`;
}

export function renderSet(set: NamedSet): string {
  const flags = [
    ...(set.interval ? ['interval'] : []),
    // Sets whose elements have times of their own are filled by programs, which needs no flag.
    ...(set.dynamic && !set.timeouts ? ['dynamic'] : []),
    ...(set.timeout === undefined && !set.timeouts ? [] : ['timeout']),
  ];
  return [
    `  set ${set.name} {`,
    `    type ${set.type.join(' . ')}`,
    ...(flags.length > 0 ? [`    flags ${flags.join(',')}`] : []),
    ...(set.size === undefined ? [] : [`    size ${set.size}`]),
    ...(set.timeout === undefined ? [] : [`    timeout ${set.timeout}s`]),
    ...elementLines(set),
    '  }',
  ].join('\n');
}

/** The elements, each with the time that it has left. Not those in their last second: to the kernel, no time is for ever. */
function elementLines({ elements, expires }: NamedSet): string[] {
  const texts = elements.flatMap((element, i) => {
    const left = expires?.[i];
    if (left === undefined) return renderValue(element, false);
    return left > 0 ? `${renderValue(element, false)} timeout ${renderSeconds(left)}` : [];
  });
  return texts.length === 0 ? [] : [`    elements = { ${texts.join(', ')} }`];
}

/** nft takes no more than eight digits of one unit (datatype.c, `time_parse`). */
export function renderSeconds(seconds: number): string {
  return seconds < 86_400 ? `${seconds}s` : `${Math.floor(seconds / 86_400)}d${seconds % 86_400}s`;
}

export function renderChain(chain: Chain): string {
  return [
    `  chain ${chain.name} {`,
    ...(chain.base === undefined ? [] : [`    ${renderBase(chain.base)}`]),
    ...chain.rules.map((rule) => `    ${renderRule(rule)}`),
    '  }',
  ].join('\n');
}

function renderBase(base: BaseChain): string {
  return `type ${base.type} hook ${base.hook} priority ${base.priority}; policy ${base.policy};`;
}

export function renderRule(rule: Rule): string {
  const statements = rule.statements.map(renderStatement).join(' ');
  return rule.comment === undefined ? statements : `${statements} comment ${quote(rule.comment)}`;
}
