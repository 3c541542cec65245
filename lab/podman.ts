// Podman: Debian's own, in a room, with one image (busybox and a page) and its API where programs look for it.
import { existsSync } from 'node:fs';
import { readdir, rmdir } from 'node:fs/promises';
import type { Room } from './room.ts';
import { eventually } from './waiting.ts';

/** Podman with its files. */
export type Podman = {
  /** Runs `podman ARGS…`, which has to succeed. */
  podman(...args: string[]): Promise<string>;
  /** Runs a container that serves a page on port 80. */
  run(name: string, ...args: string[]): Promise<void>;
  /** Ends all containers, whose cgroups are the computer's. */
  destroy(): Promise<void>;
};

const IMAGE = `
mkdir -p /run/image/bin /run/image/www
cp "$(command -v busybox)" /run/image/bin/busybox
echo page > /run/image/www/index.html
tar --create --file /run/image.tar --directory /run/image .
`;

const CGROUPS = '/sys/fs/cgroup';

/** Makes the image and starts the API. Podman needs no daemon, so there is nothing else to start. */
export async function startPodman(room: Room): Promise<Podman> {
  const parent = `moat-podman-${process.pid}`;
  // vfs: files in memory, for overlays on overlays are not possible everywhere.
  const flags = ['--cgroup-manager', 'cgroupfs', '--storage-driver', 'vfs', '--events-backend', 'none'];
  const podman = (...args: string[]) => room.output('podman', [...flags, ...args], { timeoutMs: 60_000 });
  await room.output('sh', ['-ec', IMAGE]);
  await podman('import', '/run/image.tar', 'lab');
  const socket = '/run/podman/podman.sock';
  await room.output('mkdir', ['-p', '/run/podman']);
  await room.daemon(
    ['podman', ...flags, 'system', 'service', '--time=0', `unix://${socket}`],
    async () => (await room.run('test', ['-S', socket])).code === 0,
  );
  return {
    podman,
    run: async (name, ...args) => {
      const flagsOfRun = ['--detach', '--name', name, '--cgroup-parent', `/${parent}`, '--stop-timeout', '1'];
      const command = ['/bin/busybox', 'httpd', '-f', '-p', '80', '-h', '/www'];
      await podman('run', ...flagsOfRun, ...args, 'lab', ...command);
    },
    destroy: async () => {
      await podman('rm', '--all', '--force', '--time', '0');
      const all = (await readdir(CGROUPS)).map((each) => `${CGROUPS}/${each}/${parent}`);
      await eventually(5000, async () => {
        for (const each of [`${CGROUPS}/${parent}`, ...all]) await removeCgroup(each);
        return ![`${CGROUPS}/${parent}`, ...all].some((each) => existsSync(each));
      });
    },
  };
}

/** A cgroup can be removed when those in it are, and nothing runs there any more. */
async function removeCgroup(folder: string): Promise<void> {
  const inner = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const each of inner) if (each.isDirectory()) await removeCgroup(`${folder}/${each.name}`);
  await rmdir(folder).catch(() => {});
}
