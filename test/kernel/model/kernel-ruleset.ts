// Kernel ruleset: a ruleset loaded into an injector's kernel, and read back from what the kernel lists of it.
import {
  mergeIptablesNft,
  type Ruleset,
  readIptablesSave,
  readNftJson,
  recogniseDump,
  type Table,
} from '@moat/netfilter';
import type { Injector } from '../../../lab/inject.ts';
import { probeTable } from '../../../lab/probe-rules.ts';

/** A text and the program that loads it. */
export type RulesetText = {
  readonly tool:
    | 'nft'
    | 'nft-json'
    | 'iptables-nft'
    | 'ip6tables-nft'
    | 'iptables-legacy'
    | 'ip6tables-legacy';
  readonly text: string;
};

/** `refused`: a program did not take the text, and said this. */
export type Loaded =
  | { readonly kind: 'loaded'; readonly ruleset: Ruleset }
  | { readonly kind: 'refused'; readonly message: string };

/** The tool for a dump, by what stands in it; undefined: no ruleset. */
export function rulesetText(text: string, backend: 'nft' | 'legacy' = 'nft'): RulesetText | undefined {
  const kind = recogniseDump(text);
  switch (kind) {
    case 'nft-text':
      return { tool: 'nft', text };
    case 'nft-json':
      return { tool: 'nft-json', text };
    case 'iptables-save':
      return { tool: `iptables-${backend}`, text };
    case 'ip6tables-save':
      return { tool: `ip6tables-${backend}`, text };
    case 'ipset-save':
    case undefined:
      return undefined;
    default:
      throw new Error(kind satisfies never);
  }
}

const END = 'END OF RULESET';
const NEXT = '@@@ next listing @@@';

/** Tables of the legacy backend stay registered once they were used; this empties those there are. */
const CLEAR_LEGACY = ['ip', 'ip6'].map(
  (family) => `for table in $(cat /proc/net/${family}_tables_names); do
    ${family}tables-legacy-save -t "$table" | sed -n -e '/^\\*/p' -e 's/^\\(:[A-Z]* \\)[A-Z]* .*/\\1ACCEPT [0:0]/p' -e '/^COMMIT/p' |
      ${family}tables-legacy-restore
  done`,
);

/**
 * Those of the legacy backend that are not registered yet. So they always are registered before the tables of nft, which the
 * kernel therefore asks first, whatever was loaded before.
 */
const REGISTER_LEGACY = ['iptables', 'ip6tables'].map(
  (tool) =>
    `for table in raw mangle nat filter security; do ${tool}-legacy --table $table --list-rules > /dev/null; done`,
);

/**
 * Replaces whatever is loaded by these texts, loads the rules that note packets, and reads the ruleset back from
 * what the kernel lists, without the latter. Interfaces that rules name by their index are made first.
 */
export async function loadRuleset(
  injector: Injector,
  texts: readonly RulesetText[],
  options: { readonly trace: boolean } = { trace: false },
): Promise<Loaded> {
  await injector.addDevices(texts.flatMap(({ text }) => indexedInterfaces(text)));
  const uses = (part: string): boolean => texts.some(({ tool }) => tool.includes(part));
  const saves = ['iptables', 'ip6tables'].flatMap((tool) => [
    ...(uses(`${tool}-nft`) ? [`${tool}-nft-save`] : []),
    ...(uses(`${tool}-legacy`) ? [`${tool}-legacy-save`] : []),
  ]);
  const script = [
    ...(uses('legacy') ? REGISTER_LEGACY : []),
    ...CLEAR_LEGACY,
    ...(texts[0]?.tool === 'nft' ? [] : ['nft flush ruleset']),
    ...texts.map(({ tool, text }, i) => {
      const flush = i === 0 && tool === 'nft' ? 'flush ruleset\n' : '';
      return `${loader(tool)} <<'${END}'\n${flush}${text.replace(/\n*$/, '\n')}${END}`;
    }),
    'nft --json list ruleset',
    ...saves.map((save) => `echo '${NEXT}'\n${save}`),
    `nft -f - <<'${END}'\n${probeTable(options.trace)}${END}`,
  ];
  const { code, stdout, stderr } = await injector.run('sh', ['-es'], { input: `${script.join('\n')}\n` });
  if (code !== 0) return { kind: 'refused', message: stderr.trim() };
  await injector.forget();
  const [json = '', ...dumps] = stdout.split(`${NEXT}\n`);
  const readings = dumps.map((dump, i) => ({ save: saves[i]!, reading: readIptablesSave(dump) }));
  const ofNft = readings.filter(({ save }) => save.includes('-nft-')).map(({ reading }) => reading);
  const legacy = readings.filter(({ save }) => save.includes('-legacy-'));
  const { ruleset } = mergeIptablesNft(readNftJson(JSON.parse(json)), ofNft);
  const legacyTables = legacy.flatMap(({ reading }): readonly Table[] => reading.ruleset.tables);
  return { kind: 'loaded', ruleset: { ...ruleset, tables: [...legacyTables, ...ruleset.tables] } };
}

function loader(tool: RulesetText['tool']): string {
  if (tool === 'nft') return 'nft -f -';
  if (tool === 'nft-json') return 'nft --json -f -';
  return `${tool}-restore`;
}

/** nft keeps `iif` and `oif` as indices, so that the interfaces have to be there. */
function indexedInterfaces(text: string): string[] {
  const found = text.matchAll(/\b[io]if (?:!= )?(?:\{([^}]*)\}|"?([\w.@-]+)"?)/g);
  const names = Array.from(found, ([, list, one]) => (list ?? one ?? '').split(/[\s,"]+/)).flat();
  return names.filter(
    (name) => /^[a-zA-Z][\w.@-]{0,14}$/.test(name) && !['vmap', 'map', 'missing', 'exists'].includes(name),
  );
}
