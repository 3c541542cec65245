// Room: a machine with files and processes of its own, for daemons that know their folders and fork as they like.
import { readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assertPrivateNetwork } from './guard.ts';
import { HOLD, startHolder } from './holder.ts';
import type { Machine } from './machine.ts';
import { eventually } from './waiting.ts';

/** A machine as seen from within the room: what is run there sees the room's folders, and its processes alone. */
export type Room = Machine & {
  /**
   * Starts a daemon that stays in the foreground, and waits until `ready` says yes. It ends with the room.
   * Throws with what it said when it ends before, or after 30 seconds.
   */
  daemon(command: readonly string[], ready: () => Promise<boolean>, env?: NodeJS.ProcessEnv): Promise<void>;
  /** Ends every process in the room, and the folders are gone. */
  close(): Promise<void>;
};

/** Refuses to become a program outside the namespace that was meant: the check and the program are one process. */
const HERE = '[ "$(readlink /proc/self/ns/net)" = "$0" ] || { echo "not in $0" >&2; exit 99; }; exec "$@"';

/** Folders that are empty in every room; /run keeps what `ip netns` mounts there. */
const EMPTY = ['/var/log', '/var/cache', '/var/lib', '/run'];

/**
 * Opens a room on a machine. `/etc` is a copy that keeps what is written there to itself; logs, caches, `/var/lib`
 * and `/run` are empty, so that no daemon finds or leaves anything on the computer. Needs real root.
 */
export async function openRoom(machine: Machine): Promise<Room> {
  assertPrivateNetwork();
  const network = (await machine.output('readlink', ['/proc/self/ns/net'])).trim();
  if (network === hostNetwork()) throw new Error(`${machine.name} is in the computer's own network`);
  const folder = await mkdtemp(join(tmpdir(), 'moat-room-'));
  const script = [
    `mount -t tmpfs tmpfs ${folder}`,
    `mkdir ${folder}/up ${folder}/work ${folder}/etc ${folder}/netns`,
    `cp -a /etc/. ${folder}/etc && mount --bind ${folder}/etc /etc`,
    `mount --rbind /run/netns ${folder}/netns`,
    ...EMPTY.map((path) => `mount -t tmpfs -o mode=755 tmpfs ${path}`),
    'mkdir -p /run/netns /run/lock /run/dbus && mount --rbind "$1/netns" /run/netns',
    HOLD,
  ];
  // The first process of a PID namespace takes all others with it, those that went into the background as well.
  const own = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const holder = await startHolder(
    machine,
    [...own, 'sh', '-ec', script.join('\n'), 'sh', folder],
    `no room on ${machine.name}`,
  );
  const inside = (command: string, args: readonly string[]): string[] => [
    ...[`--mount=/proc/${holder.pid}/ns/mnt`, `--pid=/proc/${holder.pid}/ns/pid_for_children`],
    ...['sh', '-ec', HERE, network, command, ...args],
  ];
  const spawn: Machine['spawn'] = (command, args = [], options = {}) =>
    machine.spawn('nsenter', inside(command, args), options);
  return {
    ...machine,
    run: (command, args = [], options = {}) => machine.run('nsenter', inside(command, args), options),
    output: (command, args = [], options = {}) => machine.output('nsenter', inside(command, args), options),
    spawn,
    daemon: ([command, ...args], ready, env = {}) => startDaemon(spawn(command!, args, { env }), ready),
    close: async () => {
      await holder.end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startDaemon(
  child: ReturnType<Machine['spawn']>,
  ready: () => Promise<boolean>,
): Promise<void> {
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => {
      said += data.toString();
    });
  const running = () => child.exitCode === null && child.signalCode === null;
  const answers = await eventually(30_000, async () => !running() || (await ready()));
  if (!answers || !running())
    throw new Error(`${child.spawnargs.slice(-3).join(' ')} does not start:\n${said.slice(-4000)}`);
}

/** The namespace of PID 1; the guard made sure that it is not this process's own, also where it cannot be seen. */
function hostNetwork(): string | undefined {
  try {
    return readlinkSync('/proc/1/ns/net');
  } catch {
    return undefined;
  }
}
