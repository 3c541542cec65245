// The flows that conntrack knows, from /proc/net/nf_conntrack or `conntrack -L -o extended`, which print the same.
import { readFileSync } from 'node:fs';
import type { SnapshotEnd, SnapshotFlow } from '@moat/netfilter';
import { ask, type Told } from './tool.ts';

/** The lines of all flows of this network namespace, both families. */
export async function readFlowLines(proc = '/proc'): Promise<Told> {
  try {
    return { ok: true, text: readFileSync(`${proc}/self/net/nf_conntrack`, 'latin1') };
  } catch {
    // Many kernels are built without that file.
  }
  const [ipv4, ipv6] = await Promise.all(
    ['ipv4', 'ipv6'].map((family) => ask('conntrack', ['-L', '-f', family, '-o', 'extended'])),
  );
  if (!ipv4!.ok) return ipv4!;
  return ipv6!.ok ? { ok: true, text: ipv4!.text + ipv6!.text } : ipv6!;
}

/** `ipv4 2 tcp 6 431999 ESTABLISHED src=… dst=… sport=… dport=… src=… dst=… sport=… dport=… [ASSURED] mark=0 use=1` */
export function parseFlows(text: string): SnapshotFlow[] {
  return text.split('\n').flatMap((line) => {
    const [, family, protocol, rest = ''] = /^(ipv[46])\s+\d+\s+\S+\s+(\d+)\s+(.*)$/.exec(line.trim()) ?? [];
    const [there, back] = [...rest.matchAll(/src=(\S+) dst=(\S+)(?: sport=(\d+) dport=(\d+))?/g)].map(end);
    if (family === undefined || there === undefined || back === undefined) return [];
    const number = (name: string): number | undefined => {
      const found = new RegExp(`\\b${name}=(\\d+)`).exec(rest)?.[1];
      return found === undefined ? undefined : Number(found);
    };
    const [, timeout, state] = /^(\d+ )?([A-Z][A-Z_0-9]*)? ?/.exec(rest) ?? [];
    const [mark, zone] = [number('mark'), number('zone')];
    return [
      {
        family: family as SnapshotFlow['family'],
        protocol: Number(protocol),
        ...(state === undefined ? {} : { state }),
        original: there,
        reply: back,
        flags: [...rest.matchAll(/\[([A-Z_]+)\]/g)].map(([, flag]) => flag!),
        ...(mark === undefined || mark === 0 ? {} : { mark }),
        ...(zone === undefined ? {} : { zone }),
        ...(timeout === undefined ? {} : { timeout: Number(timeout) }),
      },
    ];
  });
}

function end([, src = '', dst = '', sport, dport]: RegExpMatchArray): SnapshotEnd {
  if (sport === undefined) return { src, dst };
  return { src, dst, sport: Number(sport), dport: Number(dport) };
}
