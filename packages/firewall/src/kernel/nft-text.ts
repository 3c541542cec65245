// nft text → nft JSON, by loading it where it decides nothing: in a network namespace that ends with the command.
import { ownNetwork } from './own-network.ts';
import { type Finished, run } from './process.ts';
import type { Told } from './tool.ts';

/**
 * $1: the network that must not be touched. The other arguments: interfaces that rules ask for by index, and that nft
 * therefore wants to exist. The shell that checks where it is starts nft.
 */
const SCRIPT = `
own=$(readlink /proc/self/ns/net)
if [ -z "$own" ] || [ "$own" = "$1" ]; then echo 'not in a network namespace of its own' >&2; exit 97; fi
shift
for name in "$@"; do
  ip link add name "$name" type bridge 2>/dev/null || ip link add name "$name" type dummy 2>/dev/null
done
nft --file - >&2 && exec nft --json list ruleset
`;

/** As root, and as anybody who may make user namespaces. */
const UNSHARES: readonly (readonly string[])[] = [['--net'], ['--user', '--map-root-user', '--net']];

const REMEDY = 'give what `nft -j list ruleset` prints instead';

/** The JSON of `nft -j list ruleset` after the text was loaded; the machine's own rules are not touched. */
export async function nftTextToJson(text: string, proc = '/proc'): Promise<Told> {
  const own = ownNetwork(proc);
  const names = interfacesIn(text);
  // Newer versions print this priority by a name that nft 1.0 takes in other hooks only.
  const input = `${text.replaceAll('hook output priority dstnat', 'hook output priority -100')}\n`;
  const tries = process.geteuid?.() === 0 ? UNSHARES : UNSHARES.slice(1);
  let why = '';
  for (const flags of tries) {
    const ran = await run('unshare', [...flags, 'sh', '-c', SCRIPT, 'sh', own, ...names], { input });
    if (ran.kind === 'missing') return { ok: false, why: `unshare is not installed; ${REMEDY}` };
    if (ran.code === 0) return { ok: true, text: ran.stdout };
    if (ran.code === 127) return { ok: false, why: `nft is not installed (apt install nftables); ${REMEDY}` };
    if (!/^unshare: /.test(ran.stderr)) return { ok: false, why: refusal(ran) };
    why = `nft text is read by loading it in a network namespace of its own, which this machine refuses (${ran.stderr.trim()}); ${REMEDY}`;
  }
  return { ok: false, why };
}

/** nft's first complaint; it calls the text by the name of its own input. */
function refusal({ stderr, code, signal }: Finished): string {
  const lines = stderr.trim().split('\n');
  const [first = ''] = lines;
  const [, line, column, message = first] =
    /^(?:\/dev\/stdin|-|<stdin>):(\d+):(\d+)-\d+: (?:Error: )?(.*)$/.exec(first) ?? [];
  if (first === '') return `nft ended with ${signal ?? `exit code ${code}`} and said nothing`;
  const place = line === undefined ? '' : `line ${line}, column ${column}: `;
  const source = line === undefined ? '' : `\n  ${lines[1]?.trim() ?? ''}`;
  return `nft does not load it: ${place}${message}${source}`;
}

/**
 * Names after `iif` and `oif`, alone or in braces, those of devices, and all that `define` gives a name to. Words that
 * are no interfaces may be among them, which does no harm.
 */
export function interfacesIn(text: string): string[] {
  const names = new Set<string>();
  for (const [, list = ''] of text.matchAll(
    /\b(?:iif|oif|devices?|define\s+\w+)\s+(?:vmap\s+|[!=]=\s*|=\s*)?(\{[^}]*\}|"[^"\n]*"|[^\s{};]+)/g,
  )) {
    for (const [name] of list.matchAll(/[\w.@-]+/g)) {
      // Not numbers, and nothing that `ip` could take for an option.
      if (name.length <= 15 && /^[A-Za-z_]/.test(name) && name !== 'lo') names.add(name);
    }
  }
  return [...names].slice(0, 200);
}
