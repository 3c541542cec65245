// Would the new rules still let the people in who administer this machine now?
import { formatAddress, type Packet, type Table, type Walk, walkHook } from '@moat/netfilter';
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
 * undefined: no firewall) certainly refuse already are not held against the new ones.
 */
export function findLockouts(
  wanted: Table,
  current: Table | undefined,
  connections: readonly AdminConnection[],
): Lockout[] {
  return connections.flatMap((connection): Lockout[] => {
    if (connection.loopback || verdictsFor(wanted, connection).every((verdict) => verdict === 'accept'))
      return [];
    if (current !== undefined && verdictsFor(current, connection).every(refuses)) return [];
    const { remote, dialled } = connection;
    return [
      {
        connection,
        sentence: `allow from ${formatAddress(remote.address)} to any port ${dialled.port} proto tcp`,
        openSentence: `allow ${dialled.port}/tcp`,
      },
    ];
  });
}

function refuses(verdict: Walk['verdict']): boolean {
  return verdict === 'drop' || verdict === 'reject';
}

/** One for each interface on which the connection's packets may arrive. */
function verdictsFor(table: Table, connection: AdminConnection): Walk['verdict'][] {
  const { remote, dialled, local } = connection;
  const interfaces = connection.interfaces.length > 0 ? connection.interfaces : [undefined];
  const redirected = dialled.port !== local.port || dialled.address.value !== local.address.value;
  return interfaces.map((inInterface) => {
    const packet: Packet = {
      protocol: 'tcp',
      source: remote.address,
      destination: dialled.address,
      // Any unprivileged port: a new connection comes from another one.
      sourcePort: 50_000,
      destinationPort: dialled.port,
      ...(inInterface === undefined ? {} : { inInterface }),
      state: 'new',
      destinationType: 'local',
      labels: new Set(),
    };
    const before = walkHook(table, 'prerouting', packet);
    if (before.verdict !== 'accept') return before.verdict;
    return walkHook(table, 'input', {
      ...packet,
      destination: local.address,
      destinationPort: local.port,
      statuses: new Set(redirected ? ['dnat'] : []),
      labels: before.labels,
    }).verdict;
  });
}
