// Whose a table, a chain, a rule is: which program wrote it, as far as names, comments and shapes tell.
import type { Chain, Rule, Ruleset, Table } from '../model/ruleset.ts';
import type { Statement } from '../model/statement.ts';
import type { Verdict } from '../model/verdict.ts';
import { dockerLinks, programByShape } from './owner-shape.ts';
import { isOpenHouse, programOf } from './owner-signs.ts';

/**
 * A program by its name in small letters, or `iptables (by hand)`, `nftables (by hand)` where nothing speaks for
 * one: a person, a script, or a program that leaves no mark (ferm, netfilter-persistent).
 *
 * `certain`: a name or a comment that only this program uses. `likely`: by the shape of the rule, by the chain that
 * calls, or because a program is known to keep the whole table. `guess`: nothing speaks for anybody else.
 */
export interface Owner {
  readonly name: string;
  readonly certainty: 'certain' | 'likely' | 'guess';
  /** What told: `chain ufw-user-input`, `table inet firewalld`, `comment cali:…`. Absent in a guess. */
  readonly sign?: string;
}

/** Whose the table is. One that several share is its manager's, or the only program's that has chains in it. */
export function ownerOfTable(ruleset: Ruleset, table: Table): Owner {
  const { dedicated, resident } = knowledgeOf(ruleset, table);
  if (dedicated !== undefined) return dedicated;
  if (resident !== undefined) return resident;
  const programs = table.chains.flatMap(({ name }) => chainSign(name) ?? []);
  return onlyOne(programs) ?? byHand(table);
}

/**
 * Whose the chain is. A base chain in a shared table, and with it the policy, belongs to the table's manager, or to
 * the only program that has rules in it; a chain without a telling name to those who call it.
 */
export function ownerOfChain(ruleset: Ruleset, table: Table, chain: Chain): Owner {
  const known = knowledgeOf(ruleset, table);
  const before = known.chains.get(chain);
  if (before !== undefined) return before;
  // Chains cannot call each other in a circle, but a text may say so.
  known.chains.set(chain, byHand(table));
  const owner = chainOwner(ruleset, table, chain, known);
  known.chains.set(chain, owner);
  return owner;
}

/**
 * Whose the rule is: by its comment; in a base chain and in chains kept for others by the chain that it calls, the
 * sets and the log prefix that it names, its shape; else as its chain.
 */
export function ownerOfRule(ruleset: Ruleset, table: Table, chain: Chain, rule: Rule): Owner {
  const known = knowledgeOf(ruleset, table);
  if (known.dedicated !== undefined) return known.dedicated;
  const comment = rule.comment === undefined ? undefined : programOf('comment', rule.comment);
  if (comment !== undefined) return certain(comment, `comment ${rule.comment}`);
  const named = chain.base === undefined ? chainSign(chain.name) : undefined;
  if (named !== undefined && !isOpenHouse(chain.name)) return named;
  const own = ownSign(rule);
  if (own !== undefined) return own;
  const shape = isOfIptables(table) ? programByShape(rule, table, chain, known.dockerLinks) : undefined;
  if (shape !== undefined) return { name: shape.program, certainty: 'likely', sign: shape.sign };
  if (named !== undefined) return endsOpenHouse(rule) ? { ...named, certainty: 'likely' } : byHand(table);
  if (chain.base === undefined) return ownerOfChain(ruleset, table, chain);
  return known.resident ?? byHand(table);
}

/** What was found out about a table once. */
interface Knowledge {
  readonly dedicated: Owner | undefined;
  /** Who keeps all tables of this family and backend. */
  readonly resident: Owner | undefined;
  readonly dockerLinks: ReadonlySet<string>;
  readonly callers: ReadonlyMap<string, readonly (readonly [Chain, Rule])[]>;
  readonly chains: Map<Chain, Owner>;
}

const found = new WeakMap<Ruleset, WeakMap<Table, Knowledge>>();

function knowledgeOf(ruleset: Ruleset, table: Table): Knowledge {
  const tables = found.get(ruleset) ?? new WeakMap<Table, Knowledge>();
  found.set(ruleset, tables);
  const before = tables.get(table);
  if (before !== undefined) return before;
  const program = programOf('table', table.name);
  const knowledge: Knowledge = {
    dedicated: program === undefined ? undefined : certain(program, `table ${table.family} ${table.name}`),
    resident: residentOf(ruleset, table),
    dockerLinks: dockerLinks(ruleset),
    callers: callersIn(table),
    chains: new Map(),
  };
  tables.set(table, knowledge);
  return knowledge;
}

const SHARED_TABLES: ReadonlySet<string> = new Set(['filter', 'nat', 'mangle', 'raw', 'security']);

/** nft lists the tables of iptables as its own; their base chains are in capitals. */
function isOfIptables({ family, name, source, chains }: Table): boolean {
  if (source === undefined || (family !== 'ip' && family !== 'ip6') || !SHARED_TABLES.has(name)) return false;
  return source !== 'nft' || chains.some(({ base, name }) => base !== undefined && /^[A-Z]+$/.test(name));
}

function residentOf(ruleset: Ruleset, table: Table): Owner | undefined {
  if (!isOfIptables(table)) return undefined;
  for (const each of ruleset.tables) {
    if (each.family !== table.family || each.source !== table.source || !isOfIptables(each)) continue;
    for (const { name } of each.chains) {
      const program = programOf('resident', name);
      if (program !== undefined) return { name: program, certainty: 'likely', sign: `chain ${name}` };
    }
  }
  return undefined;
}

function callersIn(table: Table): ReadonlyMap<string, readonly (readonly [Chain, Rule])[]> {
  const callers = new Map<string, (readonly [Chain, Rule])[]>();
  for (const chain of table.chains) {
    for (const rule of chain.rules) {
      for (const called of calledChains(rule, table)) {
        const before = callers.get(called);
        if (before === undefined) callers.set(called, [[chain, rule]]);
        else before.push([chain, rule]);
      }
    }
  }
  return callers;
}

/** The chains that a rule may send a packet to, in the order in which it names them. */
export function calledChains(rule: Rule, table: Table): readonly string[] {
  const called = rule.statements.flatMap((statement) =>
    verdictsOf(statement, table).flatMap((verdict) =>
      verdict.kind === 'jump' || verdict.kind === 'goto' ? [verdict.chain] : [],
    ),
  );
  return [...new Set(called)];
}

function verdictsOf(statement: Statement, table: Table): readonly Verdict[] {
  if (statement.kind === 'verdict') return [statement.verdict];
  if (statement.kind !== 'vmap') return [];
  const { map } = statement;
  if (map.kind === 'entries') return map.entries.map(({ verdict }) => verdict);
  const named = table.maps?.find(({ name }) => name === map.name);
  return named?.kind === 'verdicts' ? named.entries.map(({ verdict }) => verdict) : [];
}

function chainOwner(ruleset: Ruleset, table: Table, chain: Chain, known: Knowledge): Owner {
  if (known.dedicated !== undefined) return known.dedicated;
  const named = chain.base === undefined ? chainSign(chain.name) : undefined;
  if (named !== undefined) return named;
  if (known.resident !== undefined) return known.resident;
  const rules = chain.base === undefined ? (known.callers.get(chain.name) ?? []) : withIn(chain);
  const owners = rules.map(([caller, rule]) => ownerOfRule(ruleset, table, caller, rule));
  const told = owners.filter(({ certainty }) => certainty !== 'guess');
  // Rules by hand may stand in anybody's base chain; a chain that they call too is no program's own.
  const claims = chain.base === undefined && told.length < owners.length ? [] : told;
  return onlyOne(claims) ?? byHand(table);
}

function withIn(chain: Chain): readonly (readonly [Chain, Rule])[] {
  return chain.rules.map((rule) => [chain, rule] as const);
}

/** The owner that all of them are, now only likely; undefined: none, or several. */
function onlyOne(owners: readonly Owner[]): Owner | undefined {
  const [first, ...others] = owners;
  if (first === undefined || others.some(({ name }) => name !== first.name)) return undefined;
  return { ...first, certainty: 'likely' };
}

function chainSign(chain: string): Owner | undefined {
  const program = programOf('chain', chain);
  return program === undefined ? undefined : certain(program, `chain ${chain}`);
}

/** A program's name on the chain that the rule calls, on a set, or in what it logs. */
function ownSign(rule: Rule): Owner | undefined {
  for (const statement of rule.statements) {
    for (const [mark, name] of marksOf(statement)) {
      const program = programOf(mark, name);
      if (program !== undefined) return certain(program, `${mark} ${name}`);
    }
  }
  return undefined;
}

function marksOf(statement: Statement): readonly (readonly ['chain' | 'set' | 'log prefix', string])[] {
  switch (statement.kind) {
    case 'verdict':
      return statement.verdict.kind === 'jump' || statement.verdict.kind === 'goto'
        ? [['chain', statement.verdict.chain]]
        : [];
    case 'ipset':
    case 'ipset change':
    case 'dynset':
      return [['set', statement.set]];
    case 'match':
      return statement.right.kind === 'named' ? [['set', statement.right.name]] : [];
    case 'log':
      return statement.prefix === undefined ? [] : [['log prefix', statement.prefix]];
    default:
      return [];
  }
}

/** Docker ends DOCKER-USER with a bare RETURN of its own. */
function endsOpenHouse({ statements }: Rule): boolean {
  return statements.every(
    (statement) =>
      statement.kind === 'counter' || (statement.kind === 'verdict' && statement.verdict.kind === 'return'),
  );
}

function certain(name: string, sign: string): Owner {
  return { name, certainty: 'certain', sign };
}

function byHand(table: Table): Owner {
  const iptables = isOfIptables(table) || table.source?.startsWith('iptables') === true;
  return { name: iptables ? 'iptables (by hand)' : 'nftables (by hand)', certainty: 'guess' };
}
