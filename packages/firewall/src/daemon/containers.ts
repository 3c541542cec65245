// Networks of containers and containers, as they come and go.
import { containerLinks } from '../apply/container-links.ts';
import { type ContainerLinks, containerBridges, NO_LINKS } from '../compile/container-links.ts';
import { type Docker, readDocker } from '../kernel/docker.ts';
import type { DaemonEvent } from '../report/daemon-event.ts';
import { oneAtATime } from './one-at-a-time.ts';

export interface Containers {
  /** The bridges as they were last seen. */
  known(): ContainerLinks;
  /** Looks now. */
  fresh(): Promise<ContainerLinks>;
  /** Something of them may have changed. */
  noticed(): void;
  stop(): Promise<void>;
}

/** An engine makes the bridge first and tells of it afterwards. */
const SETTLES_MS = 200;

interface Seen {
  readonly links: ContainerLinks;
  /** Bridge → what the engine calls its network. */
  readonly networks: ReadonlyMap<string, string | null>;
  /** Id → name; undefined: the engine could not be asked. */
  readonly containers: ReadonlyMap<string, string> | undefined;
}

/** `onChange`: bridges are others than before, so the rules may have to be. The first look tells nothing. */
export function newContainers(tell: (event: DaemonEvent) => void, onChange: () => void): Containers {
  let seen: Seen | undefined;
  const fresh = async (): Promise<ContainerLinks> => {
    const now = await look(seen);
    const before = seen;
    seen = now;
    if (before !== undefined) {
      for (const event of changes(before, now)) tell(event);
      if (JSON.stringify(before.links) !== JSON.stringify(now.links)) onChange();
    }
    return now.links;
  };
  const ask = oneAtATime(
    async () => {
      await fresh();
    },
    (error) => tell({ event: 'problem', message: `bridges cannot be listed: ${error.message}` }),
  );
  return {
    known: () => seen?.links ?? NO_LINKS,
    fresh,
    noticed: () => ask(SETTLES_MS),
    stop: ask.stop,
  };
}

async function look(before: Seen | undefined): Promise<Seen> {
  const docker = await readDocker();
  const links = await containerLinks(docker);
  const named = new Map(
    docker?.kind === 'engine' ? docker.networks.map((each) => [each.bridge, each.name]) : [],
  );
  const networks = new Map(
    containerBridges(links).map((bridge) => [
      bridge,
      named.get(bridge) ?? before?.networks.get(bridge) ?? null,
    ]),
  );
  return { links, networks, containers: containersOf(docker) };
}

function containersOf(docker: Docker | undefined): Map<string, string> | undefined {
  if (docker?.kind === 'unreadable') return undefined;
  const running = docker?.kind === 'engine' ? docker.containers : [];
  return new Map(running.map(({ id, names }) => [id, names[0] ?? id.slice(0, 12)]));
}

function changes(before: Seen, now: Seen): DaemonEvent[] {
  const events: DaemonEvent[] = [];
  const compare = <T>(
    old: ReadonlyMap<string, T>,
    current: ReadonlyMap<string, T>,
    event: (key: string, value: T, came: boolean) => DaemonEvent,
  ): void => {
    for (const [key, value] of old) if (!current.has(key)) events.push(event(key, value, false));
    for (const [key, value] of current) if (!old.has(key)) events.push(event(key, value, true));
  };
  compare(before.networks, now.networks, (bridge, name, came) => ({
    event: 'network',
    change: came ? 'came' : 'went',
    bridge,
    name,
  }));
  if (before.containers !== undefined && now.containers !== undefined) {
    compare(before.containers, now.containers, (_, name, came) => ({
      event: 'container',
      change: came ? 'started' : 'ended',
      name,
    }));
  }
  return events;
}
