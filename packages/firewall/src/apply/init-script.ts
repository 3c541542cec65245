// The same ladder where systemd does not run: a script for sysvinit (LSB) or for OpenRC.
import { bootRecordFile } from '../kernel/boot-record.ts';
import type { Paths } from '../kernel/paths.ts';
import { bootStarter } from './boot-script.ts';
import { quote } from './way-back.ts';

const WHAT = 'moat firewall: the confirmed rules, before the network is up';
const MADE = '# Written by `moat enable`, removed by `moat disable`.';
const STOPPED = '# The rules stay: a machine that goes down is as closed as one that runs (`moat disable`).';

/** `insserv` and `update-rc.d` read its first lines (Linux Standard Base, "Comment Conventions for Init Scripts"). */
export function sysvScript(paths: Paths, sshPorts: readonly number[]): string {
  return `#!/bin/sh
### BEGIN INIT INFO
# Provides:          moat
# Required-Start:    mountkernfs $local_fs
# Required-Stop:
# Should-Start:      nftables netfilter-persistent
# X-Start-Before:    $network networking
# Default-Start:     S
# Default-Stop:
# Short-Description: ${WHAT}
### END INIT INFO
${MADE}
${climb(paths, sshPorts)}
case \${1-} in
  start | restart | force-reload) climb ;;
  ${STOPPED}
  stop) ;;
  *)
    echo "Usage: $0 start|stop|restart|force-reload" >&2
    exit 2
    ;;
esac
`;
}

/** openrc-run(8). */
export function openrcScript(paths: Paths, sshPorts: readonly number[]): string {
  return `#!/sbin/openrc-run
${MADE}
description=${JSON.stringify(WHAT)}

depend() {
  need localmount
  after bootmisc modules nftables iptables ip6tables
  before net
}
${climb(paths, sshPorts)}
start() {
  ebegin 'Loading the firewall rules of moat'
  climb
  eend $?
}

${STOPPED}
stop() {
  return 0
}
`;
}

/** In a shell of its own, which it ends. */
function climb(paths: Paths, sshPorts: readonly number[]): string {
  return `
climb() (
rm -f ${quote(bootRecordFile(paths))}
${bootStarter(paths, sshPorts).finish}
)
`;
}
