// Debian: a booted one on a machine, with systemd as PID 1, sshd and a database's port, that can be rebooted.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type CommandOptions, type CommandResult, commandOutput, runCommand } from './command.ts';
import { treeFolder } from './debian-tree.ts';
import { assertPrivateNetwork } from './guard.ts';
import type { Machine } from './machine.ts';
import { type Logins, loginsTo } from './ssh.ts';
import { eventually } from './waiting.ts';

/** A Debian on a machine of the lab, in the machine's network namespace. Logins are by its own sshd. */
export type Debian = Logins & {
  /** Its `/` as seen from here, also while it is off. */
  readonly root: string;
  /** Runs a program in there to its end, as on its console; a non-zero exit code is a result. */
  run(command: string, args?: readonly string[], options?: ProgramOptions): Promise<CommandResult>;
  /** Runs a program in there that has to succeed and gives what it printed. */
  output(command: string, args?: readonly string[], options?: ProgramOptions): Promise<string>;
  /** Switches it on and waits until systemd has started everything. */
  start(): Promise<void>;
  /** `systemctl reboot`; waits until it is up again. */
  reboot(): Promise<void>;
  /** Switches it off by the power button, in order. */
  stop(): Promise<void>;
  isBooted(): boolean;
  /** Switches it off and removes its files. */
  destroy(): Promise<void>;
};

/** It gets an environment of its own, as on a console, and nothing of ours. */
type ProgramOptions = Omit<CommandOptions, 'env' | 'cwd'>;

/** The port of the database's stand-in. */
export const DATABASE_PORT = 3306;

/** The port of the web server's. */
export const WEB_PORT = 8080;

/** The port from which somebody's DNAT leads to port 80 behind a bridge called docker0, as published ones do. */
export const PUBLISHED_PORT = 8000;

/** The stand-ins that are there from long before the network until the power is off, as NAME.service. */
export type Early = 'database' | 'web' | 'container';
const EARLY_ALWAYS: readonly Early[] = ['database'];

/** systemd-nspawn(1), --keep-unit: so it asks its caller to start the container again. */
const WANTS_REBOOT = 133;

const CONSOLE = [
  'HOME=/root',
  'LC_ALL=C.UTF-8',
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
];

/**
 * Puts a Debian on the machine's disk, switched off; `makeTree` has made its files before. It configures the machine's
 * interface itself, after `network-pre.target` as every Debian does. Needs real root.
 *
 * @param early which stand-ins answer in it; the container comes with a table of nft of its own
 */
export async function installDebian(machine: Machine, early = EARLY_ALWAYS): Promise<Debian> {
  assertPrivateNetwork();
  // On /run, which is memory and private to the tests: nothing is left, however they end.
  const folder = await mkdtemp('/run/moat-debian-');
  const root = join(folder, 'root');
  await Promise.all(['root', 'upper', 'work'].map((name) => mkdir(join(folder, name))));
  const layers = `lowerdir=${await treeFolder()},upperdir=${folder}/upper,workdir=${folder}/work`;
  await commandOutput('mount', ['-t', 'overlay', '-o', layers, 'overlay', root]);
  const key = join(folder, 'login');
  await commandOutput('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'login', '-f', key]);
  await furnish(root, await networkFile(machine), await readFile(`${key}.pub`, 'utf8'), early);
  let power: Power | undefined;
  const inside = (command: string, args: readonly string[]): string[] => {
    if (power?.leader === undefined) throw new Error(`the Debian on ${machine.name} is off`);
    const enter = ['--target', String(power.leader), '--all', '--root', '--wd'];
    return [...enter, 'env', '-i', ...CONSOLE, command, ...args];
  };
  const run: Debian['run'] = (command, args = [], options = {}) =>
    runCommand('nsenter', inside(command, args), options);
  const start = async () => {
    await coldStart(machine);
    power = switchOn(machine, root, basename(folder));
    if (await eventually(60_000, () => power!.isUp(run))) return;
    const said = power.said();
    await stop();
    throw new Error(`Debian does not boot:\n${said}`);
  };
  const stop = async () => {
    await power?.off();
    power = undefined;
  };
  return {
    root,
    run,
    output: (command, args = [], options = {}) => commandOutput('nsenter', inside(command, args), options),
    start,
    reboot: async () => {
      await run('systemctl', ['--no-block', 'reboot']);
      const code = await power?.ended;
      if (code !== WANTS_REBOOT) throw new Error(`expected a reboot, systemd-nspawn ended with ${code}`);
      await start();
    },
    stop,
    isBooted: () => power?.leader !== undefined,
    destroy: async () => {
      await stop();
      await commandOutput('umount', [root]);
      await rm(folder, { recursive: true, force: true });
    },
    ...loginsTo(machine, { key }),
  };
}

/** What a kernel that starts has none of: rules, connections, addresses; the cable is in, the interface down. */
async function coldStart(machine: Machine): Promise<void> {
  const { interface: name } = machine;
  const script = `ip link set ${name} down; ip addr flush dev ${name}; nft flush ruleset; conntrack -F 2>/dev/null`;
  await machine.output('sh', ['-ec', script]);
}

type Power = {
  /** PID 1 of the container, once it is there. */
  leader: number | undefined;
  isUp(run: Debian['run']): Promise<boolean>;
  readonly ended: Promise<number | undefined>;
  said(): string;
  off(): Promise<void>;
};

/**
 * nspawn in a cgroup of its own, in every hierarchy where systemd and nspawn make theirs, and nothing of it afterwards;
 * also when this process is gone, however it went.
 */
const BOOT = `
name=$1; shift
# What was killed is not gone at once, and a cgroup only goes after its processes.
rmdir_all() { find "$1" -depth -type d -exec rmdir {} + 2>/dev/null && [ ! -d "$1" ]; }
hierarchies=
for dir in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
  [ -e "$dir/cgroup.procs" ] || continue
  hierarchies="$hierarchies $dir"
  mkdir "$dir/$name"
  echo $$ >"$dir/$name/cgroup.procs"
done
trap 'kill -TERM $child' TERM
systemd-nspawn "$@" </dev/null &
child=$!
while [ -d "/proc/$child" ]; do
  wait $child && code=0 || code=$?
done
for dir in $hierarchies; do
  echo $$ >"$dir/cgroup.procs"
  tries=50
  until rmdir_all "$dir/$name"; do
    [ $((tries -= 1)) -gt 0 ] || exit 1
    sleep 0.1
  done
done
exit $code
`;

function switchOn(machine: Machine, root: string, name: string): Power {
  const nspawn = [
    ...['--directory', root, '--boot', '--machine', name, '--register=no', '--keep-unit', '--settings=no'],
    ...[`--network-namespace-path=${machine.path}`, '--capability=CAP_NET_ADMIN'],
    ...['--resolv-conf=off', '--timezone=off', '--link-journal=no'],
  ];
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', 'sh', '-ec', BOOT, 'sh', name, ...nspawn]);
  let said = '';
  const hear = (data: Buffer) => {
    said = (said + data.toString()).slice(-4000);
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const ended = new Promise<number | undefined>((resolve) => {
    child.on('error', (error) => {
      said += error.message;
      resolve(undefined);
    });
    child.on('close', (code) => {
      power.leader = undefined;
      resolve(code ?? undefined);
    });
  });
  const power: Power = {
    leader: undefined,
    isUp: async (run) => {
      if (child.exitCode !== null) throw new Error(`systemd-nspawn ended:\n${said}`);
      power.leader = await leaderBelow(child);
      if (power.leader === undefined) return false;
      const { stdout } = await run('systemctl', ['is-system-running', '--wait']);
      return /^(running|degraded)$/.test(stdout.trim());
    },
    ended,
    said: () => said,
    off: async () => {
      child.kill('SIGTERM');
      // As somebody who holds the button down: PID 1 takes all others with it.
      const patience = setTimeout(() => power.leader && process.kill(power.leader, 'SIGKILL'), 20_000);
      await ended;
      clearTimeout(patience);
    },
  };
  return power;
}

/** The child of nspawn that is number 1 in its own PID namespace. */
async function leaderBelow(shell: ChildProcessWithoutNullStreams): Promise<number | undefined> {
  for (const nspawn of await childrenOf(shell.pid!)) {
    for (const pid of await childrenOf(nspawn)) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      if (/^NSpid:.*\t1$/m.test(status) && /^Name:\tsystemd$/m.test(status)) return pid;
    }
  }
  return undefined;
}

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await runCommand('pgrep', ['--parent', String(pid)]);
  return stdout.split('\n').filter(Boolean).map(Number);
}

type Address = { readonly local: string; readonly prefixlen: number; readonly scope: string };

/** The machine's addresses and ways out, as systemd.network(5) wants them. */
async function networkFile(machine: Machine): Promise<string> {
  const ask = async (...args: string[]) => JSON.parse(await machine.output('ip', ['-j', ...args]));
  const [link] = (await ask('addr', 'show', 'dev', machine.interface)) as { addr_info: Address[] }[];
  const routes = await Promise.all(['-4', '-6'].map((family) => ask(family, 'route', 'show', 'default')));
  const gateways = routes.flat().map(({ gateway }: { gateway: string }) => gateway);
  const addresses = link!.addr_info.filter(({ scope }) => scope === 'global');
  return [
    `[Match]\nName=${machine.interface}`,
    `[Network]\nIPv6AcceptRA=no\n${gateways.map((gateway) => `Gateway=${gateway}`).join('\n')}`,
    ...addresses.map(
      ({ local, prefixlen }) => `[Address]\nAddress=${local}/${prefixlen}\nDuplicateAddressDetection=none`,
    ),
    '',
  ].join('\n');
}

/** The command of a unit that takes connections on a port, over both families, and ends each at once. */
const listen = (port: number): string => `/usr/bin/perl -MSocket -e ' \\
  socket(S, AF_INET6, SOCK_STREAM, 0) or die; \\
  setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1) or die; \\
  bind(S, pack_sockaddr_in6(${port}, Socket::IN6ADDR_ANY)) or die; \\
  listen(S, 4096) or die; \\
  while (accept(C, S)) { close C }'`;

const early = (description: string, service: string): string =>
  `[Unit]\nDescription=${description}, as early as possible\nDefaultDependencies=no\n\n[Service]\n${service}\n`;

const PUBLISH = `set -e
ip link delete docker0 2>/dev/null || true
ip netns add container
ip link add docker0 type veth peer name eth0 netns container
ip address add 172.17.0.1/16 dev docker0
ip address add fd00:d0c::1/64 dev docker0 nodad
ip link set docker0 up
ip -n container address add 172.17.0.2/16 dev eth0
ip -n container address add fd00:d0c::2/64 dev eth0 nodad
ip -n container link set eth0 up
ip -n container route add default via 172.17.0.1
ip -n container route add default via fd00:d0c::1
nft -f - <<'END'
table inet engine {
  chain published {
    type nat hook prerouting priority -100;
    fib daddr type local tcp dport ${PUBLISHED_PORT} dnat ip to 172.17.0.2:80
    fib daddr type local tcp dport ${PUBLISHED_PORT} dnat ip6 to [fd00:d0c::2]:80
  }
}
END
`;

const EARLY: Readonly<Record<Early, string>> = {
  database: early('Stand-in for a database', `ExecStart=${listen(DATABASE_PORT)}`),
  web: early('Stand-in for a web server', `ExecStart=${listen(WEB_PORT)}`),
  container: early(
    'Stand-in for a container with a published port',
    `ExecStartPre=/bin/sh /root/publish\nExecStart=/usr/bin/ip netns exec container ${listen(80)}`,
  ),
};

async function furnish(
  root: string,
  network: string,
  publicKey: string,
  started: readonly Early[],
): Promise<void> {
  const put = async (path: string, text: string, mode = 0o644) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text, { mode });
  };
  const units = 'etc/systemd/system';
  await put('etc/systemd/network/lab.network', network);
  await put('root/publish', PUBLISH);
  await put('root/.ssh/authorized_keys', publicKey, 0o600);
  // The end of a session ends all that was started in it, of root too: what outlives it belongs to systemd.
  await put(
    'etc/systemd/logind.conf.d/lab.conf',
    '[Login]\nKillUserProcesses=yes\nKillExcludeUsers=nobody\nUserStopDelaySec=0\n',
  );
  await mkdir(join(root, units, 'sysinit.target.wants'), { recursive: true });
  await mkdir(join(root, units, 'multi-user.target.wants'), { recursive: true });
  for (const name of started) {
    await put(`${units}/${name}.service`, EARLY[name]);
    await symlink(`../${name}.service`, join(root, units, `sysinit.target.wants/${name}.service`));
  }
  await symlink(
    '/lib/systemd/system/systemd-networkd.service',
    join(root, units, 'multi-user.target.wants/systemd-networkd.service'),
  );
}
