// Where a rule stands, as people and programs are told: owner, table, chain and number.
import { type Rule, type Ruleset, ruleWords, type Table } from '@moat/netfilter';

export interface RulePlace {
  readonly owner: string;
  /** `ip`, `ip6`, `inet`; null: there is no chain at all. */
  readonly family: string | null;
  readonly table: string | null;
  readonly chain: string | null;
  /** Counted from 1; `policy`: that of the chain. */
  readonly rule: number | 'policy' | null;
  /** The rule in words. */
  readonly text: string;
  /** `iptables`, `ip6tables`, `nft`: the program that lists it. */
  readonly program: string | null;
}

export function rulePlace(
  ruleset: Ruleset,
  owner: string,
  table: Table,
  chain: string,
  numbered: { readonly rule: Rule; readonly number: number } | undefined,
): RulePlace {
  const policy = table.chains.find(({ name }) => name === chain)?.base?.policy ?? 'accept';
  return {
    owner,
    family: table.family,
    table: table.name,
    chain,
    rule: numbered?.number ?? 'policy',
    text: numbered === undefined ? `policy ${policy}` : ruleWords(numbered.rule, table, ruleset.ipsets),
    program: programOf(table),
  };
}

/** `docker (iptables nat/DOCKER rule 2)`, `no firewall`. */
export function placeWords({ owner, family, table, chain, rule, program }: RulePlace): string {
  if (table === null || owner === 'no firewall') return owner;
  const where = tableWords(program ?? 'nft', family ?? '', table);
  return `${owner} (${where}/${chain} ${rule === 'policy' ? 'policy' : `rule ${rule}`})`;
}

/** `iptables nat`, `nft inet filter`: the program that lists the table, and its name there. */
export function tableName(table: Table): string {
  return tableWords(programOf(table), table.family, table.name);
}

function tableWords(program: string, family: string, name: string): string {
  return program === 'nft' ? `nft ${family} ${name}` : `${program} ${name}`;
}

/** Which tables iptables knows: those of its own names with its base chains. */
function programOf({ family, name, source, chains }: Table): string {
  const looksIt =
    (family === 'ip' || family === 'ip6') &&
    ['filter', 'nat', 'mangle', 'raw', 'security'].includes(name) &&
    chains.some(({ name: chain, base }) => base !== undefined && /^[A-Z]+$/.test(chain));
  if (source === 'nft' ? !looksIt : source === undefined) return 'nft';
  const program = family === 'ip6' ? 'ip6tables' : 'iptables';
  return source === 'iptables-legacy' ? `${program}-legacy` : program;
}
