// The ports of this machine's ssh servers: what stays open when nothing else is known any more.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Address } from '@moat/netfilter';
import { isSshServer } from './admin-connections.ts';
import { socketOwners } from './processes.ts';
import { readSockets } from './sockets.ts';

/**
 * Where ssh servers listen; where they serve a connection that somebody else listened for (systemd's ssh.socket); and
 * the `Port` lines of sshd's configuration, for one that does not run now. What listens for this host alone is a
 * tunnel's end. Ascending.
 */
export function sshPorts({ proc = '/proc', etc = '/etc/ssh' } = {}): number[] {
  const sockets = readSockets(proc).filter(({ protocol }) => protocol === 'tcp');
  const { owners } = socketOwners(new Set(sockets.map(({ inode }) => inode)), proc);
  const open = sockets.filter(({ kind, local }) => kind === 'open' && !isLoopback(local.address));
  const listening = new Set(open.map(({ local }) => local.port));
  const served = sockets
    .filter(({ inode }) => owners.get(inode)?.some(({ name }) => isSshServer(name)))
    .map(({ local }) => local.port)
    .filter((port) => listening.has(port));
  return [...new Set([...served, ...configuredPorts(etc)])].sort((a, b) => a - b);
}

function isLoopback({ family, value }: Address): boolean {
  return family === 'ipv4' ? value >> 24n === 127n : value === 1n;
}

/** sshd_config(5): `Port`, and `ListenAddress` with a port. Files that cannot be read say nothing. */
function configuredPorts(etc: string): number[] {
  const text = [join(etc, 'sshd_config'), ...filesIn(join(etc, 'sshd_config.d'))].map(textOf).join('\n');
  const ports = [...text.matchAll(/^\s*(?:Port|ListenAddress\s.*:)[\s=]*(\d+)\s*$/gim)].map(([, port]) =>
    Number(port),
  );
  return ports.filter((port) => port > 0 && port < 65_536);
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.conf'))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
