// How many bits the header fields have that packets get only where a rule reads them.

const sizes = (header: string, fields: Readonly<Record<string, number>>): [string, number][] =>
  Object.entries(fields).map(([name, bits]) => [`${header} ${name}`, bits]);

/** nft(8) "PAYLOAD EXPRESSIONS", "Extension header expressions": bits by header and field in nft's words. */
export const HEADER_FIELDS: Readonly<Record<string, number>> = Object.fromEntries([
  ...sizes('ip', { hdrlength: 4, id: 16, 'frag-off': 16, checksum: 16 }),
  ...sizes('ip6', { flowlabel: 20, length: 16 }),
  ...sizes('icmp', { checksum: 16, id: 16, sequence: 16, gateway: 32, mtu: 16 }),
  ...sizes('icmpv6', {
    checksum: 16,
    'parameter-problem': 32,
    'packet-too-big': 32,
    id: 16,
    sequence: 16,
    'max-delay': 16,
    taddr: 128,
    daddr: 128,
  }),
  ...sizes('tcp', {
    sequence: 32,
    ackseq: 32,
    doff: 4,
    reserved: 4,
    window: 16,
    checksum: 16,
    urgptr: 16,
  }),
  ...sizes('udp', { length: 16, checksum: 16 }),
  ...sizes('udplite', { csumcov: 16, checksum: 16 }),
  ...sizes('sctp', { vtag: 32, checksum: 32 }),
  ...sizes('dccp', { type: 4 }),
  ...sizes('ah', { nexthdr: 8, hdrlength: 8, reserved: 16, spi: 32, sequence: 32 }),
  ...sizes('esp', { spi: 32, sequence: 32 }),
  ...sizes('comp', { nexthdr: 8, flags: 8, cpi: 16 }),
  ...sizes('igmp', { type: 8, mrt: 8, checksum: 16, group: 32 }),
  ...sizes('vlan', { id: 12, dei: 1, pcp: 3, type: 16 }),
  ...sizes('exthdr hbh', { nexthdr: 8, hdrlength: 8 }),
  ...sizes('exthdr dst', { nexthdr: 8, hdrlength: 8 }),
  ...sizes('exthdr rt', { nexthdr: 8, hdrlength: 8, type: 8, 'seg-left': 8 }),
  ...sizes('exthdr frag', { nexthdr: 8, 'frag-off': 13, 'more-fragments': 1, id: 32 }),
  ...sizes('exthdr mh', { nexthdr: 8, hdrlength: 8, type: 8, checksum: 16 }),
  ...sizes('tcp option maxseg', { kind: 8, length: 8, size: 16 }),
  ...sizes('tcp option window', { kind: 8, length: 8, count: 8 }),
  ...sizes('tcp option timestamp', { kind: 8, length: 8, tsval: 32, tsecr: 32 }),
  ...sizes('tcp option sack-permitted', { kind: 8, length: 8 }),
]);
