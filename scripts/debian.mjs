// Debian: which system packages a purpose needs, and their installation on Debian and Ubuntu without side effects.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Package → the command (or file) by which it is missed. By command, for another package may give it (docker-ce:
 * dockerd).
 */
const START = { nftables: 'nft', iproute2: 'ip', 'util-linux': 'unshare' };
const PACKAGES = {
  start: START,
  test: {
    ...START,
    iptables: 'iptables',
    'build-essential': 'cc',
    conntrack: 'conntrack',
    'docker.io': 'dockerd',
    'docker-cli': 'docker',
    ufw: 'ufw',
    'openssh-server': 'sshd',
    'openssh-client': 'ssh',
    'busybox-static': 'busybox',
    debootstrap: 'debootstrap',
    'systemd-container': 'systemd-nspawn',
    procps: 'sysctl',
    sudo: 'sudo',
    tmux: 'tmux',
    screen: 'screen',
    ipset: 'ipset',
    'man-db': 'man',
    'groff-base': 'groff',
    bsdextrautils: 'col',
  },
  // Real programs that write rules; firewalld starts ipset and dnsmasq is libvirt's.
  daemons: {
    iptables: 'iptables',
    ipset: 'ipset',
    'busybox-static': 'busybox',
    runc: 'runc',
    firewalld: 'firewalld',
    'dbus-daemon': 'dbus-daemon',
    podman: 'podman',
    netavark: '/usr/lib/podman/netavark',
    'libvirt-daemon': 'libvirtd',
    'libvirt-clients': 'virsh',
    'libvirt-daemon-config-network': '/usr/share/libvirt/networks/default.xml',
    'dnsmasq-base': 'dnsmasq',
    fail2ban: 'fail2ban-server',
  },
  bench: { ...START, iptables: 'iptables', conntrack: 'conntrack', ufw: 'ufw', 'build-essential': 'cc' },
};

/** What an installation would switch on for the next boot. */
const UNITS = {
  dockerd: ['docker.service', 'docker.socket'],
  containerd: ['containerd.service'],
  sshd: ['ssh.service', 'ssh.socket'],
  ufw: ['ufw.service'],
  firewalld: ['firewalld.service'],
  podman: [
    ...['podman.socket', 'podman.service', 'podman-restart.service'],
    ...['podman-auto-update.timer', 'podman-auto-update.service'],
  ],
  libvirtd: [
    ...['libvirtd.service', 'libvirtd.socket', 'libvirtd-ro.socket', 'libvirtd-admin.socket'],
    ...['virtlockd.socket', 'virtlockd-admin.socket', 'virtlogd.socket', 'virtlogd-admin.socket'],
    'libvirt-guests.service',
  ],
  'fail2ban-server': ['fail2ban.service'],
};

const POLICY = '/usr/sbin/policy-rc.d';
const POLICY_TEXT =
  '#!/bin/sh\n# Put here by moat while it installs packages for its tests: nothing is started.\nexit 101\n';

/** The PATH with the folders of system programs, which ordinary users on Debian do not have. */
export function systemPath() {
  const folders = (process.env['PATH'] ?? '').split(':');
  return [
    ...folders,
    ...['/usr/sbin', '/sbin', '/usr/bin', '/bin'].filter((each) => !folders.includes(each)),
  ].join(':');
}

const has = (command) =>
  command.startsWith('/')
    ? existsSync(command)
    : systemPath()
        .split(':')
        .some((folder) => existsSync(join(folder, command)));

/**
 * The packages whose commands are not on this machine.
 * @param {'start' | 'test' | 'daemons' | 'bench'} purpose
 * @returns {string[]}
 */
export function missingPackages(purpose) {
  const missing = Object.entries(PACKAGES[purpose]).filter(([, command]) => !has(command));
  const names = missing.map(([name]) => name);
  // Debian 12's docker.io has the client in it; later ones have it apart.
  return names.includes('docker.io') && !isKnown('docker-cli')
    ? names.filter((name) => name !== 'docker-cli')
    : names;
}

/**
 * Installs what is missing where this is possible: as root on Debian or Ubuntu. Says first what it is going to do.
 * No daemon is started, and none that was not there before is left switched on for the next boot.
 * @param {'start' | 'test' | 'daemons' | 'bench'} purpose
 * @returns {string[]} the packages that are still missing
 */
export function ensurePackages(purpose) {
  const missing = missingPackages(purpose);
  if (missing.length === 0) return [];
  if (process.getuid?.() !== 0 || !has('apt-get')) {
    console.log(`Missing on this machine: ${missing.join(' ')}`);
    console.log(`On Debian or Ubuntu: sudo apt-get install --no-install-recommends ${missing.join(' ')}`);
    return missing;
  }
  console.log(`Installing Debian packages that are missing: ${missing.join(' ')}`);
  console.log('(no daemon is started or enabled by this)');
  const before = Object.keys(UNITS).filter(has);
  const ours = !existsSync(POLICY);
  if (ours) writeFileSync(POLICY, POLICY_TEXT, { mode: 0o755 });
  try {
    if (!install(missing)) {
      apt(['update']);
      install(missingPackages(purpose));
    }
  } finally {
    if (ours && readFileSync(POLICY, 'utf8') === POLICY_TEXT) rmSync(POLICY);
  }
  switchOff(Object.keys(UNITS).filter((command) => has(command) && !before.includes(command)));
  return missingPackages(purpose);
}

const install = (names) => apt(['install', '--yes', '--no-install-recommends', ...names]);

function apt(args) {
  const options = ['-qq', '-o', 'Dpkg::Use-Pty=0', '-o', 'Dpkg::Options::=--force-confold'];
  return (
    spawnSync('apt-get', [...options, ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        ...process.env,
        PATH: systemPath(),
        DEBIAN_FRONTEND: 'noninteractive',
        NEEDRESTART_SUSPEND: '1',
      },
    }).status === 0
  );
}

/** systemctl takes `disable` where systemd does not run as well: it removes the links. */
function switchOff(commands) {
  const units = commands.flatMap((command) => UNITS[command]);
  if (units.length === 0 || !has('systemctl')) return;
  const running = existsSync('/run/systemd/system');
  const env = { ...process.env, PATH: systemPath(), ...(running ? {} : { SYSTEMD_OFFLINE: '1' }) };
  for (const unit of units) {
    spawnSync('systemctl', ['disable', ...(running ? ['--now'] : []), unit], { stdio: 'ignore', env });
  }
}

const isKnown = (name) =>
  has('apt-cache') &&
  spawnSync('apt-cache', ['show', name], { stdio: 'ignore', env: { ...process.env, PATH: systemPath() } })
    .status === 0;
