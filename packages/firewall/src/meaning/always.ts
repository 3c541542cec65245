// What passes before any sentence is asked: the little without which a network does not work.
import { type PacketMatch, type PacketSet, type PacketSpace, packetsWhere } from '@moat/netfilter';
import { HOP_LIMIT } from './meaning-space.ts';

/** Something built in, in words, and the packets that it lets pass. */
export interface AlwaysPasses {
  readonly says: string;
  readonly packets: PacketSet;
}

const LINK_LOCAL = { family: 'ipv6', value: 0xfe80n << 112n, length: 10 } as const;

// IANA "ICMP Type Numbers" and "ICMPv6 'type' Numbers".
const ICMP = { unreachable: 3, echo: 8, timeExceeded: 11, parameterProblem: 12 } as const;
const ICMPV6 = { unreachable: 1, tooBig: 2, timeExceeded: 3, parameterProblem: 4, echo: 128 } as const;
/** Solicitations and advertisements of routers and neighbours (RFC 4861, 3122), and of certification paths (RFC 3971). */
const NEIGHBOUR_DISCOVERY = [133, 134, 135, 136, 141, 142, 148, 149] as const;
/** Multicast listeners (RFC 2710, 3810) and multicast routers (RFC 4286). */
const MULTICAST_DISCOVERY = [130, 131, 132, 143, 151, 152, 153] as const;

const ERRORS_AND_ECHO = 'ICMP errors and ping';
const DISCOVERY = 'discovery of neighbours, routers and multicast listeners';
const DHCP = "this host's DHCP client";

/** Built in for new flows to this host (`incoming`) and from it (`outgoing`); nothing is for what passes through. */
export function builtIns(space: PacketSpace, traffic: 'incoming' | 'outgoing'): AlwaysPasses[] {
  const { family } = space.layout;
  const isIn = traffic === 'incoming';
  const icmp = family === 'ipv4' ? 'icmp' : 'icmpv6';
  const types = Object.values<number>(family === 'ipv4' ? ICMP : ICMPV6);
  const [server, client] = family === 'ipv4' ? [67, 68] : [547, 546];
  const where = (says: string, match: PacketMatch): AlwaysPasses => ({
    says,
    packets: packetsWhere(space, match),
  });
  // Who is on the link proves it: a router does not pass hop limit 255 on unchanged, nor link-local addresses at all.
  const fromLink: PacketMatch = isIn ? { src: LINK_LOCAL } : {};
  const dhcp = isIn ? { sport: server, dport: client } : { sport: client, dport: server };
  if (family === 'ipv4') {
    return [where(ERRORS_AND_ECHO, { proto: icmp, icmptype: types }), where(DHCP, { proto: 'udp', ...dhcp })];
  }
  return [
    where(ERRORS_AND_ECHO, { proto: icmp, icmptype: types }),
    where(DISCOVERY, {
      proto: icmp,
      icmptype: NEIGHBOUR_DISCOVERY,
      ...(isIn ? { [HOP_LIMIT]: 255 } : {}),
    }),
    where(DISCOVERY, { proto: icmp, icmptype: MULTICAST_DISCOVERY, ...fromLink }),
    where(DHCP, { proto: 'udp', ...dhcp, ...fromLink }),
  ];
}
