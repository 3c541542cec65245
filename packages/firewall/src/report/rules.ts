// All rules of a ruleset in the order in which packets meet them: base chains by hook, with the chains that they call.
import {
  type BaseChain,
  type Chain,
  calledChains,
  type Hook,
  hookWords,
  type Owner,
  ownerOfChain,
  ownerOfRule,
  type Rule,
  type Ruleset,
  ruleWords,
  type Table,
} from '@moat/netfilter';

export interface ShownRule {
  readonly words: string;
  readonly owner: Owner;
  /** undefined: the rule does not count. */
  readonly counted: { readonly packets: number; readonly bytes: number } | undefined;
  readonly rule: Rule;
  /** The chains that the rule may send a packet to, in the order in which it names them. */
  readonly calls: readonly ShownChain[];
}

export interface ShownChain {
  readonly table: Table;
  readonly name: string;
  readonly owner: Owner;
  readonly base: BaseChain | undefined;
  /** Shown before: its rules are not told again. */
  readonly again: boolean;
  readonly rules: readonly ShownRule[];
}

/** Base chains that one hook calls at one priority. */
export interface ShownHook {
  /** `input 0 (to this host itself, where most filters are)`. */
  readonly words: string;
  readonly chains: readonly ShownChain[];
}

export interface ShownRules {
  readonly hooks: readonly ShownHook[];
  /** Chains with rules that nothing calls. */
  readonly uncalled: readonly ShownChain[];
}

const HOOKS: readonly Hook[] = [
  'ingress',
  'prerouting',
  'input',
  'forward',
  'output',
  'postrouting',
  'egress',
];

/**
 * Every chain once. `owner`: only what is this program's, and the rules of others that lead there.
 */
export function shownRules(ruleset: Ruleset, owner?: string): ShownRules {
  const shown = new Set<Chain>();
  const chainsOf = new Map(
    ruleset.tables.map((table) => [table, new Map(table.chains.map((chain) => [chain.name, chain]))]),
  );
  const show = (table: Table, chain: Chain): ShownChain =>
    showChain({ ruleset, table, chains: chainsOf.get(table)!, shown }, chain);
  const kept = (chains: readonly ShownChain[]): readonly ShownChain[] =>
    owner === undefined ? chains : chains.flatMap((chain) => only(chain, owner) ?? []);
  const bases = ruleset.tables
    .flatMap((table) => table.chains.map((chain) => ({ table, chain, base: chain.base })))
    .filter((each): each is Based => each.base !== undefined)
    .sort((a, b) => place(a.base) - place(b.base) || a.base.priority - b.base.priority);
  const hooks: { words: string; chains: ShownChain[] }[] = [];
  for (const { table, chain, base } of bases) {
    const words = hookWords(base, table.family);
    const chains = kept([show(table, chain)]);
    if (chains.length === 0) continue;
    if (hooks.at(-1)?.words === words) hooks.at(-1)?.chains.push(...chains);
    else hooks.push({ words, chains: [...chains] });
  }
  const uncalled = ruleset.tables.flatMap((table) =>
    table.chains.flatMap((chain) =>
      shown.has(chain) || chain.rules.length === 0 ? [] : [show(table, chain)],
    ),
  );
  return { hooks, uncalled: kept(uncalled) };
}

interface Based {
  readonly table: Table;
  readonly chain: Chain;
  readonly base: BaseChain;
}

function place({ hook }: BaseChain): number {
  return HOOKS.indexOf(hook);
}

interface Showing {
  readonly ruleset: Ruleset;
  readonly table: Table;
  readonly chains: ReadonlyMap<string, Chain>;
  /** Those whose rules were told. */
  readonly shown: Set<Chain>;
}

function showChain(showing: Showing, chain: Chain): ShownChain {
  const { ruleset, table, chains, shown } = showing;
  const owner = ownerOfChain(ruleset, table, chain);
  const facts = { table, name: chain.name, owner, base: chain.base };
  if (shown.has(chain)) return { ...facts, again: true, rules: [] };
  shown.add(chain);
  const rules = chain.rules.map((rule) => ({
    words: ruleWords(rule, table, ruleset.ipsets),
    owner: ownerOfRule(ruleset, table, chain, rule),
    counted: countedBy(rule),
    rule,
    calls: calledChains(rule, table).flatMap((name) => {
      const called = chains.get(name);
      return called === undefined ? [] : [showChain(showing, called)];
    }),
  }));
  return { ...facts, again: false, rules };
}

function countedBy({ statements }: Rule): ShownRule['counted'] {
  const counter = statements.find((statement) => statement.kind === 'counter');
  return counter === undefined ? undefined : { packets: counter.packets, bytes: counter.bytes };
}

/** What of the chain is the owner's or leads there; undefined: nothing. */
function only(chain: ShownChain, owner: string): ShownChain | undefined {
  const rules = chain.rules.flatMap((rule): readonly ShownRule[] => {
    const calls = rule.calls.flatMap((called) => only(called, owner) ?? []);
    return calls.length > 0 || rule.owner.name === owner ? [{ ...rule, calls }] : [];
  });
  if (rules.length === 0 && (chain.owner.name !== owner || isEmptyPlace(chain))) return undefined;
  return { ...chain, rules };
}

/** A chain that accepts what comes and has nothing in it is nobody's work. */
function isEmptyPlace({ base, owner }: ShownChain): boolean {
  return base !== undefined && base.policy === 'accept' && owner.certainty === 'guess';
}

/** The names of all who have a rule, or a chain that lets something be seen of them; sorted. */
export function ownersIn(ruleset: Ruleset): readonly string[] {
  const names = new Set<string>();
  for (const table of ruleset.tables) {
    for (const chain of table.chains) {
      const owner = ownerOfChain(ruleset, table, chain);
      if (owner.certainty !== 'guess' || chain.base?.policy === 'drop') names.add(owner.name);
      for (const rule of chain.rules) names.add(ownerOfRule(ruleset, table, chain, rule).name);
    }
  }
  return [...names].sort();
}

/** The owner that a word means: its name, or the beginning of one name alone. */
export function ownerNamed(word: string, owners: readonly string[]): string | undefined {
  const wanted = word.toLowerCase();
  const begun = owners.filter((name) => name.startsWith(wanted));
  return owners.find((name) => name === wanted) ?? (begun.length === 1 ? begun[0] : undefined);
}
