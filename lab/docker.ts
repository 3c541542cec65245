// Docker: a real engine inside a machine's network namespace, with everything of its own and nothing left at the end.
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rm,
  rmdir,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandResult, commandOutput, runCommand } from './command.ts';
import { assertPrivateNetwork } from './guard.ts';
import type { Machine } from './machine.ts';
import { eventually } from './waiting.ts';

/** How to run a container of the lab's image (busybox and a page); it serves the page on `port` 80 by default. */
export type ContainerOptions = {
  /** As `docker run --publish` takes them: `80:80`, `127.0.0.1:8080:80/tcp`. */
  readonly publish?: readonly string[];
  readonly network?: string;
  /** The command in the container instead of the page's server. */
  readonly command?: readonly string[];
  /** Further arguments of `docker run`. */
  readonly args?: readonly string[];
};

/** A container that runs; addresses as they are now (a restart may change them). */
export type Container = {
  readonly name: string;
  readonly addresses: { readonly v4: string; readonly v6: string };
};

/** A Docker engine on one machine. */
export type Docker = {
  /** The `-H` value with which any client reaches it. */
  readonly host: string;
  /** What is written in the page that every container serves. */
  readonly page: string;
  /** Runs the docker client; throws with what it said unless it succeeds. */
  docker(...args: string[]): Promise<string>;
  run(name: string, options?: ContainerOptions): Promise<Container>;
  addresses(name: string): Promise<Container['addresses']>;
  /** Runs a command in a container; a non-zero exit code is a result. */
  exec(name: string, ...command: string[]): Promise<CommandResult>;
  /** Fetches `/` over HTTP from inside a container, with a limit of a second; gives the whole answer, or nothing. */
  fetch(name: string, host: string, port: number): Promise<string | undefined>;
  stopDaemon(): Promise<void>;
  startDaemon(): Promise<void>;
  /** Ends containers, daemon and containerd and removes all files and cgroups. */
  destroy(): Promise<void>;
};

const PAGE = 'the page of some-app-container\n';
const IMAGE = 'lab';
const PREFIX = 'fd00:d0c::/64';

/**
 * Starts a Docker engine in the machine's network namespace, with IPv6, and makes its one image.
 * @param options.daemon further arguments of dockerd, such as `--iptables=false`
 */
export async function startDocker(
  machine: Machine,
  options: { readonly daemon?: readonly string[] } = {},
): Promise<Docker> {
  assertPrivateNetwork();
  const folder = await mkdtemp(join(tmpdir(), 'moat-docker-'));
  const socket = `unix://${folder}/docker.sock`;
  const cgroup = `moat-lab-${folder.slice(-6)}`;
  const daemon = [
    ...[
      '--data-root',
      `${folder}/data`,
      '--exec-root',
      `${folder}/exec`,
      '--pidfile',
      `${folder}/pid`,
      '-H',
      socket,
    ],
    // Not the machine's own configuration.
    ...['--config-file', `${folder}/daemon.json`],
    ...['--cgroup-parent', `/${cgroup}`, '--exec-opt', 'native.cgroupdriver=cgroupfs'],
    ...['--ipv6', '--fixed-cidr-v6', PREFIX, '--experimental', '--ip6tables'],
    ...(options.daemon ?? []),
  ];
  await writeFile(`${folder}/daemon.json`, '{}');
  let process = await startDaemon(machine, daemon, folder, socket);
  const client = (args: readonly string[]) => commandOutput('docker', ['-H', socket, ...args]);
  const stopDaemon = async () => {
    await process.stop();
  };
  const addresses = async (name: string): Promise<Container['addresses']> => {
    const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}';
    const [v4, v6] = (await client(['inspect', '--format', format, name])).trim().split(' ');
    return { v4: v4 ?? '', v6: v6 ?? '' };
  };
  const destroy = async () => {
    if (process.isRunning()) {
      const ids = (await client(['ps', '--all', '--quiet'])).split('\n').filter(Boolean);
      if (ids.length > 0) await client(['rm', '--force', '--volumes', ...ids]);
    }
    await stopDaemon();
    await removeCgroups(cgroup);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await importImage(client, folder);
  } catch (error) {
    await destroy();
    throw error;
  }
  return {
    host: socket,
    page: PAGE,
    docker: (...args) => client(args),
    run: async (name, { publish = [], network, command, args = [] } = {}) => {
      const flags = [
        // The page's server is PID 1 of its container and deaf to SIGTERM.
        ...['--detach', '--name', name, '--hostname', name, '--stop-timeout', '1'],
        ...publish.flatMap((each) => ['--publish', each]),
        ...(network === undefined ? [] : ['--network', network]),
      ];
      await client([
        'run',
        ...flags,
        ...args,
        IMAGE,
        ...(command ?? ['/bin/busybox', 'httpd', '-f', '-p', '80', '-h', '/www']),
      ]);
      return { name, addresses: await addresses(name) };
    },
    addresses,
    exec: (name, ...command) => runCommand('docker', ['-H', socket, 'exec', name, ...command]),
    fetch: async (name, host, port) => {
      // Not wget: a static one crashes in its name lookup.
      const request = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 1 ${host} ${port}`;
      const { stdout } = await runCommand('docker', ['-H', socket, 'exec', name, 'sh', '-c', request]);
      return stdout === '' ? undefined : stdout;
    },
    stopDaemon,
    startDaemon: async () => {
      process = await startDaemon(machine, daemon, folder, socket);
    },
    destroy,
  };
}

type Daemon = { isRunning(): boolean; stop(): Promise<void> };

async function startDaemon(
  machine: Machine,
  args: readonly string[],
  folder: string,
  socket: string,
): Promise<Daemon> {
  const log = await open(`${folder}/log`, 'a');
  // The daemon gets SIGTERM when this process is gone, however it went: then it ends its containers and containerd.
  const child = machine.spawn('setpriv', [
    ...['--pdeathsig', 'TERM', 'unshare', '--mount', '--propagation', 'private', 'dockerd'],
    ...args,
  ]);
  child.on('error', () => {});
  child.stdout.on('data', (data: Buffer) => void log.write(data).catch(() => {}));
  child.stderr.on('data', (data: Buffer) => void log.write(data).catch(() => {}));
  let said = '';
  child.stderr.on('data', (data: Buffer) => {
    said = (said + data.toString()).slice(-4000);
  });
  const running = () => child.exitCode === null && child.signalCode === null;
  const closed = new Promise<void>((resolve) => {
    child.on('close', () => resolve());
    child.on('error', () => resolve());
  });
  const stop = async () => {
    if (running()) child.kill('SIGTERM');
    const patience = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await closed;
    clearTimeout(patience);
    await log.close().catch(() => {});
  };
  const answers = await eventually(30_000, async () => {
    if (!running()) return true;
    return (await runCommand('docker', ['-H', socket, 'version'])).code === 0;
  });
  if (!running() || !answers) {
    await stop();
    throw new Error(`dockerd does not start:\n${said}`);
  }
  return { isRunning: running, stop };
}

/** One static program under the names of its parts, and a page. */
async function importImage(
  client: (args: readonly string[]) => Promise<string>,
  folder: string,
): Promise<void> {
  const root = `${folder}/image`;
  await mkdir(`${root}/bin`, { recursive: true });
  await mkdir(`${root}/www`);
  const busybox = (await commandOutput('sh', ['-c', 'command -v busybox'])).trim();
  await copyFile(busybox, `${root}/bin/busybox`);
  await chmod(`${root}/bin/busybox`, 0o755);
  for (const name of ['sh', 'nc', 'ping', 'ip', 'sleep', 'cat']) {
    await symlink('busybox', `${root}/bin/${name}`);
  }
  await writeFile(`${root}/www/index.html`, PAGE);
  // A static glibc looks names up through libraries that are not there, and crashes; even for an address.
  await mkdir(`${root}/etc`);
  await writeFile(`${root}/etc/nsswitch.conf`, 'hosts: files\n');
  await commandOutput('tar', ['--create', '--file', `${folder}/image.tar`, '--directory', root, '.']);
  await client(['import', `${folder}/image.tar`, IMAGE]);
}

/** The daemon leaves the empty cgroup above its containers' behind, in each hierarchy. */
async function removeCgroups(name: string): Promise<void> {
  const base = '/sys/fs/cgroup';
  const hierarchies = (await readdir(base, { withFileTypes: true })).filter((each) => each.isDirectory());
  const folders = [join(base, name), ...hierarchies.map((each) => join(base, each.name, name))];
  await Promise.all(folders.map((each) => rmdir(each).catch(() => {})));
}
