// The systemd unit that loads the rules before there is a network, with the emergency rules inside.
import type { Paths } from '../kernel/paths.ts';
import { bootStarter } from './boot-script.ts';

export const BOOT_UNIT = 'moat.service';

/**
 * Two commands. The first climbs the ladder in a sandbox. The second, free of it, is there for what remains: the files
 * of a change that waited, wherever these are; the ladder again, where the sandbox itself did not work; the emergency
 * rules. Where not the last confirmed rules are in force it fails, so that `systemctl --failed` tells of it.
 */
export function bootUnit(paths: Paths, sshPorts: readonly number[]): string {
  const { begin, finish } = bootStarter(paths, sshPorts);
  return `# Written by \`moat enable\`, removed by \`moat disable\`.
[Unit]
Description=moat firewall: the confirmed rules, before the network is up
DefaultDependencies=no
Wants=network-pre.target
After=local-fs.target systemd-modules-load.service
# Whoever begins with \`flush ruleset\` shall do so before there are rules of moat.
After=nftables.service netfilter-persistent.service
Before=network-pre.target docker.service shutdown.target
# Of all that configures a network, the one that does not wait for network-pre.target.
Before=cloud-init-local.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-/bin/sh -c ${unitQuote(begin)}
ExecStart=+/bin/sh -c ${unitQuote(finish)}
RuntimeDirectory=moat
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
UMask=0077
CapabilityBoundingSet=CAP_NET_ADMIN
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectClock=yes
ProtectHostname=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@resources @privileged
SystemCallErrorNumber=EPERM

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
