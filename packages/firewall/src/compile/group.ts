// Groups → named sets, one a family: a change of members is a change of elements, not of rules.
import {
  bitsOf,
  type IpFamily,
  intervalPrefixes,
  intervalSet,
  type NamedSet,
  prefixInterval,
} from '@moat/netfilter';
import type { Group, Policy } from '../policy/model.ts';

export function groupSetName(group: string, family: IpFamily): string {
  return `group_${group}_${family === 'ipv4' ? 'v4' : 'v6'}`;
}

/** The sets of the groups that some rule names, and of no others. */
export function groupSets(policy: Policy): NamedSet[] {
  const used = new Set(
    policy.rules.flatMap(({ from, to }) =>
      [from.address, to.address].flatMap((address) => (address.kind === 'group' ? [address.name] : [])),
    ),
  );
  return [...policy.groups.values()]
    .filter(({ name }) => used.has(name))
    .flatMap((group) => (['ipv4', 'ipv6'] as const).flatMap((family) => groupSet(group, family)));
}

function groupSet(group: Group, family: IpFamily): NamedSet[] {
  const members = group.members.filter((member) => member.family === family);
  if (members.length === 0) return [];
  const prefixes = intervalSet(members.map(prefixInterval)).flatMap((interval) =>
    intervalPrefixes(family, interval),
  );
  return [
    {
      name: groupSetName(group.name, family),
      type: [family === 'ipv4' ? 'ipv4_addr' : 'ipv6_addr'],
      // A set of single addresses is a hash, which costs the same at any size.
      interval: prefixes.some(({ length }) => length !== bitsOf(family)),
      dynamic: false,
      elements: prefixes.map((prefix) => ({ kind: 'prefix', prefix })),
    },
  ];
}
