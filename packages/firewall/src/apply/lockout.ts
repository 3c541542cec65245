// Would the new rules still let the people in who administer this machine now?
import { formatAddress, type Packet, type Table, walkHook } from '@moat/netfilter';
import type { AdminConnection } from '../kernel/admin-connections.ts';

/** A connection that could be opened again under the old rules and could not under the new ones. */
export interface Lockout {
  readonly connection: AdminConnection;
  /** A sentence that would let it in from where it comes now. */
  readonly sentence: string;
  /** The shorter one, which lets everybody reach that port. */
  readonly openSentence: string;
}

/**
 * Plays for each connection the first packet of a new one like it. Connections that the old rules (`current`;
 * undefined: no firewall) already refuse are not held against the new ones.
 */
export function findLockouts(
  wanted: Table,
  current: Table | undefined,
  connections: readonly AdminConnection[],
): Lockout[] {
  return connections.flatMap((connection): Lockout[] => {
    if (connection.loopback || letsIn(wanted, connection)) return [];
    if (current !== undefined && !letsIn(current, connection)) return [];
    const { remote, local } = connection;
    return [
      {
        connection,
        sentence: `allow from ${formatAddress(remote.address)} to any port ${local.port} proto tcp`,
        openSentence: `allow ${local.port}/tcp`,
      },
    ];
  });
}

/** On every interface on which the connection's packets may arrive, since the routes may change. */
function letsIn(table: Table, connection: AdminConnection): boolean {
  const interfaces = connection.interfaces.length > 0 ? connection.interfaces : [undefined];
  return interfaces.every((inInterface) => {
    const packet: Packet = {
      protocol: 'tcp',
      source: connection.remote.address,
      destination: connection.local.address,
      // Any unprivileged port: a new connection comes from another one.
      sourcePort: 50_000,
      destinationPort: connection.local.port,
      ...(inInterface === undefined ? {} : { inInterface }),
      state: 'new',
      destinationType: 'local',
      labels: new Set(),
    };
    const before = walkHook(table, 'prerouting', packet);
    if (before.verdict !== 'accept') return false;
    return walkHook(table, 'input', { ...packet, labels: before.labels }).verdict === 'accept';
  });
}
