// Which interfaces lead outside: where packets of strangers come in.
import type { Host } from '../model/host.ts';
import { isOutsideByName } from './arrivals.ts';

/**
 * Whether packets from outside come in by an interface. Of a known host: its interfaces that are up, but for loopback,
 * ports of bridges and bonds, `inside` ones, and those whose names only container engines and virtual machines
 * give, unless a default route goes out there.
 */
export function outsideOf(
  host: Host | undefined,
  inside: ReadonlySet<string> = new Set(),
): (name: string) => boolean {
  if (host === undefined || host.missing.includes('links'))
    return (name) => !inside.has(name) && isOutsideByName(name);
  const uplinks = new Set(
    host.routes
      .filter(({ prefix, type }) => prefix.length === 0 && type === 'unicast')
      .flatMap(({ nextHops }) => nextHops.map(({ device }) => device)),
  );
  const vrfs = new Set(host.links.filter(({ kind }) => kind === 'vrf').map(({ name }) => name));
  const links = new Map(host.links.map((link) => [link.name, link]));
  return (name) => {
    const link = links.get(name);
    if (link === undefined || link.loopback || !link.up || inside.has(name)) return false;
    if (link.master !== undefined && !vrfs.has(link.master)) return false;
    return uplinks.has(name) || isOutsideByName(name);
  };
}
