// What a rule matches, as sets that can be compared: protocols, addresses of both families, ports, interface.
import {
  type IntervalSet,
  intervalSet,
  intervalsCover,
  intervalsOverlap,
  type Prefix,
  prefixInterval,
} from '@moat/netfilter';
import type { EndpointAddress, Group, RuleSentence, SentenceProtocol } from './model.ts';

export type Groups = ReadonlyMap<string, Group>;

interface Addresses {
  readonly ipv4: IntervalSet<bigint>;
  readonly ipv6: IntervalSet<bigint>;
}

interface Side {
  readonly addresses: Addresses;
  readonly ports: IntervalSet<number>;
}

export interface Match {
  readonly direction: 'in' | 'out';
  readonly interface: string | undefined;
  /** One bit for each protocol that a sentence can name, and one for all the others. */
  readonly protocols: number;
  readonly from: Side;
  readonly to: Side;
}

const NAMED = ['tcp', 'udp', 'ah', 'esp', 'gre', 'vrrp', 'ipv6', 'igmp'] as const;
const EVERY_PROTOCOL = 2 ** (NAMED.length + 1) - 1;
const EVERY_PORT: IntervalSet<number> = [{ first: 0, last: 65535 }];
const EVERYWHERE: Addresses = {
  ipv4: [{ first: 0n, last: 2n ** 32n - 1n }],
  ipv6: [{ first: 0n, last: 2n ** 128n - 1n }],
};
const NOWHERE: Addresses = { ipv4: [], ipv6: [] };
const FAMILIES = ['ipv4', 'ipv6'] as const;

function protocolBits(protocol: SentenceProtocol, hasPorts: boolean): number {
  if (protocol !== 'any') return 1 << NAMED.indexOf(protocol);
  return hasPorts ? protocolBits('tcp', true) | protocolBits('udp', true) : EVERY_PROTOCOL;
}

function addressesOfPrefixes(prefixes: readonly Prefix[]): Addresses {
  const of = (family: 'ipv4' | 'ipv6') =>
    intervalSet(prefixes.filter((prefix) => prefix.family === family).map(prefixInterval));
  return { ipv4: of('ipv4'), ipv6: of('ipv6') };
}

// Groups can be large and are asked for again with every rule that names them.
const ofGroups = new WeakMap<Group, Addresses>();

function addressesOf(address: EndpointAddress, groups: Groups): Addresses {
  switch (address.kind) {
    case 'any':
      return EVERYWHERE;
    case 'prefix':
      return addressesOfPrefixes([address.prefix]);
    case 'group': {
      const group = groups.get(address.name);
      if (group === undefined) return NOWHERE;
      const known = ofGroups.get(group) ?? addressesOfPrefixes(group.members);
      ofGroups.set(group, known);
      return known;
    }
    default:
      return address satisfies never;
  }
}

// A sentence that names no group always matches the same, and is asked about with each change.
const ofRules = new WeakMap<RuleSentence, Match>();

/** The match of a rule, with the members of its groups; an undefined group has none. */
export function matchOf(rule: RuleSentence, groups: Groups): Match {
  if (rule.from.address.kind === 'group' || rule.to.address.kind === 'group') return newMatch(rule, groups);
  const known = ofRules.get(rule) ?? newMatch(rule, groups);
  ofRules.set(rule, known);
  return known;
}

function newMatch(rule: RuleSentence, groups: Groups): Match {
  const { protocol } = rule;
  const hasPorts = rule.from.ports !== undefined || rule.to.ports !== undefined;
  const onlyIpv4 = protocol === 'igmp' || protocol === 'ipv6';
  const side = (endpoint: RuleSentence['from']): Side => {
    const addresses = addressesOf(endpoint.address, groups);
    return {
      addresses: onlyIpv4 ? { ipv4: addresses.ipv4, ipv6: [] } : addresses,
      ports: endpoint.ports ?? EVERY_PORT,
    };
  };
  return {
    direction: rule.direction,
    interface: rule.interface,
    protocols: protocolBits(protocol, hasPorts),
    from: side(rule.from),
    to: side(rule.to),
  };
}

/** Whether no packet can match: a group has no member of the family that the other side needs. */
export function isEmptyMatch(match: Match): boolean {
  return FAMILIES.every(
    (family) => match.from.addresses[family].length === 0 || match.to.addresses[family].length === 0,
  );
}

function interfaceCovers(outer: string | undefined, inner: string | undefined): boolean {
  if (outer === undefined || outer === inner) return true;
  return inner !== undefined && outer.endsWith('+') && inner.startsWith(outer.slice(0, -1));
}

function interfacesOverlap(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined) return true;
  const [wideA, wideB] = [a.endsWith('+'), b.endsWith('+')];
  const [stemA, stemB] = [wideA ? a.slice(0, -1) : a, wideB ? b.slice(0, -1) : b];
  return a === b || (wideA && stemB.startsWith(stemA)) || (wideB && stemA.startsWith(stemB));
}

/** Whether every packet that `inner` matches is matched by `outer` too. */
export function matchCovers(outer: Match, inner: Match): boolean {
  return (
    outer.direction === inner.direction &&
    (inner.protocols & ~outer.protocols) === 0 &&
    intervalsCover(outer.to.ports, inner.to.ports) &&
    intervalsCover(outer.from.ports, inner.from.ports) &&
    interfaceCovers(outer.interface, inner.interface) &&
    FAMILIES.every((family) => {
      const [from, to] = [inner.from.addresses[family], inner.to.addresses[family]];
      if (from.length === 0 || to.length === 0) return true;
      return (
        intervalsCover(outer.from.addresses[family], from) && intervalsCover(outer.to.addresses[family], to)
      );
    })
  );
}

/** Whether some packet is matched by both. */
export function matchesOverlap(a: Match, b: Match): boolean {
  return (
    a.direction === b.direction &&
    (a.protocols & b.protocols) !== 0 &&
    intervalsOverlap(a.to.ports, b.to.ports) &&
    intervalsOverlap(a.from.ports, b.from.ports) &&
    interfacesOverlap(a.interface, b.interface) &&
    FAMILIES.some(
      (family) =>
        intervalsOverlap(a.from.addresses[family], b.from.addresses[family]) &&
        intervalsOverlap(a.to.addresses[family], b.to.addresses[family]),
    )
  );
}
