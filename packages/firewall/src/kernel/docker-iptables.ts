// Whether Docker was told to leave the packet filter alone (`--iptables=false`).
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Where it was said. */
export type IptablesDisabled =
  | { readonly by: 'command line'; readonly pid: number }
  | { readonly by: 'file'; readonly file: string };

/**
 * Looks at the command lines of every dockerd of this network namespace, and at `daemon.json`. Undefined when
 * nothing says so, which is Docker's default.
 */
export function iptablesDisabled({
  proc = '/proc',
  config = '/etc/docker/daemon.json',
}: {
  proc?: string;
  config?: string;
} = {}): IptablesDisabled | undefined {
  const files = new Set([config]);
  for (const { pid, args } of daemons(proc)) {
    // Flags of Go's pflag: one or two words, booleans in one word only; the last one counts.
    const flag = args.findLast((arg) => /^--iptables(=|$)/.test(arg));
    if (flag !== undefined && /=(0|f|F|false|FALSE|False)$/.test(flag)) return { by: 'command line', pid };
    const at = args.findIndex((arg) => /^--config-file(=|$)/.test(arg));
    const file = args[at]?.includes('=') ? args[at]?.slice('--config-file='.length) : args[at + 1];
    if (at >= 0 && file !== undefined) files.add(file);
  }
  for (const file of files) if (saysFalse(file)) return { by: 'file', file };
  return undefined;
}

function daemons(proc: string): { pid: number; args: string[] }[] {
  const network = readlinkSync(`${proc}/self/ns/net`);
  return readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        if (readFileSync(`${proc}/${pid}/comm`, 'utf8').trim() !== 'dockerd') return [];
        if (readlinkSync(`${proc}/${pid}/ns/net`) !== network) return [];
        return [{ pid: Number(pid), args: readFileSync(`${proc}/${pid}/cmdline`, 'utf8').split('\0') }];
      } catch {
        // Ended, or not ours to look at.
        return [];
      }
    });
}

function saysFalse(file: string): boolean {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { iptables?: unknown } | null)?.iptables === false;
  } catch {
    // No such file, or one that dockerd itself refuses to start with.
    return false;
  }
}
