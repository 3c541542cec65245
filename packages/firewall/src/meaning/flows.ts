// The flows that a sentence is about, as a set of packets.
import {
  intersectPackets,
  noPackets,
  type PacketSet,
  type PacketSpace,
  type Prefix,
  packetsWhere,
} from '@moat/netfilter';
import type { Endpoint, Policy, RuleSentence, SentenceProtocol } from '../policy/model.ts';
import { interfacesNamed } from './meaning-space.ts';

/** What sentences about flows have in common; ports without a protocol mean tcp and udp. */
export interface FlowPattern extends Pick<RuleSentence, 'protocol' | 'from' | 'to'> {
  readonly inInterface: string | undefined;
  readonly outInterface: string | undefined;
}

/** The flows of a rule: `on` is where they come in, or where they leave. */
export function ruleFlows(space: PacketSpace, rule: RuleSentence, policy: Policy): PacketSet {
  const isIn = rule.direction === 'in';
  return flowsOf(
    space,
    {
      ...rule,
      inInterface: isIn ? rule.interface : undefined,
      outInterface: isIn ? undefined : rule.interface,
    },
    policy,
  );
}

/**
 * The packets of the space's family that fit: interfaces, addresses (groups by their members), protocol, ports. A name of
 * an interface that the space cannot tell apart fits none.
 */
export function flowsOf(space: PacketSpace, pattern: FlowPattern, policy: Policy): PacketSet {
  const { protocol, from, to, inInterface, outInterface } = pattern;
  const { family } = space.layout;
  // IGMP and 6in4 are carried by IPv4.
  if (family === 'ipv6' && (protocol === 'igmp' || protocol === 'ipv6')) return noPackets(space);
  const hasPorts = from.ports !== undefined || to.ports !== undefined;
  const parts = [
    ...conditions('iif', inInterface === undefined ? undefined : interfacesNamed(space, inInterface)),
    ...conditions('oif', outInterface === undefined ? undefined : interfacesNamed(space, outInterface)),
    ...conditions('src', networksOf(from, family, policy)),
    ...conditions('dst', networksOf(to, family, policy)),
    ...conditions('proto', protocolsOf(protocol, hasPorts)),
    ...conditions('sport', from.ports),
    ...conditions('dport', to.ports),
  ];
  if (parts.some(({ values }) => values.length === 0)) return noPackets(space);
  return packetsWhere(space, Object.fromEntries(parts.map(({ field, values }) => [field, values])));
}

type Values = readonly string[] | readonly Prefix[] | NonNullable<Endpoint['ports']>;

function conditions(field: string, values: Values | undefined): { field: string; values: Values }[] {
  return values === undefined ? [] : [{ field, values }];
}

function networksOf(
  { address }: Endpoint,
  family: Prefix['family'],
  policy: Policy,
): readonly Prefix[] | undefined {
  if (address.kind === 'any') return undefined;
  const prefixes = address.kind === 'prefix' ? [address.prefix] : policy.groups.get(address.name)?.members;
  return (prefixes ?? []).filter((prefix) => prefix.family === family);
}

function protocolsOf(protocol: SentenceProtocol, hasPorts: boolean): readonly string[] | undefined {
  if (protocol !== 'any') return [protocol];
  return hasPorts ? ['tcp', 'udp'] : undefined;
}

/** Those of the flows that are new: the ones that sentences decide about. */
export function newFlows(flows: PacketSet): PacketSet {
  return intersectPackets(flows, packetsWhere(flows.space, { state: 'new' }));
}
