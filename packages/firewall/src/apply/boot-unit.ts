// The systemd unit that loads the confirmed rules before there is a network, with the emergency rules inside.
import { banFile } from '../kernel/ban-file.ts';
import type { Paths } from '../kernel/paths.ts';
import { bootFile, wayBackFile } from '../kernel/state.ts';
import { emergencyRules } from './emergency.ts';
import { TIME_LEFT } from './time-left.ts';
import { quote } from './way-back.ts';

export const BOOT_UNIT = 'moat.service';

/**
 * sh, nft and this file are all that it needs. A change that still waited for its confirmation goes back
 * first. Where the confirmed rules are missing or do not load, the emergency rules do, and the unit fails, so
 * that `systemctl --failed` and the journal tell of it.
 */
export function bootUnit(paths: Paths, sshPorts: readonly number[]): string {
  return unitText(bootScript(paths, sshPorts));
}

/** What loads the rules at boot, for sh. Fails where not all of them could be loaded. */
export function bootScript(paths: Paths, sshPorts: readonly number[]): string {
  const back = wayBackFile(paths);
  const rules = bootFile(paths);
  const files = [rules, banFile(paths)].join(' ');
  const script = [
    `if [ -f ${back} ]; then sh ${back} boot; fi`,
    TIME_LEFT,
    `if nft -f ${rules}; then`,
    // Closed already: bans only close more, and what has time left only opens something.
    `if time_left $(ls ${files} 2>/dev/null) | nft -f -; then exit 0; fi`,
    `echo "<2>moat: what ${files} say of bans and times could not be loaded; the rules are in force"`,
    'exit 1',
    'fi',
    `echo "<2>moat: ${rules} could not be loaded; the emergency rules are in force: ssh from anywhere, all else closed"`,
    `echo ${quote(emergencyRules(sshPorts))} | nft -f -`,
    'exit 1',
  ];
  return script.join('\n');
}

function unitText(script: string): string {
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
ExecStart=/bin/sh -c ${unitQuote(script)}

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
