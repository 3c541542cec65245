// Chains as programs: their rules as steps, without those that do nothing.
import type { Host } from '../model/host.ts';
import type { Ipset } from '../model/ipset.ts';
import type { Chain, Rule, Table } from '../model/ruleset.ts';
import type { Statement } from '../model/statement.ts';
import type { Place } from '../semantics/reading.ts';
import type { Slots } from './cell.ts';
import { compileRead } from './read.ts';
import { compileStatement } from './statement.ts';
import type { CompiledRule, Context, Part, Program } from './step.ts';

/** What is the same for all chains of a ruleset. */
export interface Surroundings {
  readonly slots: Slots;
  readonly host: Host | undefined;
  readonly ipsets: ReadonlyMap<string, Ipset> | undefined;
  readonly withinLimits: boolean;
}

export type Compiler = (table: Table, chain: Chain, place: Place) => Program;

/** Compiles each chain once for each kind of place from where it is reached. */
export function compiler(around: Surroundings): Compiler {
  const programs = new Map<Chain, Map<string, Program>>();
  const names = new Map<Table, ReadonlyMap<string, Chain>>();
  let count = 0;
  const compile: Compiler = (table, chain, place) => {
    const key = `${place.family} ${place.hook} ${place.early} ${place.madeHere === true}`;
    const ofChain = programs.get(chain) ?? new Map<string, Program>();
    programs.set(chain, ofChain);
    const known = ofChain.get(key);
    if (known !== undefined) return known;
    const chains = names.get(table) ?? new Map(table.chains.map((each) => [each.name, each]));
    names.set(table, chains);
    // Before its rules, which may lead back here in a ruleset that no kernel would take.
    const program: Program = { id: count++, table, chain: chain.name, rules: [] };
    ofChain.set(key, program);
    const context: Context = {
      ...around,
      place,
      table,
      programOf: (name) => {
        const target = chains.get(name);
        return target === undefined ? undefined : compile(table, target, place);
      },
      reader: (expression) => compileRead(expression, context),
    };
    program.rules = chain.rules.flatMap((rule) => compileRule(rule, context));
    return program;
  };
  return compile;
}

/** Nothing for a rule without effect. */
function compileRule(rule: Rule, context: Context): readonly CompiledRule[] {
  const acts = rule.statements.map(actsOnPacket);
  const lastAct = acts.lastIndexOf(true);
  const parts = rule.statements.flatMap((statement, i) =>
    i > lastAct && statement.kind !== 'unknown' ? [] : compileStatement(statement, i > lastAct, context),
  );
  const last = parts.findLastIndex(({ effect }) => effect);
  const kept = withoutRepetition(parts.slice(0, last + 1));
  return kept.length === 0 ? [] : [{ rule, parts: kept, steps: kept.map(({ step }) => step) }];
}

const ACTS: ReadonlySet<Statement['kind']> = new Set([
  'vmap',
  'verdict',
  'reject',
  'mangle',
  'nat',
  'tproxy',
  'fwd',
  'notrack',
  'queue',
  'synproxy',
  'object',
]);

function actsOnPacket({ kind }: Statement): boolean {
  return ACTS.has(kind);
}

/** `-p tcp --dport 22` asks twice for the protocol. */
function withoutRepetition(parts: readonly Part[]): readonly Part[] {
  let seen = new Set<string>();
  return parts.filter(({ asks, effect }) => {
    if (effect) seen = new Set();
    if (asks === undefined) return true;
    const repeated = seen.has(asks);
    seen.add(asks);
    return !repeated;
  });
}
