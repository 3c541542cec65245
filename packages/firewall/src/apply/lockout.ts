// Would the new rules still let the people in who administer this machine now?
import { type Packet, type Table, type Walk, walkHook } from '@moat/netfilter';
import type { AdminConnection } from '../kernel/admin-connections.ts';

/**
 * The connections that could be opened again under the old rules and could not under the new ones: for each, the
 * first packet of a new one like it is played. Those that the old rules (`current`; undefined: no firewall) certainly
 * refuse already are not held against the new ones.
 */
export function findLockouts(
  wanted: Table,
  current: Table | undefined,
  connections: readonly AdminConnection[],
): AdminConnection[] {
  return connections.filter((connection) => {
    if (connection.loopback || isLetIn(wanted, connection)) return false;
    return current === undefined || !verdictsFor(current, connection).every(refuses);
  });
}

/** Whether a new connection like it would be let in, on every interface on which it may arrive. */
export function isLetIn(table: Table, connection: AdminConnection): boolean {
  return verdictsFor(table, connection).every((verdict) => verdict === 'accept');
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
