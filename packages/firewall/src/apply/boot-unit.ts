// The systemd unit that loads the confirmed rules before there is a network, with the emergency rules inside.
import type { Paths } from '../kernel/paths.ts';
import { bootFile, wayBackFile } from '../kernel/state.ts';
import { emergencyRules } from './emergency.ts';
import { quote } from './way-back.ts';

export const BOOT_UNIT = 'moat.service';

/**
 * sh, nft and this file are all that it needs. A change that still waited for its confirmation goes back
 * first. Where the confirmed rules are missing or do not load, the emergency rules do, and the unit fails, so
 * that `systemctl --failed` and the journal tell of it.
 */
export function bootUnit(paths: Paths, sshPorts: readonly number[]): string {
  const back = wayBackFile(paths);
  const rules = bootFile(paths);
  const script = [
    `if [ -f ${back} ]; then sh ${back} boot; fi`,
    `if nft -f ${rules}; then exit 0; fi`,
    `echo "<2>moat: ${rules} could not be loaded; the emergency rules are in force: ssh from anywhere, all else closed"`,
    `echo ${quote(emergencyRules(sshPorts))} | nft -f -`,
    'exit 1',
  ];
  return `# Written by \`moat enable\`, removed by \`moat disable\`.
[Unit]
Description=moat firewall: the confirmed rules, before the network is up
DefaultDependencies=no
Wants=network-pre.target
After=local-fs.target systemd-modules-load.service
# Whoever begins with \`flush ruleset\` shall do so before there are rules of moat.
After=nftables.service netfilter-persistent.service
Before=network-pre.target docker.service shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c ${unitQuote(script.join('\n'))}

[Install]
WantedBy=sysinit.target
`;
}

/** One double-quoted word of systemd.service(5) "COMMAND LINES": C escapes, `%` and `$` doubled. */
function unitQuote(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    .replaceAll('%', '%%')
    .replaceAll('$', '$$$$');
  return `"${escaped}"`;
}
