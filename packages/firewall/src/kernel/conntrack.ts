// What clients dialled before somebody's DNAT or redirect, from the kernel's table of flows.
import { readFileSync } from 'node:fs';
import { formatAddress, parseAddress } from '@moat/netfilter';
import type { SocketEnd } from './sockets.ts';

/**
 * For the two ends of a TCP socket, the end that the peer dialled. The table is `/proc/net/nf_conntrack`
 * (nf_conntrack_standalone.c, `ct_seq_show`): on a line, the first `src= dst= sport= dport=` is what the client sent,
 * the second what answers it. Without that file, or a line there, it is the local end.
 */
export function dialledDestinations(proc = '/proc'): (local: SocketEnd, remote: SocketEnd) => SocketEnd {
  const dialled = new Map<string, SocketEnd>();
  for (const line of readIfThere(`${proc}/self/net/nf_conntrack`).split('\n')) {
    if (!line.includes(' tcp ')) continue;
    const [there, back] = [...line.matchAll(/src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/g)];
    const address = parseAddress(there?.[2] ?? '');
    const from = parseAddress(back?.[1] ?? '');
    const to = parseAddress(back?.[2] ?? '');
    if (there === undefined || back === undefined || !address || !from || !to) continue;
    const local = { address: from, port: Number(back[3]) };
    const remote = { address: to, port: Number(back[4]) };
    dialled.set(key(local, remote), { address, port: Number(there[4]) });
  }
  return (local, remote) => dialled.get(key(local, remote)) ?? local;
}

function key(local: SocketEnd, remote: SocketEnd): string {
  return [local, remote].map(({ address, port }) => `${formatAddress(address)} ${port}`).join(' ');
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
