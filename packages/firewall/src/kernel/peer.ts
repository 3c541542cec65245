// A peer that has a name: whether it can be reached, by a new TCP connection of ours.
import { connect } from 'node:net';
import { parseAddress } from '@moat/netfilter';

/** `host`: an address, or a name that is looked up anew each time. */
export interface Peer {
  readonly host: string;
  readonly port: number;
}

export type PeerReach =
  | { readonly kind: 'reached' }
  /** It is this host itself, so that reaching it says nothing about the network. */
  | { readonly kind: 'own' }
  /** `reason` in words. */
  | { readonly kind: 'not reached'; readonly reason: string };

/** `HOST:PORT`, `192.0.2.1:22`, `[2001:db8::1]:22`; without a port that of ssh. Undefined: it is none of these. */
export function parsePeer(text: string): Peer | undefined {
  if (parseAddress(text) !== undefined) return { host: text, port: SSH };
  const [, six, name, digits] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const host = six ?? name;
  const port = digits === undefined ? SSH : Number(digits);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  return six !== undefined && parseAddress(six)?.family !== 'ipv6' ? undefined : { host, port };
}

const SSH = 22;

/** As it was typed, with its port. */
export function formatPeer({ host, port }: Peer): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Opens a connection, and closes it when the peer has accepted it. */
export function reachPeer({ host, port }: Peer, timeoutMs: number): Promise<PeerReach> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (reach: PeerReach): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reach);
    };
    // Covers the lookup of the name, too, which a timeout of the socket would not.
    const timer = setTimeout(() => end({ kind: 'not reached', reason: 'no answer' }), timeoutMs);
    socket.on('error', (error) => end({ kind: 'not reached', reason: error.message }));
    socket.on('connect', () =>
      end(socket.remoteAddress === socket.localAddress ? { kind: 'own' } : { kind: 'reached' }),
    );
  });
}
