// What the files of other firewalls say about the next boot. Files that are not there say nothing.
import { readFileSync } from 'node:fs';

export interface FirewallFiles {
  /** `ENABLED=yes` in /etc/ufw/ufw.conf: the one switch that ufw goes by. */
  readonly ufwEnabled: boolean;
  /** The file of nftables.service, if it holds `flush ruleset`. */
  readonly flushes: string | undefined;
  /** Files of netfilter-persistent that have the rules by which Oracle's machines reach their disk. */
  readonly oracleRules: readonly string[];
}

/** Debian's and Red Hat's places for the file that nftables.service loads. */
const NFTABLES = ['/etc/nftables.conf', '/etc/sysconfig/nftables.conf'];
/** Where netfilter-persistent and the service `iptables` have their rules. */
const IPTABLES = ['/etc/iptables/rules.v4', '/etc/sysconfig/iptables'];

export function readFirewallFiles(root = ''): FirewallFiles {
  const read = (file: string): string => readOr(`${root}${file}`);
  return {
    ufwEnabled: /^\s*ENABLED\s*=\s*"?yes"?\s*$/im.test(read('/etc/ufw/ufw.conf')),
    flushes: NFTABLES.find((file) => /^[^#\n]*\bflush\s+ruleset\b/m.test(read(file))),
    oracleRules: IPTABLES.filter((file) => /^-A InstanceServices .*-d 169\.254\./m.test(read(file))),
  };
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
