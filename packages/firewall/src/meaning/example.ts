// One packet that stands for many: a likely one, and how it is told.
import {
  type Address,
  examplePacket,
  type FieldValue,
  fieldsOf,
  formatAddress,
  forSome,
  intersectPackets,
  NO_INTERFACE,
  OTHER_INTERFACE,
  type PacketFields,
  type PacketMatch,
  type PacketSet,
  packetsWhere,
  parsePrefix,
  protocolName,
  samePackets,
} from '@moat/netfilter';
import { TOO_MANY } from './meaning-space.ts';

/** A packet with a value for every field, and the fields in which the set is told from what is not in it. */
export interface Example {
  readonly packet: PacketFields;
  readonly telling: ReadonlySet<string>;
}

const SYN = 2;
/** RFC 5737 and RFC 3849: nobody's, so nobody is accused. Then whoever can be on the Internet. */
const LIKELY = {
  ipv4: ['198.51.100.0/25', '0.0.0.0/1'],
  ipv6: ['2001:db8::/64', '2000::/3'],
} as const;

/** The likeliest packet of the set, which is told from the others `among` all that are asked about; undefined: there is none. */
export function exampleOf(set: PacketSet, among: PacketSet): Example | undefined {
  const { space } = set;
  const networks = LIKELY[space.layout.family].map((text) => {
    const result = parsePrefix(text);
    if ('problem' in result) throw new Error(text);
    const { prefix } = result;
    const first = prefix.value + 1n;
    return { first, last: first + (1n << 16n) };
  });
  const wishes: PacketMatch[] = [
    { [TOO_MANY]: 0 },
    { proto: 'tcp' },
    { proto: 'udp' },
    { iif: OTHER_INTERFACE },
    { oif: OTHER_INTERFACE },
    ...networks.map((src) => ({ src })),
    ...networks.map((dst) => ({ dst })),
    // Not a network's own address.
    { src: { mask: 255n, value: 1n } },
    { dst: { mask: 255n, value: 1n } },
    { sport: { first: 50_000, last: 65_535 } },
    { dport: { first: 1, last: 65_535 } },
    { tcpflags: SYN },
  ];
  const packet = examplePacket(
    set,
    wishes.map((wish) => packetsWhere(space, wish)),
  );
  const tells = (field: string): boolean => !samePackets(set, intersectPackets(among, forSome(set, [field])));
  return packet && { packet, telling: new Set(fieldsOf(set).filter(tells)) };
}

/** `tcp from 198.51.100.1 to port 3306, in on eth0`: only what matters, so it holds for all packets like it. */
export function exampleText({ packet, telling }: Example): string {
  const value = (name: string): FieldValue | undefined => (telling.has(name) ? packet[name] : undefined);
  const proto = value('proto');
  const protocol = proto === undefined ? 'any protocol' : (protocolName(proto as number) ?? String(proto));
  const isIcmp = proto === 1 || proto === 58;
  const words = [protocol];
  const dport = value('dport');
  if (isIcmp && dport !== undefined) words.push(`type ${Number(dport) >> 8}`);
  words.push(...endText('from', value('src'), isIcmp ? undefined : value('sport')));
  words.push(...endText('to', value('dst'), isIcmp ? undefined : dport));
  return [words.join(' '), ...wayText('in', value('iif')), ...wayText('out', value('oif'))].join(', ');
}

function endText(keyword: string, address: FieldValue | undefined, port: FieldValue | undefined): string[] {
  if (address === undefined && port === undefined) return [];
  const where = address === undefined ? [] : [formatAddress(address as Address)];
  return [keyword, ...where, ...(port === undefined ? [] : [`port ${port}`])];
}

function wayText(side: 'in' | 'out', name: FieldValue | undefined): string[] {
  if (name === undefined) return [];
  if (name === NO_INTERFACE)
    return [side === 'in' ? 'from a process of this host' : 'to a process of this host'];
  if (name === OTHER_INTERFACE) return [`${side} on an interface that nothing names`];
  return [`${side} on ${name}`];
}
