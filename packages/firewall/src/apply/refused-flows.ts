// Which flows that run now the rules would not let begin.
import { type Address, type Packet, prefixInterval, prefixOf, type Table, walkHook } from '@moat/netfilter';
import type { AdminConnection } from '../kernel/admin-connections.ts';
import { type Link, linksWith } from '../kernel/links.ts';
import type { Flow } from '../kernel/running-flows.ts';
import type { SocketEnd } from '../kernel/sockets.ts';

/**
 * Those whose first packet the rules (`table`) refuse for certain, by whatever interface it may come; never those of
 * admins. A flow that conntrack met in the middle may stand the wrong way round: one that seems to go from a well-known
 * port to a port of ours for outgoing connections is left alone.
 */
export function refusedFlows(
  table: Table,
  flows: readonly Flow[],
  links: readonly Link[],
  admins: readonly AdminConnection[],
): Flow[] {
  const spared = new Set(admins.map(({ remote, dialled }) => pairText(remote, dialled)));
  return flows.filter((flow) => {
    const { source, destination } = flow.original;
    if (spared.has(pairText(source, destination))) return false;
    return isRefused(table, flow, links);
  });
}

function pairText(a: SocketEnd, b: SocketEnd): string {
  return [a, b].map(({ address, port }) => `${address.family} ${address.value} ${port}`).join(' ');
}

/** The first of the ports that Linux gives to outgoing connections (ip-sysctl.rst, ip_local_port_range). */
const OUTGOING_PORTS = 32_768;

function isRefused(table: Table, { protocol, original, reply }: Flow, links: readonly Link[]): boolean {
  const { source, destination } = original;
  const fromHere = isOwn(source.address, links);
  const toHere = isOwn(destination.address, links);
  if (fromHere && toHere) return false;
  // An entry tells the type by number, and each echo is judged for itself.
  if (protocol === 'icmp' || protocol === 'ipv6-icmp') return false;
  const packet: Packet = {
    protocol,
    source: source.address,
    destination: destination.address,
    ...(source.port === 0 && destination.port === 0
      ? {}
      : { sourcePort: source.port, destinationPort: destination.port }),
    state: 'new',
    destinationType: toHere ? 'local' : 'unicast',
    labels: new Set(),
  };
  if (fromHere) {
    return towards(destination.address, links).every((outInterface) =>
      refuses(walkHook(table, 'output', { ...packet, outInterface }).verdict),
    );
  }
  if (toHere && destination.port >= OUTGOING_PORTS && source.port < OUTGOING_PORTS) return false;
  const answers = reply.source;
  const redirected = !sameEnd(answers, destination);
  return towards(source.address, links).every((inInterface) => {
    const before = walkHook(table, 'prerouting', { ...packet, inInterface });
    if (before.verdict !== 'accept') return refuses(before.verdict);
    const after: Packet = {
      ...packet,
      inInterface,
      destination: answers.address,
      ...(answers.port === 0 ? {} : { destinationPort: answers.port }),
      statuses: new Set(redirected ? ['dnat'] : []),
      labels: before.labels,
    };
    if (isOwn(answers.address, links)) return refuses(walkHook(table, 'input', after).verdict);
    return towards(answers.address, links).every((outInterface) =>
      refuses(walkHook(table, 'forward', { ...after, destinationType: 'unicast', outInterface }).verdict),
    );
  });
}

function refuses(verdict: string): boolean {
  return verdict === 'drop' || verdict === 'reject';
}

function sameEnd(a: SocketEnd, b: SocketEnd): boolean {
  return a.port === b.port && a.address.value === b.address.value;
}

function isOwn(address: Address, links: readonly Link[]): boolean {
  const loopback = address.family === 'ipv4' ? address.value >> 24n === 127n : address.value === 1n;
  return loopback || linksWith(address, links).length > 0;
}

/** Interfaces by which packets from or to there may pass: those on whose link it is, else all that lead outside. */
function towards(address: Address, links: readonly Link[]): string[] {
  const near = links.filter(({ addresses }) =>
    addresses.some((own) => {
      if (own.address.family !== address.family) return false;
      const { first, last } = prefixInterval(prefixOf(own.address, own.length));
      return address.value >= first && address.value <= last;
    }),
  );
  const outside = links.filter(({ loopback, master, kind }) => !loopback && !master && kind !== 'bridge');
  const among = near.length > 0 ? near : outside.length > 0 ? outside : links;
  return among.map(({ name }) => name);
}
