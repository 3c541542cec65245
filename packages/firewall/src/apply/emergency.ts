// The last resort at boot, when the confirmed rules do not load: closed, but the owner can come in by ssh.

/**
 * nft text that asks for nothing that a kernel with nftables may lack, and for no name that nft would look up in
 * another file. It stands in the boot unit itself, so
 * that it works when every other file of moat is gone; neither quotes nor `$`, `%` or `\` may stand in it.
 */
export function emergencyRules(sshPorts: readonly number[]): string {
  return `table inet moat
delete table inet moat
table inet moat {
  chain input {
    type filter hook input priority -5; policy drop;
    ct state established,related accept
    iif lo accept
    meta l4proto { icmp, icmpv6 } accept
    udp sport 67 udp dport 68 accept
    udp sport 547 udp dport 546 accept
    tcp dport { ${emergencyPorts(sshPorts).join(', ')} } accept
  }
  chain forward {
    type filter hook forward priority -5; policy drop;
    ct state established,related accept
  }
}
`;
}

/** The ports that they leave open: those of ssh servers, and always ssh's own. */
export function emergencyPorts(sshPorts: readonly number[]): number[] {
  return [...new Set([22, ...sshPorts])].sort((a, b) => a - b);
}
