// Asking a program for what it knows, with an answer in words when there is none.
import { run } from './process.ts';

export type Told =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly why: string };

/** The Debian packages of the programs that are asked; no other program is run here. */
const PACKAGES = {
  nft: 'nftables',
  'iptables-nft-save': 'iptables',
  'ip6tables-nft-save': 'iptables',
  'iptables-save': 'iptables',
  'ip6tables-save': 'iptables',
  'iptables-legacy-save': 'iptables',
  'ip6tables-legacy-save': 'iptables',
  ipset: 'ipset',
  ip: 'iproute2',
  tc: 'iproute2',
  conntrack: 'conntrack',
  bpftool: 'bpftool',
} as const;

export type Tool = keyof typeof PACKAGES;

const TIMEOUT_MS = 60_000;

/** What the program prints on stdout, or why it is not known. Never rejects for a program that fails. */
export async function ask(tool: Tool, args: readonly string[]): Promise<Told> {
  const command = [tool, ...args].join(' ');
  let ran: Awaited<ReturnType<typeof run>>;
  try {
    ran = await run(tool, args, { timeoutMs: TIMEOUT_MS });
  } catch (error) {
    return { ok: false, why: `${command}: ${(error as Error).message}` };
  }
  if (ran.kind === 'missing') {
    return {
      ok: false,
      why: `${tool} is not installed; on Debian and Ubuntu: apt install ${PACKAGES[tool]}`,
    };
  }
  if (ran.timedOut) return { ok: false, why: `${command}: no end after ${TIMEOUT_MS / 1000} s` };
  if (ran.code === 0) return { ok: true, text: ran.stdout };
  if (process.geteuid?.() !== 0) return { ok: false, why: `${command}: takes root` };
  return { ok: false, why: `${command}: ${firstLine(ran.stderr) || `exit code ${ran.code}`}` };
}

/** What `parse` makes of it. Rejects, in words, where there is no answer or not one that is understood. */
export async function askFor<T>(tool: Tool, args: readonly string[], parse: (text: string) => T): Promise<T> {
  const told = await ask(tool, args);
  if (!told.ok) throw new Error(told.why);
  try {
    return parse(told.text);
  } catch (error) {
    throw new Error(`${[tool, ...args].join(' ')}: ${(error as Error).message}`);
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
