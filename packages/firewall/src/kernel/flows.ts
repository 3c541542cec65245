// The flows that conntrack knows, and how one is ended.
import { readFileSync } from 'node:fs';
import { type Address, formatAddress, type IpFamily, parseAddress } from '@moat/netfilter';
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

/**
 * All flows of this network namespace, from /proc (nf_conntrack_standalone.c, `ct_seq_show`) or, where the kernel has
 * no such file, from conntrack(8). undefined: neither can be had.
 */
export async function readFlows(proc = '/proc'): Promise<Flow[] | undefined> {
  try {
    return parseFlows(readFileSync(`${proc}/self/net/nf_conntrack`, 'latin1'));
  } catch {
    const texts: string[] = [];
    for (const family of ['ipv4', 'ipv6']) {
      const ran = await run('conntrack', ['-L', '-f', family, '-o', 'extended']);
      if (ran.kind === 'missing' || ran.code !== 0) return undefined;
      texts.push(ran.stdout);
    }
    return parseFlows(texts.join('\n'));
  }
}

/** Lines that are not understood are left out. */
export function parseFlows(text: string): Flow[] {
  return text.split('\n').flatMap((line) => {
    const [, family, protocol] = /^(ipv[46])\s+\d+\s+(\S+)\s/.exec(line) ?? [];
    const [there, back] = [...line.matchAll(/src=(\S+) dst=(\S+)(?: sport=(\d+) dport=(\d+))?/g)].map(
      directionOf,
    );
    if (family === undefined || protocol === undefined || there === undefined || back === undefined)
      return [];
    // conntrack and /proc say icmpv6; nft prints ipv6-icmp.
    const name = protocol === 'icmpv6' ? 'ipv6-icmp' : protocol;
    return [{ family: family as IpFamily, protocol: name, original: there, reply: back }];
  });
}

function directionOf(match: RegExpMatchArray): Direction | undefined {
  const [, from, to, fromPort = '0', toPort = '0'] = match;
  const source = parseAddress(from ?? '');
  const destination = parseAddress(to ?? '');
  if (source === undefined || destination === undefined) return undefined;
  return {
    source: { address: source, port: Number(fromPort) },
    destination: { address: destination, port: Number(toPort) },
  };
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
