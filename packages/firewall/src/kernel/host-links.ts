// Interfaces as a snapshot has them, from `ip -N -j -d addr` (ip-address(8)).
import { formatAddress, parseAddress, type SnapshotAddress, type SnapshotLink } from '@moat/netfilter';

interface IpLink {
  readonly ifindex: number;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly master?: string;
  readonly group?: string;
  readonly address?: string;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly xdp?: { readonly prog?: { readonly id?: number }; readonly attached?: readonly unknown[] };
  readonly addr_info?: readonly {
    readonly local?: string;
    readonly address?: string;
    readonly broadcast?: string;
    readonly prefixlen: number;
  }[];
}

export interface HostLinks {
  readonly links: readonly SnapshotLink[];
  /** Those at whose door an XDP program stands, with the program's number where it is told. */
  readonly xdp: readonly { readonly device: string; readonly program: number | undefined }[];
}

/** Parses the output. Numbers, since names of groups are each machine's own. */
export function parseHostLinks(json: string): HostLinks {
  const links = (JSON.parse(json || '[]') as Partial<IpLink>[]).filter(
    (link): link is IpLink => 'ifname' in link,
  );
  return {
    links: links.map(link),
    xdp: links.flatMap(({ ifname, xdp }) =>
      xdp === undefined ? [] : [{ device: ifname, program: xdp.prog?.id }],
    ),
  };
}

function link(of: IpLink): SnapshotLink {
  const mac = of.address?.toLowerCase() ?? '';
  return {
    name: of.ifname,
    index: of.ifindex,
    ...(of.linkinfo?.info_kind === undefined ? {} : { kind: of.linkinfo.info_kind }),
    loopback: of.flags.includes('LOOPBACK'),
    up: of.flags.includes('UP'),
    ...(of.master === undefined ? {} : { master: of.master }),
    // A tunnel has an address of its far end here, or none.
    ...(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) ? { mac } : {}),
    // `default` where `ip` does not know -N for groups.
    group: of.group === undefined || of.group === 'default' ? 0 : Number(of.group),
    addresses: (of.addr_info ?? []).flatMap(address),
  };
}

type IpAddress = NonNullable<IpLink['addr_info']>[number];

function address({ local, address: peer, broadcast, prefixlen }: IpAddress): SnapshotAddress[] {
  const own = parseAddress(local ?? '');
  if (own === undefined) return [];
  return [
    {
      family: own.family,
      address: formatAddress(own),
      prefixLength: prefixlen,
      ...(broadcast === undefined ? {} : { broadcast }),
      ...(peer === undefined ? {} : { peer }),
    },
  ];
}
