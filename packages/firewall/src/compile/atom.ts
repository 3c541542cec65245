// A sentence broken into what one nft rule can say: one family, one protocol, one shape.
import type { Interval, IpFamily, Prefix, Verdict } from '@moat/netfilter';
import type { EndpointAddress, Policy, RuleSentence } from '../policy/model.ts';
import { gateName } from './gate.ts';
import { groupHasFamily, groupSetName } from './group.ts';

export type Dimension = 'saddr' | 'daddr' | 'sport' | 'dport';

/** What atoms must have in common to share one nft rule. */
export interface Shape {
  readonly family: IpFamily | undefined;
  /** nft's name for the transport protocol; undefined: any. */
  readonly protocol: string | undefined;
  readonly interface: string | undefined;
  /** The set of the gate that it stands behind. */
  readonly gate: string | undefined;
  /** The sets of the groups that it names. */
  readonly fromSet: string | undefined;
  readonly toSet: string | undefined;
  /** The fields that vary from atom to atom, in the order of the key. */
  readonly dimensions: readonly Dimension[];
}

/** One coordinate: a network for addresses, an interval for ports. */
export type Coordinate =
  | { readonly kind: 'prefix'; readonly prefix: Prefix }
  | { readonly kind: 'ports'; readonly ports: Interval<number> };

export interface Atom {
  readonly shape: Shape;
  readonly key: readonly Coordinate[];
  readonly verdict: Verdict;
  readonly ruleId: string;
}

/**
 * The atoms of a sentence, in no particular order: they have one verdict. Both families where no address
 * fixes one; tcp and udp where a port stands without a protocol. A group without members of a family gives
 * no atom for it.
 */
export function atomsOf(rule: RuleSentence, policy: Policy, ruleId: string, verdict: Verdict): Atom[] {
  const hasPorts = rule.from.ports !== undefined || rule.to.ports !== undefined;
  const protocols: readonly (string | undefined)[] =
    rule.protocol === 'any' ? (hasPorts ? ['tcp', 'udp'] : [undefined]) : [PROTOCOL_NAMES[rule.protocol]];
  const atoms: Atom[] = [];
  for (const family of familiesOf(rule, policy)) {
    for (const protocol of protocols) {
      const dimensions: Dimension[] = [];
      const ranges: (readonly Coordinate[])[] = [];
      const add = (dimension: Dimension, coordinates: readonly Coordinate[] | undefined): void => {
        if (coordinates === undefined) return;
        dimensions.push(dimension);
        ranges.push(coordinates);
      };
      add('saddr', prefixOf(rule.from.address));
      add('daddr', prefixOf(rule.to.address));
      add('sport', portsOf(rule.from.ports));
      add('dport', portsOf(rule.to.ports));
      const shape: Shape = {
        family,
        protocol,
        interface: rule.interface,
        gate: rule.until === undefined ? undefined : gateName(rule.until),
        fromSet: setOf(rule.from.address, family, policy),
        toSet: setOf(rule.to.address, family, policy),
        dimensions,
      };
      for (const key of product(ranges)) atoms.push({ shape, key, verdict, ruleId });
    }
  }
  return atoms;
}

/** ufw's protocol words in nft's spelling (/etc/protocols names as `nft list` prints them). */
const PROTOCOL_NAMES = {
  tcp: 'tcp',
  udp: 'udp',
  ah: 'ah',
  esp: 'esp',
  gre: 'gre',
  vrrp: 'vrrp',
  ipv6: 'ipv6',
  igmp: 'igmp',
} as const;

function familiesOf(rule: RuleSentence, policy: Policy): readonly (IpFamily | undefined)[] {
  const ends = [rule.from.address, rule.to.address].filter(({ kind }) => kind !== 'any');
  // igmp and 6in4 (`ipv6`) live on IPv4 only.
  const onlyIpv4 = rule.protocol === 'igmp' || rule.protocol === 'ipv6';
  if (ends.length === 0 && !onlyIpv4) return [undefined];
  const families: readonly IpFamily[] = onlyIpv4 ? ['ipv4'] : ['ipv4', 'ipv6'];
  return families.filter((family) => ends.every((end) => hasFamily(end, family, policy)));
}

function hasFamily(address: EndpointAddress, family: IpFamily, policy: Policy): boolean {
  if (address.kind === 'any') return true;
  if (address.kind === 'prefix') return address.prefix.family === family;
  return groupHasFamily(policy.groups.get(address.name), family);
}

function setOf(
  address: EndpointAddress,
  family: IpFamily | undefined,
  { groups }: Policy,
): string | undefined {
  const group = address.kind === 'group' ? groups.get(address.name) : undefined;
  return group === undefined || family === undefined ? undefined : groupSetName(group, family);
}

function prefixOf(address: EndpointAddress): readonly Coordinate[] | undefined {
  return address.kind === 'prefix' ? [{ kind: 'prefix', prefix: address.prefix }] : undefined;
}

function portsOf(ports: readonly Interval<number>[] | undefined): readonly Coordinate[] | undefined {
  return ports?.map((interval) => ({ kind: 'ports', ports: interval }));
}

function product(ranges: readonly (readonly Coordinate[])[]): Coordinate[][] {
  return ranges.reduce<Coordinate[][]>(
    (keys, range) => keys.flatMap((key) => range.map((coordinate) => [...key, coordinate])),
    [[]],
  );
}

/** A text that is equal for equal shapes. */
export function shapeText(shape: Shape): string {
  const { family, protocol, gate, fromSet, toSet, dimensions } = shape;
  return [family, protocol, shape.interface, gate, fromSet, toSet, ...dimensions]
    .map((part) => part ?? '')
    .join(' ');
}
