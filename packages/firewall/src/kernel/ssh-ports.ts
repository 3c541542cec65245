// The ports of this machine's ssh servers: what stays open when nothing else is known any more.
import type { Address } from '@moat/netfilter';
import { isSshServer } from './admin-connections.ts';
import { socketOwners } from './processes.ts';
import { readSockets } from './sockets.ts';
import { configuredSshPorts } from './sshd-config.ts';

/**
 * Where ssh servers listen; where they serve a connection that somebody else listened for (systemd's ssh.socket); and
 * what sshd's configuration says, for one that does not run now. What listens for this host alone is a tunnel's end.
 * Ascending.
 */
export function sshPorts({
  proc = '/proc',
  config,
}: {
  readonly proc?: string;
  readonly config?: string;
} = {}): number[] {
  const sockets = readSockets(proc).filter(({ protocol }) => protocol === 'tcp');
  const { owners } = socketOwners(new Set(sockets.map(({ inode }) => inode)), proc);
  const open = sockets.filter(({ kind, local }) => kind === 'open' && !isLoopback(local.address));
  const listening = new Set(open.map(({ local }) => local.port));
  const served = sockets
    .filter(({ inode }) => owners.get(inode)?.some(({ name }) => isSshServer(name)))
    .map(({ local }) => local.port)
    .filter((port) => listening.has(port));
  return [...new Set([...served, ...(configuredSshPorts(config) ?? [])])].sort((a, b) => a - b);
}

function isLoopback({ family, value }: Address): boolean {
  return family === 'ipv4' ? value >> 24n === 127n : value === 1n;
}
