// A packet of which little is said → the ordinary packet that is meant: whole, without options, not encrypted.
import type { Host } from '../model/host.ts';
import type { Address } from '../net/address.ts';
import type { FieldValue } from '../space/field-match.ts';
import { NO_INTERFACE } from '../space/fields.ts';
import type { PacketFields } from '../space/packet-set.ts';
import { addressType } from './address-type.ts';
import type { WalkPacket } from './packet.ts';

const TCP = 6;
const SYN = 2;
const ACK = 16;

const NO_HEADERS = Object.fromEntries(
  ['hbh', 'dst', 'rt', 'frag', 'mh'].map((name) => [`exthdr ${name}`, 0]),
);

/** No fragment, no extension header, no IPsec, the zone of everybody. */
const ORDINARY: PacketFields = {
  ...NO_HEADERS,
  exthdr: 0,
  ipsec: 0,
  zone: 0,
  'ip frag-off': 0,
  pkttype: 'host',
};

/**
 * The packet with what nobody says though everybody means it: TCP opens a flow with SYN alone and goes on with ACK.
 * Where the routes are known they tell the types of addresses; where they are not, a packet at the hook input is for an
 * address of this host, one that comes in by an interface is from elsewhere, and one that goes out is not for this
 * host, unless an address can only be one of broadcast or multicast. Nothing that is given changes.
 */
export function plainPacket({ family, hook, fields }: WalkPacket, host?: Host): WalkPacket {
  const more: Record<string, FieldValue> = { ...ORDINARY };
  if (hook === 'input') more['oif'] = NO_INTERFACE;
  if (hook === 'output') more['iif'] = NO_INTERFACE;
  const { proto, state, dst } = fields;
  if (proto === TCP || proto === 'tcp') {
    if (state === 'new') more['tcpflags'] = SYN;
    if (state === 'established') more['tcpflags'] = ACK;
  }
  const type = addressType(family, undefined);
  const fixed = (address: FieldValue | undefined): number | undefined =>
    address === undefined ? undefined : type((address as Address).value, undefined);
  const special = SPECIAL.get(fixed(dst) ?? 0);
  if (special !== undefined) more['pkttype'] = special;
  const knows = host !== undefined && !host.missing.includes('routes');
  if (hook === 'input' && special === undefined && (dst === undefined || !knows)) more['daddrtype'] = 'local';
  if (knows) return { family, hook, fields: { ...more, ...fields } };
  const { iif, oif } = fields;
  if (hook === 'output') {
    more['saddrtype'] = 'local';
    if (oif !== undefined && special === undefined) more['daddrtype'] = oif === 'lo' ? 'local' : 'unicast';
  } else if (iif !== undefined && !SPECIAL.has(fixed(fields['src']) ?? 0)) {
    more['saddrtype'] = iif === 'lo' ? 'local' : 'unicast';
  }
  return { family, hook, fields: { ...more, ...fields } };
}

/** RTN_BROADCAST, RTN_MULTICAST of include/uapi/linux/rtnetlink.h. */
const SPECIAL: ReadonlyMap<number, string> = new Map([
  [3, 'broadcast'],
  [5, 'multicast'],
]);
