// The network interfaces of this namespace with their addresses, from `ip -j -d addr` (ip-address(8)).
import { type Address, parseAddress } from '@moat/netfilter';
import { run } from './process.ts';

export interface LinkAddress {
  readonly address: Address;
  /** Length of the on-link prefix, in bits. */
  readonly length: number;
  readonly scope: string;
}

export interface Link {
  readonly index: number;
  readonly name: string;
  /** What the kernel calls the kind: `bridge`, `veth`, `wireguard`, …; undefined for hardware and `lo`. */
  readonly kind: string | undefined;
  readonly loopback: boolean;
  /** Switched on by the admin; says nothing about a cable. */
  readonly up: boolean;
  /** Name of the bridge, bond or VRF that it is a port of. */
  readonly master: string | undefined;
  readonly addresses: readonly LinkAddress[];
}

interface IpLink {
  readonly ifindex: number;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly master?: string;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info: readonly {
    readonly local?: string;
    readonly prefixlen: number;
    readonly scope: string;
  }[];
}

/** All interfaces, in the kernel's order. Rejects, in words, when `ip` is missing or fails. */
export async function readLinks(): Promise<Link[]> {
  const ran = await run('ip', ['-j', '-d', 'addr']);
  if (ran.kind === 'missing') {
    throw new Error('ip is not installed; on Debian and Ubuntu: apt install iproute2');
  }
  if (ran.code !== 0) throw new Error(`ip -j -d addr: ${ran.stderr.trim() || `exit code ${ran.code}`}`);
  return parseLinks(ran.stdout);
}

/** Parses what `ip -j -d addr` prints. */
export function parseLinks(json: string): Link[] {
  // ip prints an empty object for each interface that a filter of its own left out.
  const links = (JSON.parse(json) as Partial<IpLink>[]).filter((link): link is IpLink => 'ifname' in link);
  return links.map((link) => ({
    index: link.ifindex,
    name: link.ifname,
    kind: link.linkinfo?.info_kind,
    loopback: link.flags.includes('LOOPBACK'),
    up: link.flags.includes('UP'),
    master: link.master,
    addresses: link.addr_info.flatMap(({ local, prefixlen, scope }) => {
      const address = parseAddress(local ?? '');
      return address === undefined ? [] : [{ address, length: prefixlen, scope }];
    }),
  }));
}

/** Names of the interfaces that have this very address; a link-local one may be on several. */
export function linksWith(address: Address, links: readonly Link[]): string[] {
  return links
    .filter((link) =>
      link.addresses.some(
        (has) => has.address.family === address.family && has.address.value === address.value,
      ),
    )
    .map((link) => link.name);
}
