// A set of packets as the places from where they come: interfaces and networks.
import type { Host } from '../model/host.ts';
import type { IpFamily } from '../net/address.ts';
import { type IntervalSet, intervalSet, intervalsCover, subtractIntervals } from '../net/interval.ts';
import { intervalPrefixes, type Prefix } from '../net/prefix.ts';
import { addressTypes } from '../semantics/address-types.ts';
import { packetBoxes } from '../space/boxes.ts';
import type { PacketSet } from '../space/packet-space.ts';

/** Some interfaces, and the addresses that get through there. */
export interface Places {
  /** Absent: all that lead outside. */
  readonly interfaces?: readonly string[];
  readonly addresses: IntervalSet<bigint>;
  /** Every address that a packet from outside can have. */
  readonly anywhere: boolean;
}

export function everyAddress(family: IpFamily): IntervalSet<bigint> {
  return [{ first: 0n, last: (1n << (family === 'ipv4' ? 32n : 128n)) - 1n }];
}

/**
 * Sources that the kernel takes from no interface that leads outside: fib_frontend.c fib_validate_source and route.c
 * ip_route_input_slow, ip6_input.c ip6_rcv; and the host's own addresses (IPv4).
 */
export function impossibleSources(family: IpFamily, host: Host | undefined): IntervalSet<bigint> {
  if (family === 'ipv6') {
    return intervalSet([
      { first: 0n, last: 1n },
      { first: 0xffffn << 32n, last: (0xffffn << 32n) + 0xffff_ffffn },
      { first: 0xffn << 120n, last: (1n << 128n) - 1n },
    ]);
  }
  const own = (host && addressTypes(host, family)?.['local']) ?? [];
  return intervalSet([
    { first: 0n, last: 0xff_ffffn },
    { first: 0x7f00_0000n, last: 0x7fff_ffffn },
    { first: 0xe000_0000n, last: 0xefff_ffffn },
    { first: 0xffff_ffffn, last: 0xffff_ffffn },
    ...own,
  ]);
}

export interface PlacesContext {
  readonly family: IpFamily;
  readonly impossible: IntervalSet<bigint>;
  /** All interfaces that lead outside. */
  readonly outside: readonly string[];
}

/** Boxes before it is told as one place, too wide. */
const MOST = 2000;

/** The places from which the packets of a set over `iif` and `src` come; those of equal interfaces are one. */
export function placesOf(set: PacketSet, { family, impossible, outside }: PlacesContext): readonly Places[] {
  const { boxes, complete } = packetBoxes(set, { fields: ['iif', 'src'], limit: MOST });
  const all = everyAddress(family);
  const byInterfaces = new Map<string, { interfaces: readonly string[]; parts: IntervalSet<bigint>[] }>();
  if (!complete) byInterfaces.set('', { interfaces: outside, parts: [all] });
  for (const { iif, src } of complete ? boxes : []) {
    const interfaces = iif?.kind === 'words' ? outside.filter((name) => iif.words.includes(name)) : outside;
    const key = interfaces.join(' ');
    const entry = byInterfaces.get(key) ?? { interfaces, parts: [] };
    entry.parts.push(src?.kind === 'intervals' ? src.intervals : all);
    byInterfaces.set(key, entry);
  }
  return [...byInterfaces.values()].flatMap(({ interfaces, parts }): Places[] => {
    const given = intervalSet(parts.flat());
    const anywhere = intervalsCover(intervalSet([...given, ...impossible]), all);
    const addresses = anywhere ? all : subtractIntervals(given, impossible);
    if (addresses.length === 0 || interfaces.length === 0) return [];
    const some = interfaces.length < outside.length;
    return [{ ...(some ? { interfaces } : {}), addresses, anywhere }];
  });
}

/** The networks of a list of addresses. */
export function networksOf(family: IpFamily, addresses: IntervalSet<bigint>): readonly Prefix[] {
  return addresses.flatMap((interval) => intervalPrefixes(family, interval));
}
