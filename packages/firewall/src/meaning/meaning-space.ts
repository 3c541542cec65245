// The space in which a policy has its meaning: the interfaces that it can tell apart, and what it reads of a packet.
import {
  type FieldSpec,
  type IpFamily,
  NO_INTERFACE,
  OTHER_INTERFACE,
  type PacketSpace,
  type PacketSpaceOptions,
  packetSpace,
} from '@moat/netfilter';
import type { Policy } from '../policy/model.ts';
import { ENGINE_BRIDGES, fitsInterface, type MachineFacts } from './machine-facts.ts';

/** The IPv6 hop limit; neighbour discovery counts only where it is 255. */
export const HOP_LIMIT = 'ttl';

/** A bit that nobody knows: whether too many have come for a `limit`. */
export const TOO_MANY = 'free 0';

/**
 * Options for a space of one family in which `policyMeaning` can say everything: besides the names that policy and
 * machine know, a word `eth*` for each `eth+`, which stands for all other names that begin so.
 */
export function meaningSpaceOptions(
  family: IpFamily,
  policy: Policy,
  facts: MachineFacts,
): PacketSpaceOptions {
  const named = [
    ...policy.rules.map((rule) => rule.interface),
    ...policy.expectations.flatMap(({ inInterface, outInterface }) => [inInterface, outInterface]),
  ].filter((name) => name !== undefined);
  const names = ['lo', ...named, ...ENGINE_BRIDGES, ...facts.containers, ...facts.others, ...facts.bridges];
  const words = names.map((name) => name.replace(/\+$/, '*'));
  const fields: FieldSpec[] = [
    ...(family === 'ipv6' ? [{ kind: 'number', name: HOP_LIMIT, bits: 8 } as const] : []),
    { kind: 'number', name: TOO_MANY, bits: 1 },
  ];
  return { family, interfaces: [...new Set(words)].sort(), fields };
}

/** A new space of one family for the policy's meaning. Spaces made for more (other names, other fields) do as well. */
export function meaningSpace(family: IpFamily, policy: Policy, facts: MachineFacts): PacketSpace {
  return packetSpace(meaningSpaceOptions(family, policy, facts));
}

/** The words of the space's interface fields, as names: `eth*` is one that begins so and is none of the others. */
export function interfaceWords(space: PacketSpace, fits: (name: string) => boolean): string[] {
  const field = space.layout.fields.find(({ name }) => name === 'iif');
  if (field?.kind !== 'words') throw new Error('a space without interfaces');
  return field.words.filter((word) => word !== NO_INTERFACE && fits(nameOf(word)));
}

/** The words of the interfaces that a name as sentences write it means. */
export function interfacesNamed(space: PacketSpace, pattern: string): string[] {
  return interfaceWords(space, (name) => fitsInterface(pattern, name));
}

/** A name that behaves as all names do for which the word stands. No interface is called like that. */
function nameOf(word: string): string {
  return word === OTHER_INTERFACE ? '\0' : word.replace(/\*$/, '\0');
}
