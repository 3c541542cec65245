// What an ipset holds, as a condition on packets.
import { type Ipset, type IpsetEntry, type IpsetMatch, ipsetKey } from '../model/ipset.ts';
import {
  allPackets,
  complementPackets,
  noPackets,
  subtractPackets,
  unionPackets,
} from '../space/packet-set.ts';
import type { PacketSet } from '../space/packet-space.ts';
import { type Condition, conditionSet, inSet } from './condition.ts';
import { keysCondition, unknownCondition } from './match-condition.ts';
import type { Scope } from './scope.ts';

/** `-m set --match-set`. Without the set's contents it is free. */
export function ipsetCondition(scope: Scope, match: IpsetMatch, part: string): Condition {
  const set = scope.view.ruleset.ipsets?.find(({ name }) => name === match.set);
  if (set === undefined) return unknownCondition(scope, part, 'set contents');
  const held = contentsOf(scope, set, match, part, 0);
  if (held === undefined) return unknownCondition(scope, part, 'set contents');
  return inSet(match.inverted ? complementPackets(held) : held);
}

function contentsOf(
  scope: Scope,
  set: Ipset,
  match: IpsetMatch,
  part: string,
  depth: number,
): PacketSet | undefined {
  const { space, family } = scope.view.analysis;
  if (set.method === 'list') {
    if (depth > 8) return undefined;
    const members = set.entries.map(({ parts }, n) => {
      const [name] = parts;
      const member = scope.view.ruleset.ipsets?.find(
        (each) => name?.kind === 'symbol' && each.name === name.name,
      );
      return member === undefined ? undefined : contentsOf(scope, member, match, `${part} ${n}`, depth + 1);
    });
    if (members.includes(undefined)) return undefined;
    return unionPackets(space, members as PacketSet[]);
  }
  if (set.unknown.length > 0) return undefined;
  // A set of addresses of the other family never holds a packet.
  const hasAddresses = set.dimensions.some((dimension) => dimension === 'ip' || dimension === 'net');
  if (hasAddresses && set.family !== family) return noPackets(space);
  const key = ipsetKey(set, match.directions, family === 'ipv4' ? 'ip' : 'ip6');
  if (key === undefined) return undefined;
  const holds = (entries: readonly IpsetEntry[], name: string): PacketSet => {
    if (entries.length === 0) return noPackets(space);
    const [only] = key;
    if (key.length === 1 && only !== undefined) {
      const values = entries.flatMap(({ parts }) => parts[0] ?? []);
      return conditionSet(space, keysCondition(scope, only, values, `${part} ${name}`));
    }
    const flat = key.flatMap((each) => (each.kind === 'concat' ? each.parts : [each]));
    const values = entries.map(({ parts }) => ({
      kind: 'concat' as const,
      parts: parts.flatMap((each) => (each.kind === 'concat' ? each.parts : [each])),
    }));
    return conditionSet(
      space,
      keysCondition(scope, { kind: 'concat', parts: flat }, values, `${part} ${name}`),
    );
  };
  const exceptions = set.entries.filter(({ nomatch }) => nomatch);
  if (exceptions.length === 0) {
    return match.returnNomatch === true ? noPackets(space) : holds(set.entries, 'entries');
  }
  // The narrowest entry decides (ip_set_hash_gen.h mtype_test_cidrs goes from long prefixes to short ones).
  let found = noPackets(space);
  let left = allPackets(space);
  for (const length of [...new Set(set.entries.map(widthOf))].sort((a, b) => b - a)) {
    const here = set.entries.filter((entry) => widthOf(entry) === length);
    const yes = holds(
      here.filter(({ nomatch }) => !nomatch),
      `entries ${length}`,
    );
    const no = holds(
      here.filter(({ nomatch }) => nomatch),
      `exceptions ${length}`,
    );
    const wanted = match.returnNomatch === true ? no : yes;
    found = unionPackets(space, [found, subtractPackets(wanted, complementPackets(left))]);
    left = subtractPackets(left, unionPackets(space, [yes, no]));
  }
  return found;
}

/** The sum of the lengths of its prefixes: how narrow it is. */
function widthOf({ parts }: IpsetEntry): number {
  return parts.reduce((sum, part) => sum + (part.kind === 'prefix' ? part.prefix.length : 128), 0);
}
