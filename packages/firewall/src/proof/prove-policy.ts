// Does a table mean what the policy means? For all packets, on every way, whatever the limits say.
import {
  bitsOf,
  type Decision,
  type FieldSpec,
  formatBox,
  forSome,
  type IpFamily,
  inSomeOrder,
  intersectPackets,
  isEmpty,
  LEAF,
  type PacketFields,
  type PacketSet,
  type PacketSpace,
  type PacketSpaceOptions,
  packetBoxes,
  packetsDecided,
  possibleLeaves,
  spaceFor,
  subtractPackets,
  type Table,
  unionPackets,
} from '@moat/netfilter';
import { exampleOf, exampleText } from '../meaning/example.ts';
import { leadsToContainers, type MachineFacts } from '../meaning/machine-facts.ts';
import { interfaceWords, meaningSpaceOptions } from '../meaning/meaning-space.ts';
import { policyMeaning } from '../meaning/policy-meaning.ts';
import type { Policy, Traffic } from '../policy/model.ts';
import { NEW_DESTINATION, type Road, tableRoads } from './table-roads.ts';

export type Outcome = 'accept' | 'drop' | 'reject' | 'unknown';

/** Packets about which table and policy say different things, on the first road where there are such. */
export interface Difference {
  readonly family: IpFamily;
  readonly traffic: Traffic;
  /** Which way they go, in words. */
  readonly road: string;
  /** One of them, with a value for every field. */
  readonly witness: PacketFields;
  /** It in words: what it is told by. */
  readonly text: string;
  /** What may become of it: more than one where a limit decides. */
  readonly policy: readonly Outcome[];
  readonly table: readonly Outcome[];
  /** All of them, as text; the first few boxes. */
  readonly packets: readonly string[];
}

export type Proof =
  | { readonly kind: 'proved' }
  | { readonly kind: 'different'; readonly difference: Difference }
  /** It took more room or time than there is: nothing is known. */
  | { readonly kind: 'too large' };

/** The ways through a table, in a space made with `proofSpaceOptions`. */
export type Roads = (space: PacketSpace, table: Table, containers: readonly string[]) => readonly Road[];

const OUTCOMES: readonly Outcome[] = ['accept', 'drop', 'reject', 'unknown'];
const MOST_BOXES = 5;

/**
 * Whether the table is what the policy means on this machine, in both families. For each packet the verdicts that are
 * possible are compared: with a `limit` there are two.
 */
export function provePolicy(
  policy: Policy,
  facts: MachineFacts,
  table: Table,
  roads: Roads = tableRoads,
): Proof {
  for (const family of ['ipv4', 'ipv6'] as const) {
    const found = inSomeOrder(proofSpaceOptions(family, policy, facts, table), (space) =>
      differenceIn(space, policy, facts, roads(space, table, containerWords(space, facts))),
    );
    if (found.kind === 'too large') return found;
    if (found.value !== undefined) return { kind: 'different', difference: found.value };
  }
  return { kind: 'proved' };
}

/** A space in which both the policy's meaning and the table's can be said. */
function proofSpaceOptions(
  family: IpFamily,
  policy: Policy,
  facts: MachineFacts,
  table: Table,
): PacketSpaceOptions {
  const meant = meaningSpaceOptions(family, policy, facts);
  const read = spaceFor({ family, rulesets: [{ tables: [table] }], interfaces: meant.interfaces ?? [] });
  const fields: FieldSpec[] = [
    ...(meant.fields ?? []),
    { kind: 'number', name: NEW_DESTINATION.dst, bits: bitsOf(family) },
    { kind: 'number', name: NEW_DESTINATION.dport, bits: 16 },
  ];
  return { ...read, fields };
}

function containerWords(space: PacketSpace, facts: MachineFacts): string[] {
  return interfaceWords(space, (name) => leadsToContainers(name, facts));
}

function differenceIn(
  space: PacketSpace,
  policy: Policy,
  facts: MachineFacts,
  roads: readonly Road[],
): Difference | undefined {
  const meaning = policyMeaning(space, policy, facts);
  for (const { name, traffic, packets, decision } of roads) {
    const wanted = meaning[traffic];
    const among = intersectPackets(packets, meaning.domain[traffic]);
    const differing = intersectPackets(among, decidedOtherwise(decision, wanted));
    const example = exampleOf(differing, among);
    if (example === undefined) continue;
    const known = Object.fromEntries(
      Object.entries(example.packet).filter(([field]) => !isFree(field)),
    ) as PacketFields;
    const { boxes, complete } = packetBoxes(differing, { fields: [...example.telling], limit: MOST_BOXES });
    const { layout } = space;
    return {
      family: layout.family,
      traffic,
      road: name,
      witness: known,
      text: exampleText(example),
      policy: outcomes(wanted, known),
      table: outcomes(decision, known),
      packets: [...boxes.map((box) => formatBox(layout, box)), ...(complete ? [] : ['and more'])],
    };
  }
  return undefined;
}

function isFree(field: string): boolean {
  return field.startsWith('free ');
}

/** The packets that may meet some verdict in one of the two and cannot in the other. */
function decidedOtherwise(one: Decision, other: Decision): PacketSet {
  const { space } = one;
  const free = space.layout.fields.map(({ name }) => name).filter(isFree);
  const differences = OUTCOMES.flatMap((outcome) => {
    const [a, b] = [one, other].map((decision) => forSome(packetsDecided(decision, LEAF[outcome]), free)) as [
      PacketSet,
      PacketSet,
    ];
    return [subtractPackets(a, b), subtractPackets(b, a)];
  });
  return unionPackets(
    space,
    differences.filter((set) => !isEmpty(set)),
  );
}

function outcomes(decision: Decision, packet: PacketFields): Outcome[] {
  const leaves = possibleLeaves(decision, packet);
  return OUTCOMES.filter((outcome) => leaves.includes(LEAF[outcome]));
}
