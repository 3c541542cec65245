// What moat's table asks of nft and of the kernel, tried piece by piece where it decides nothing.
import { run } from './process.ts';
import { inThrowAwayNetwork } from './throw-away-network.ts';

export interface NftFeature {
  /** In words. */
  readonly name: string;
  /** The kernel's module. */
  readonly module: string;
  /** What does not work without it; `everything`: no table of moat loads. */
  readonly for: string;
  /** Lines of a table, with a chain that hooks in. */
  readonly text: string;
}

export interface MissingFeature extends NftFeature {
  /** The first line of what nft said. */
  readonly why: string;
}

/** Whether nft works in this network at all. */
export type NftState =
  | { readonly kind: 'works' }
  | { readonly kind: 'missing' }
  | { readonly kind: 'refused'; readonly why: string };

const EVERYTHING = 'everything';

function inChain(rule: string, ...sets: readonly string[]): string {
  return [...sets, 'chain c {', 'type filter hook prerouting priority -105; policy accept;', rule, '}'].join(
    '\n',
  );
}

const NFT_FEATURES: readonly NftFeature[] = [
  {
    name: 'tables for IPv4 and IPv6 at once (inet)',
    module: 'nf_tables',
    for: EVERYTHING,
    text: inChain('meta l4proto tcp counter drop'),
  },
  {
    name: 'the state of flows (ct state)',
    module: 'nft_ct',
    for: EVERYTHING,
    text: inChain('ct state vmap { established : accept, related : accept, invalid : drop }'),
  },
  {
    name: 'labels of flows (ct label)',
    module: 'nft_ct with CONFIG_NF_CONNTRACK_LABELS',
    for: EVERYTHING,
    text: inChain('ct state new ct label set 127'),
  },
  {
    name: 'whose address it is (fib)',
    module: 'nft_fib_inet',
    for: EVERYTHING,
    text: inChain('fib daddr type { local, anycast } accept'),
  },
  {
    name: 'sets with networks and with ends (interval, timeout)',
    module: 'nf_tables with CONFIG_NF_TABLES_SET',
    for: EVERYTHING,
    text: inChain(
      'ip saddr @s drop',
      'set s {\ntype ipv4_addr; flags interval, timeout;\nelements = { 192.0.2.0/24 timeout 60s }\n}',
    ),
  },
  {
    name: 'sets of several fields at once (concatenations)',
    module: 'nf_tables of Linux 5.6 or later',
    for: EVERYTHING,
    text: inChain(
      'meta l4proto . ip saddr . th sport . ip daddr . th dport @s drop',
      'set s {\ntype inet_proto . ipv4_addr . inet_service . ipv4_addr . inet_service; flags timeout;\n}',
    ),
  },
  {
    name: 'sets that packets fill (dynamic)',
    module: 'nf_tables of Linux 4.18 or later',
    for: '`limit` sentences',
    text: inChain(
      'update @s { ip saddr limit rate over 10/minute } drop',
      'set s {\ntype ipv4_addr; size 65535; flags dynamic, timeout; timeout 1m;\n}',
    ),
  },
  {
    name: 'answers that refuse (reject)',
    module: 'nft_reject_inet',
    for: '`reject` and `limit` sentences',
    text: 'chain c {\ntype filter hook input priority -5; policy accept;\nmeta l4proto tcp reject with tcp reset\nreject\n}',
  },
  {
    name: 'lines in the log (limit, log)',
    module: 'nft_limit, nft_log',
    for: 'logging',
    text: inChain('limit rate 3/minute burst 10 packets log prefix "moat:probe "'),
  },
];

/** $1, $2, …: texts; a line of TAB-separated number and complaint for each that is refused. */
const SCRIPT = `
number=0
for text in "$@"; do
  said=$(printf '%s\\n' "$text" | nft -c -f - 2>&1) || printf '%s\\t%s\\n' "$number" "$(echo "$said" | head -n 1)"
  number=$((number + 1))
done
`;

/** Those that do not work here. undefined: they could not be tried. */
export async function missingNftFeatures(): Promise<readonly MissingFeature[] | undefined> {
  const texts = NFT_FEATURES.map(({ text }) => `table inet moat_probe {\n${text}\n}`);
  const tried = await inThrowAwayNetwork(SCRIPT, texts, { timeoutMs: 20_000 });
  if (tried.kind === 'impossible' || tried.ran.code !== 0) return undefined;
  return tried.ran.stdout.split('\n').flatMap((line) => {
    const [, number, why = ''] = /^(\d+)\t(.*)$/.exec(line) ?? [];
    const feature = number === undefined ? undefined : NFT_FEATURES[Number(number)];
    // FILE:LINE:FIRST-LAST: Error: …
    return feature === undefined ? [] : [{ ...feature, why: why.replace(/^\S+: (Error: )?/, '') }];
  });
}

/** Asks for the tables, in the network that counts. */
export async function nftState(): Promise<NftState> {
  const ran = await run('nft', ['list', 'tables'], { timeoutMs: 10_000 });
  if (ran.kind === 'missing') return { kind: 'missing' };
  if (ran.code === 0) return { kind: 'works' };
  return { kind: 'refused', why: ran.stderr.trim().split('\n')[0] || `exit code ${ran.code}` };
}

/** Whether a file of rules would load. In words, why not; undefined: it would, or it could not be tried. */
export async function nftFileRefusal(file: string): Promise<string | undefined> {
  const tried = await inThrowAwayNetwork('nft -c -f "$1"', [file], { timeoutMs: 60_000 });
  if (tried.kind === 'impossible' || tried.ran.code === 0 || tried.ran.code === 97) return undefined;
  return tried.ran.stderr.trim().split('\n')[0] || `exit code ${tried.ran.code}`;
}
