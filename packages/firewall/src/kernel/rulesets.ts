// What every program that lists rules says, taken while the rules stood still.
import { readFileSync } from 'node:fs';
import type { SnapshotMissing, SnapshotRulesets } from '@moat/netfilter';
import { run } from './process.ts';
import { ask, type Told, type Tool } from './tool.ts';

export interface TakenRulesets {
  readonly rulesets: SnapshotRulesets;
  /** The rules were the same before and after. */
  readonly consistent: boolean;
  readonly missing: readonly SnapshotMissing[];
}

const TRIES = 4;

/**
 * nft lists all its tables at one moment (it starts again when the generation changes under it), but the other
 * programs look later: so the rules are listed once more at the end, and everything again if they are others. A rule
 * that came and went in between shows in a chain that is longer in one listing than in the other.
 */
export async function takeRulesets({ nftText }: { readonly nftText: boolean }): Promise<TakenRulesets> {
  for (let left = TRIES - 1; ; left--) {
    const { rulesets, missing, same } = await takeOnce(nftText);
    const consistent = same && !disagree(rulesets);
    if (consistent || left === 0) return { rulesets, missing, consistent };
  }
}

/** `same`: the rules before and after. */
type Taken = Pick<TakenRulesets, 'rulesets' | 'missing'> & { readonly same: boolean };

type Draft = { -readonly [K in keyof SnapshotRulesets]: SnapshotRulesets[K] };

async function takeOnce(nftText: boolean): Promise<Taken> {
  const rulesets: Draft = {};
  const missing: SnapshotMissing[] = [];
  const put = (name: Exclude<keyof Draft, 'nft'>, what: string, told: Told | undefined): void => {
    if (told?.ok) rulesets[name] = told.text;
    else if (told !== undefined) missing.push({ what, why: told.why });
  };
  const [listed, legacyBefore] = await Promise.all([ask('nft', ['-j', 'list', 'ruleset']), takeLegacy()]);
  const nft = listed.ok ? listing(listed.text) : undefined;
  if (nft !== undefined) rulesets.nft = nft;
  else {
    const why = listed.ok ? 'nft -j list ruleset: what it prints is not JSON' : listed.why;
    missing.push({ what: 'rules of nftables and of iptables-nft', why });
  }
  // Without nft's word for it, iptables has to be asked.
  const asked = (family: string): boolean => nft === undefined || hasIptables(nft, family);
  const [text, iptables, ip6tables, ipset] = await Promise.all([
    nftText && listed.ok ? ask('nft', ['list', 'ruleset']) : undefined,
    asked('ip') ? modern('iptables') : undefined,
    asked('ip6') ? modern('ip6tables') : undefined,
    ask('ipset', ['save']),
  ]);
  put('nftText', 'rules of nftables as text', text);
  put('iptables', 'arguments of the extensions of iptables', iptables);
  put('ip6tables', 'arguments of the extensions of ip6tables', ip6tables);
  const [after, legacyAfter] = await Promise.all([
    nft === undefined ? undefined : ask('nft', ['-j', '-t', 'list', 'ruleset']),
    legacyBefore.exists ? takeLegacy() : legacyBefore,
  ]);
  put('iptablesLegacy', 'rules of iptables-legacy', legacyAfter.ip);
  put('ip6tablesLegacy', 'rules of ip6tables-legacy', legacyAfter.ip6);
  // A machine without ipset has no sets, unless a rule asks for one.
  if (ipset.ok || asksForSets(rulesets)) put('ipset', 'contents of ipsets', ipset);
  const last = after?.ok === true ? listing(after.text) : undefined;
  const still = nft === undefined || (last !== undefined && signature(nft) === signature(last));
  return { rulesets, missing, same: still && stripped(legacyBefore) === stripped(legacyAfter) };
}

interface NftListing {
  readonly nftables: readonly Readonly<Record<string, Readonly<Record<string, unknown>>>>[];
}

function listing(text: string): NftListing | undefined {
  try {
    const json = JSON.parse(text || '{"nftables": []}') as Partial<NftListing>;
    return Array.isArray(json.nftables) ? (json as NftListing) : undefined;
  } catch {
    return undefined;
  }
}

const IPTABLES_TABLES: ReadonlySet<unknown> = new Set(['raw', 'mangle', 'nat', 'filter', 'security']);

function hasIptables({ nftables }: NftListing, family: string): boolean {
  return nftables.some(({ table }) => table?.['family'] === family && IPTABLES_TABLES.has(table['name']));
}

/**
 * Tables, chains with their policies, and rules by handle: a rule that is replaced gets a new handle. Counters
 * and elements of sets, which packets change, are not in it.
 */
function signature({ nftables }: NftListing): string {
  const lines = nftables.flatMap((item) =>
    (['table', 'chain', 'rule'] as const).flatMap((kind) => {
      const of = item[kind];
      if (of === undefined) return [];
      const told = ['family', 'table', 'chain', 'name', 'handle', 'prio', 'policy', 'flags'].map(
        (key) => of[key],
      );
      return [JSON.stringify([kind, ...told])];
    }),
  );
  return lines.join('\n');
}

/** Whether there is a chain in which nft and iptables-save have not as many rules. */
function disagree({ nft, iptables, ip6tables }: SnapshotRulesets): boolean {
  if (nft === undefined) return false;
  const listed = new Map<string, number>();
  for (const { rule } of (nft as NftListing).nftables) {
    if (rule === undefined) continue;
    const key = [rule['family'], rule['table'], rule['chain']].join(' ');
    listed.set(key, (listed.get(key) ?? 0) + 1);
  }
  return [...savedCounts('ip', iptables), ...savedCounts('ip6', ip6tables)].some(
    ([chain, count]) => (listed.get(chain) ?? 0) !== count,
  );
}

function savedCounts(family: string, text = ''): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  let table = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1).trim();
    const [, kind, chain] = /^(:|-A )(\S+)/.exec(line) ?? [];
    if (chain === undefined) continue;
    const key = `${family} ${table} ${chain}`;
    counts.set(key, (counts.get(key) ?? 0) + (kind === ':' ? 0 : 1));
  }
  return counts;
}

/** iptables-save of the nf_tables backend: never that of the legacy backend, which makes the tables it lists. */
async function modern(program: 'iptables' | 'ip6tables'): Promise<Told | undefined> {
  const told = await ask(`${program}-nft-save`, []);
  if (told.ok || !isNotInstalled(told)) return told;
  return (await isModern(`${program}-save`)) ? ask(`${program}-save`, []) : told;
}

interface Legacy {
  /** The kernel has tables of it in this network namespace. */
  readonly exists: boolean;
  readonly ip: Told | undefined;
  readonly ip6: Told | undefined;
}

/** Listing an iptables-legacy table makes it; so only those are asked for that /proc/net/ip_tables_names has. */
async function takeLegacy(): Promise<Legacy> {
  const [ip, ip6] = await Promise.all([legacyOf('iptables'), legacyOf('ip6tables')]);
  return { exists: ip?.ok === true || ip6?.ok === true, ip, ip6 };
}

async function legacyOf(program: 'iptables' | 'ip6tables'): Promise<Told | undefined> {
  const names = `/proc/self/net/${program === 'iptables' ? 'ip' : 'ip6'}_tables_names`;
  try {
    if (readFileSync(names, 'latin1').trim() === '') return undefined;
  } catch (error) {
    // A kernel without iptables-legacy has no such file.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return { ok: false, why: `${names}: takes root` };
  }
  const told = await ask(`${program}-legacy-save`, ['-c']);
  if (told.ok || !isNotInstalled(told)) return told;
  return (await isModern(`${program}-save`)) ? told : ask(`${program}-save`, ['-c']);
}

/** Old releases have one backend only and say nothing about it: the legacy one. */
async function isModern(program: Tool): Promise<boolean> {
  const ran = await run(program, ['--version']);
  return ran.kind === 'finished' && ran.stdout.includes('(nf_tables)');
}

function isNotInstalled(told: Told): boolean {
  return !told.ok && told.why.includes('is not installed');
}

/** Without counters and the time of day. */
function stripped({ ip, ip6 }: Legacy): string {
  return [ip, ip6]
    .map((told) => (told?.ok ? told.text.replace(/\[\d+:\d+\]/g, '').replace(/^#.*$/gm, '') : ''))
    .join('\n');
}

function asksForSets(rulesets: SnapshotRulesets): boolean {
  return [rulesets.iptables, rulesets.ip6tables, rulesets.iptablesLegacy, rulesets.ip6tablesLegacy].some(
    (text) => / --(?:match|add|del)-set | --set-name /.test(text ?? ''),
  );
}
