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

/** A set that follows what names are answered with is called another way, so that it can be told by its name alone. */
const NAMES = 'names_';

export function groupSetName({ name, names }: Pick<Group, 'name' | 'names'>, family: IpFamily): string {
  return `${names.length > 0 ? NAMES : 'group_'}${name}_${family === 'ipv4' ? 'v4' : 'v6'}`;
}

/** Whether it is the set of a group with names: its elements change with what DNS says, and no rule does. */
export function isNamesSet(set: string): boolean {
  return set.startsWith(NAMES);
}

/** Whether a rule about the group says something of that family. What names will be answered with is not known. */
export function groupHasFamily(group: Group | undefined, family: IpFamily): boolean {
  if (group === undefined) return false;
  return group.names.length > 0 || group.members.some((member) => member.family === family);
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
  if (!groupHasFamily(group, family)) return [];
  const prefixes = intervalSet(members.map(prefixInterval)).flatMap((interval) =>
    intervalPrefixes(family, interval),
  );
  return [
    {
      name: groupSetName(group, family),
      type: [family === 'ipv4' ? 'ipv4_addr' : 'ipv6_addr'],
      // A set of single addresses is a hash, which costs the same at any size. Of what changes by itself nothing else shall.
      interval: group.names.length > 0 || prefixes.some(({ length }) => length !== bitsOf(family)),
      dynamic: false,
      elements: prefixes.map((prefix) => ({ kind: 'prefix', prefix })),
    },
  ];
}
