// The systemd unit that runs `moat daemon`, with what it may do taken down to what it needs.
import type { Paths } from '../kernel/paths.ts';
import { bootFile } from '../kernel/state.ts';
import {
  installUnit,
  removeUnit,
  type SystemdResult,
  startUnit,
  stopUnit,
  systemdRefusal,
  unitExists,
} from '../kernel/systemd.ts';
import { BOOT_UNIT } from './boot-unit.ts';

export const DAEMON_UNIT = 'moat-daemon.service';
const UNIT_FILE = `/etc/systemd/system/${DAEMON_UNIT}`;

/** `command`: what to run, each word for itself. */
export function daemonUnit(paths: Paths, command: readonly string[]): string {
  return `# Written by \`moat daemon --install\`, removed by \`moat daemon --remove\`.
[Unit]
Description=moat: keeps the firewall's rules in force and tells when what can be reached changes
After=${BOOT_UNIT} docker.service
# There only while moat is enabled.
ConditionPathExists=${bootFile(paths)}
StartLimitIntervalSec=0

[Service]
ExecStart=${command.map(unitWord).join(' ')}
Restart=always
RestartSec=500ms
OOMScoreAdjust=-500
# In the journal it would be called node.
SyslogIdentifier=moat
# A repair takes a few short programs, and must not wait for others.
Nice=-10
# It speaks to the kernel's firewall; legacy iptables is listed over a raw socket; whose a socket is stands in /proc of
# other people's processes.
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_PTRACE CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
StateDirectory=moat
StateDirectoryMode=0700
RuntimeDirectory=moat
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
ProtectSystem=strict
# Node may be installed below a home.
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
KeyringMode=private
UMask=0077
# Sockets of engines, the kernel, the tools that ask it over IP sockets, and the servers of /etc/resolv.conf, which may be
# any: nothing else is sent to any address.
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`;
}

/** A word of systemd.service(5) "COMMAND LINES". */
function unitWord(word: string): string {
  const escaped = word
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('%', '%%')
    .replaceAll('$', '$$$$');
  return `"${escaped}"`;
}

/** Why there can be no unit here, in words. */
export function daemonUnitRefusal(paths: Paths): string | undefined {
  return paths.root === '' ? systemdRefusal() : `everything is kept under ${paths.root}`;
}

export function isDaemonInstalled(paths: Paths): boolean {
  return paths.root === '' && unitExists(UNIT_FILE);
}

/** Installs and starts it; it begins only where moat is enabled. */
export async function installDaemon(paths: Paths, command: readonly string[]): Promise<SystemdResult> {
  const installed = await installUnit(UNIT_FILE, daemonUnit(paths, command));
  return installed.kind === 'ok' ? startUnit(DAEMON_UNIT) : installed;
}

export async function removeDaemon(): Promise<SystemdResult> {
  const stopped = await stopUnit(DAEMON_UNIT);
  return stopped.kind === 'ok' ? removeUnit(UNIT_FILE) : stopped;
}

/** Where it is installed: it runs exactly while moat is enabled. What cannot be done is told. */
export async function runDaemonUnit(paths: Paths, runs: boolean): Promise<string[]> {
  if (!isDaemonInstalled(paths) || daemonUnitRefusal(paths) !== undefined) return [];
  const result = await (runs ? startUnit(DAEMON_UNIT) : stopUnit(DAEMON_UNIT));
  return result.kind === 'ok'
    ? []
    : [`${DAEMON_UNIT} could not be ${runs ? 'started' : 'stopped'}: ${result.reason}`];
}
