// Who let a packet through: the rules on its way that translate or accept it, or the policy of a chain that would deny others.
import type { Chain, Hook, Rule, Ruleset, Table } from '../model/ruleset.ts';
import type { Statement } from '../model/statement.ts';
import { calledChains, ownerOfChain, ownerOfRule } from '../owner/owner.ts';
import type { WalkStep } from '../walk/walk.ts';

/** A rule or a policy that lets packets through. */
export interface Opener {
  /** As `Owner` has the name; `no firewall` where nothing stands in the way. */
  readonly owner: string;
  /** Absent: there is no chain at all on the way. */
  readonly at?: { readonly table: Table; readonly chain: string };
  /** Absent: the policy of the chain, or nothing. */
  readonly rule?: { readonly rule: Rule /** Counted from 1 in its chain. */; readonly number: number };
  /** It sends the packet to another address or port. */
  readonly translates: boolean;
}

export const NO_FIREWALL = 'no firewall';

const ON_THE_WAY_IN: ReadonlySet<Hook> = new Set(['prerouting', 'input', 'forward']);
/** iptables' tables that are there to change packets: an ACCEPT in them opens nothing. */
const NOT_FILTERS: ReadonlySet<string> = new Set(['raw', 'mangle', 'security']);

/** Programs that put rules into chains of others, and leave their policies alone. */
const GUESTS: ReadonlySet<string> = new Set([
  'fail2ban',
  'crowdsec',
  'sshguard',
  'banip',
  'docker',
  'podman',
  'cni',
  'libvirt',
  'lxd',
  'incus',
  'kube-proxy',
  'flannel',
  'tailscale',
  'wireguard (wg-quick)',
]);

/** Those of a path, in its order. */
export function openersOf(ruleset: Ruleset, path: readonly WalkStep[]): readonly Opener[] {
  const explicit = path.flatMap((step): Opener[] => {
    const { rule, verdict, table, chain, hook } = step;
    if (rule === undefined) return [];
    const translates = verdict.kind === 'nat' && verdict.type !== 'snat' && verdict.type !== 'masquerade';
    if (translates && hook === 'prerouting') return [openerOf(ruleset, table, chain, rule, true)];
    return verdict.kind === 'accept' && filters(step) ? [openerOf(ruleset, table, chain, rule, false)] : [];
  });
  return explicit.length > 0 ? explicit : policies(ruleset, path);
}

/** The rule at its place. */
export function openerOf(
  ruleset: Ruleset,
  table: Table,
  chainName: string,
  rule: Rule,
  translates: boolean,
): Opener {
  const chain = chainOf(table, chainName);
  const owner = chain === undefined ? undefined : ownerOfRule(ruleset, table, chain, rule);
  return {
    owner: owner?.name ?? 'unknown',
    at: { table, chain: chainName },
    rule: { rule, number: (chain?.rules.indexOf(rule) ?? -1) + 1 },
    translates,
  };
}

function policies(ruleset: Ruleset, path: readonly WalkStep[]): readonly Opener[] {
  const passed = path
    .filter(({ rule, hook }) => rule === undefined && hook !== 'postrouting')
    .filter(filters);
  const guarded = passed.filter(({ table, chain }) => denies(table, chain, new Set()));
  if (guarded.length > 0) {
    return guarded.flatMap(({ table, chain }) => {
      const found = chainOf(table, chain);
      if (found === undefined) return [];
      const owner = ownerOfChain(ruleset, table, found).name;
      return [{ owner: GUESTS.has(owner) ? NO_FIREWALL : owner, at: { table, chain }, translates: false }];
    });
  }
  const last = passed.findLast(({ hook }) => hook !== 'prerouting');
  if (last === undefined) return [{ owner: NO_FIREWALL, translates: false }];
  return [{ owner: NO_FIREWALL, at: { table: last.table, chain: last.chain }, translates: false }];
}

/** Whether the base chain that the step belongs to is there to let packets through or not. */
function filters({ table, hook, priority }: WalkStep): boolean {
  if (!ON_THE_WAY_IN.has(hook)) return false;
  if (NOT_FILTERS.has(table.name) && (table.family === 'ip' || table.family === 'ip6')) return false;
  return !table.chains.some(
    ({ base }) => base?.type === 'nat' && base.hook === hook && base.priority === priority,
  );
}

/** Whether some packet may not come through the chain and those that it calls. */
function denies(table: Table, name: string, seen: Set<string>): boolean {
  const chain = chainOf(table, name);
  if (chain === undefined || seen.has(name)) return false;
  seen.add(name);
  return chain.rules.some(
    (rule) =>
      rule.statements.some(isDenial) ||
      calledChains(rule, table).some((called) => denies(table, called, seen)),
  );
}

function isDenial(statement: Statement): boolean {
  if (statement.kind === 'verdict') return statement.verdict.kind === 'drop';
  return statement.kind === 'reject' || statement.kind === 'vmap' || statement.kind === 'unknown';
}

function chainOf(table: Table, name: string): Chain | undefined {
  return table.chains.find((chain) => chain.name === name);
}
