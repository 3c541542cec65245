// One packet through a copy of the rules, in a network namespace that ends with it: what the kernel's own trace says.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownNetwork } from './own-network.ts';
import { run } from './process.ts';
import type { Told } from './tool.ts';

/** Texts for the programs that load rules; those that are absent load nothing. */
export interface TrialRules {
  readonly nftText?: string;
  readonly nftJson?: string;
  readonly iptables?: string;
  readonly ip6tables?: string;
  readonly ipset?: string;
}

export interface Trial {
  readonly rules: TrialRules;
  /** Lines for `ip -batch` where the rules are; `@PEER@` stands for the other side's network namespace. */
  readonly links: readonly string[];
  /** The same on the other side. */
  readonly peer: readonly string[];
  /** Path under /proc/sys → value. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** nft text that switches the trace on for the packet. */
  readonly trace: string;
  /** The packet begins on the other side, or where the rules are. */
  readonly from: 'peer' | 'here';
  readonly protocol: 'tcp' | 'udp';
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
}

export interface TrialResult {
  /** What `nft --handle monitor trace` printed. */
  readonly trace: string;
  /** The JSON of the copy as the kernel lists it. */
  readonly listed: string;
}

/** $1: the network that must not be touched; $2: the folder with the files; the rest: how to send. */
const SCRIPT = `
own=$(readlink /proc/self/ns/net)
if [ -z "$own" ] || [ "$own" = "$1" ]; then echo 'not in a network namespace of its own' >&2; exit 97; fi
cd "$2" || exit 98
from=$3
shift 3
unshare --net sleep 60 & peer=$!
monitor=
trap 'kill $peer $monitor 2>/dev/null' EXIT
tries=0
until other=$(readlink "/proc/$peer/ns/net") && [ "$other" != "$own" ]; do
  tries=$((tries + 1)); [ "$tries" -lt 100 ] || { echo 'no second network namespace' >&2; exit 98; }
  sleep 0.02
done
there="nsenter --net=/proc/$peer/ns/net"
while read -r path value; do echo "$value" > "/proc/sys/$path"; done < sysctls 2>/dev/null
sed "s/@PEER@/$peer/" links | ip -batch - >&2 || exit 98
$there ip -batch peer >&2 || exit 98
if [ -f ipset ]; then ipset restore < ipset >&2 || exit 99; fi
if [ -f nft.json ]; then nft --json --file nft.json >&2 || exit 99; fi
if [ -f nft ]; then nft --file nft >&2 || exit 99; fi
if [ -f iptables ]; then iptables-nft-restore < iptables >&2 || exit 99; fi
if [ -f ip6tables ]; then ip6tables-nft-restore < ip6tables >&2 || exit 99; fi
nft --json list ruleset > listed || exit 99
nft --file trace-on >&2 || exit 99
nft --handle monitor trace > trace & monitor=$!
sleep 0.4
if [ "$from" = peer ]; then $there "$@" send.cjs >&2; else "$@" send.cjs >&2; fi
sleep 0.3
kill $monitor
cat trace
printf '\\n%s\\n' '@@@ listed @@@'
cat listed
`;

const SEND = `const { protocol, src, sport, dst, dport } = require('./packet.json');
const end = () => process.exit(0);
setTimeout(end, 300);
if (protocol === 'tcp') {
  require('node:net').connect({ host: dst, port: dport, localAddress: src, localPort: sport }).on('error', () => {});
} else {
  const socket = require('node:dgram').createSocket(dst.includes(':') ? 'udp6' : 'udp4');
  socket.on('error', () => {}).bind(sport, src, () => socket.send('moat', dport, dst, () => {}));
}
`;

const UNSHARES: readonly (readonly string[])[] = [['--net'], ['--user', '--map-root-user', '--net']];

/** Needs root, or user namespaces. The machine's own rules are not touched; why it could not be done, in words. */
export async function tryPacket(
  trial: Trial,
): Promise<{ readonly ok: true; readonly result: TrialResult } | (Told & { readonly ok: false })> {
  const folder = mkdtempSync(join(tmpdir(), 'moat-trial-'));
  try {
    const { rules, protocol, src, sport, dst, dport } = trial;
    const files: Readonly<Record<string, string | undefined>> = {
      nft: rules.nftText,
      'nft.json': rules.nftJson,
      iptables: rules.iptables,
      ip6tables: rules.ip6tables,
      ipset: rules.ipset,
      links: `${trial.links.join('\n')}\n`,
      peer: `${trial.peer.join('\n')}\n`,
      sysctls: Object.entries(trial.sysctls)
        .map(([path, value]) => `${path} ${value}\n`)
        .join(''),
      'trace-on': trial.trace,
      'send.cjs': SEND,
      'packet.json': JSON.stringify({ protocol, src, sport, dst, dport }),
    };
    for (const [name, text] of Object.entries(files))
      if (text !== undefined) writeFileSync(join(folder, name), text, { mode: 0o600 });
    return await inNamespace(folder, trial.from);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function inNamespace(folder: string, from: Trial['from']): ReturnType<typeof tryPacket> {
  const tries = process.geteuid?.() === 0 ? UNSHARES : UNSHARES.slice(1);
  let why = '';
  for (const flags of tries) {
    const args = ['sh', '-c', SCRIPT, 'sh', ownNetwork(), folder, from, process.execPath];
    const ran = await run('unshare', [...flags, ...args], { timeoutMs: 60_000 });
    if (ran.kind === 'missing')
      return { ok: false, why: 'unshare is not installed (apt install util-linux)' };
    if (ran.code === 0) {
      const [trace = '', listed = ''] = ran.stdout.split('\n@@@ listed @@@\n');
      return { ok: true, result: { trace, listed } };
    }
    const said = ran.stderr.trim().split('\n').slice(0, 5).join('\n  ');
    if (ran.code === 99) return { ok: false, why: `the copy of the rules does not load:\n  ${said}` };
    if (!said.startsWith('unshare: ')) return { ok: false, why: `the copy could not be built:\n  ${said}` };
    why = `--live builds a copy of the rules in a network namespace of its own, which takes root here (${said})`;
  }
  return { ok: false, why };
}
