// Types of addresses (fib, addrtype) as sets of packets.
import { intervalSet } from '../net/interval.ts';
import { addressTypes, SURE_OF } from '../semantics/address-types.ts';
import { packetsWhere } from '../space/packet-set.ts';
import type { PacketSet } from '../space/packet-space.ts';
import type { Analysis } from './analysis.ts';

/**
 * The packets whose destination (`daddrtype`) or source (`saddrtype`) is of a type that is asked for. undefined: the
 * field is another one, or the host's routes are not known.
 */
export function addressTypePackets(
  { space, family, host }: Analysis,
  field: string,
  isAsked: (type: string) => boolean,
): PacketSet | undefined {
  if ((field !== 'daddrtype' && field !== 'saddrtype') || host === undefined) return undefined;
  const types = addressTypes(host, family);
  if (types === undefined) return undefined;
  const asked = Object.entries(types).flatMap(([type, addresses]) => (isAsked(type) ? addresses : []));
  return packetsWhere(space, { [field === 'daddrtype' ? 'dst' : 'src']: intervalSet(asked) });
}

/** The packets that are surely of a type that is asked for, and those of whose type one is sure. Without routes. */
export function surelyTyped(
  { space, family, typesAsGiven }: Analysis,
  field: string,
  isAsked: (type: string) => boolean,
): { readonly asked: PacketSet; readonly sure: PacketSet } | undefined {
  if (typesAsGiven || (field !== 'daddrtype' && field !== 'saddrtype')) return undefined;
  const address = field === 'daddrtype' ? 'dst' : 'src';
  const packets = (some: typeof SURE_OF.ipv4): PacketSet =>
    packetsWhere(space, { [address]: intervalSet(some.map(([, interval]) => interval)) });
  const sure = SURE_OF[family];
  return { asked: packets(sure.filter(([type]) => isAsked(type))), sure: packets(sure) };
}
