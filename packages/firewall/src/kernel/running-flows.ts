// The flows that run now, as addresses and ports, and how one is ended.
import {
  type Address,
  formatAddress,
  type IpFamily,
  parseAddress,
  protocolName,
  type SnapshotEnd,
} from '@moat/netfilter';
import { parseFlows, readFlowLines } from './flows.ts';
import { run } from './process.ts';
import type { SocketEnd } from './sockets.ts';

/** What one side of a flow sends: from where to where. Ports are 0 in protocols without them. */
export interface Direction {
  readonly source: SocketEnd;
  readonly destination: SocketEnd;
}

export interface Flow {
  readonly family: IpFamily;
  /** A name as nft prints it: `tcp`, `udp`, `icmp`… */
  readonly protocol: string;
  /** As its first packet said it: what was dialled, before any NAT. */
  readonly original: Direction;
  /** What answers it, as that comes: after DNAT its source is who really answers. */
  readonly reply: Direction;
}

/** All flows of this network namespace; undefined: they cannot be listed. Those with addresses of no IP are left out. */
export async function readFlows(proc = '/proc'): Promise<Flow[] | undefined> {
  const told = await readFlowLines(proc);
  return told.ok ? runningFlows(told.text) : undefined;
}

/** The flows in such lines. */
export function runningFlows(text: string): Flow[] {
  return parseFlows(text).flatMap(({ family, protocol, original, reply }) => {
    const there = directionOf(original);
    const back = directionOf(reply);
    if (there === undefined || back === undefined) return [];
    return [{ family, protocol: protocolName(protocol) ?? String(protocol), original: there, reply: back }];
  });
}

function directionOf({ src, dst, sport = 0, dport = 0 }: SnapshotEnd): Direction | undefined {
  const source = parseAddress(src);
  const destination = parseAddress(dst);
  if (source === undefined || destination === undefined) return undefined;
  return { source: { address: source, port: sport }, destination: { address: destination, port: dport } };
}

export type Ended =
  | { readonly kind: 'ok'; readonly count: number }
  /** conntrack(8) is not installed: no flow was ended. */
  | { readonly kind: 'missing' };

/** Ends flows: conntrack forgets them, so that their next packet is judged anew. */
export async function endFlows(flows: readonly Flow[]): Promise<Ended> {
  let count = 0;
  for (let from = 0; from < flows.length; from += TOGETHER) {
    const ran = await Promise.all(flows.slice(from, from + TOGETHER).map(forget));
    if (ran.includes('missing')) return { kind: 'missing' };
    count += ran.filter((each) => each === 'ended').length;
  }
  return { kind: 'ok', count };
}

const TOGETHER = 16;

async function forget({ family, protocol, original }: Flow): Promise<'ended' | 'gone' | 'missing'> {
  const { source, destination } = original;
  const ports =
    source.port === 0 && destination.port === 0
      ? []
      : ['--sport', String(source.port), '--dport', String(destination.port)];
  const ran = await run('conntrack', [
    ...['-D', '-f', family, '-p', protocol === 'ipv6-icmp' ? 'icmpv6' : protocol],
    ...['-s', formatAddress(source.address), '-d', formatAddress(destination.address), ...ports],
  ]);
  if (ran.kind === 'missing') return 'missing';
  return ran.code === 0 ? 'ended' : 'gone';
}

/**
 * Ends the TCP sockets of this host that talk with an end somewhere, each with a reset to the other side (`ss -K`). A
 * kernel that cannot do that leaves them to time out.
 */
export async function resetSockets(
  remote: Address,
  ports: { local?: number; remote?: number } = {},
): Promise<void> {
  await run('ss', [
    ...['-K', '-t', 'dst', formatAddress(remote)],
    ...(ports.remote === undefined ? [] : ['dport', '=', `:${ports.remote}`]),
    ...(ports.local === undefined ? [] : ['sport', '=', `:${ports.local}`]),
  ]);
}
