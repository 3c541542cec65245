// Does a table mean what the policy means? For all packets, on every way, whatever the limits say.
import {
  always,
  bitsOf,
  type Decision,
  decide,
  type FieldSpec,
  formatBox,
  forSome,
  type IpFamily,
  inSomeOrder,
  intersectPackets,
  isEmpty,
  LEAF,
  type OrderOptions,
  type PacketFields,
  type PacketSet,
  type PacketSpace,
  type PacketSpaceOptions,
  packetBoxes,
  packetsDecided,
  packetsToldApart,
  possibleLeaves,
  spaceFor,
  subtractPackets,
  type Table,
  unionPackets,
} from '@moat/netfilter';
import { type Decider, decidedBy } from '../meaning/decided-by.ts';
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
  /** Which sentence, default or built-in decides about it; undefined: it begins no flow, and none is asked. */
  readonly decidedBy: Decider | undefined;
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

export interface ProofOptions extends OrderOptions, Pick<PacketSpaceOptions, 'effort'> {
  /** The ways to look at; default all of them. */
  readonly roads?: Roads;
}

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
  { roads = tableRoads, effort, ...order }: ProofOptions = {},
): Proof {
  for (const family of ['ipv4', 'ipv6'] as const) {
    const options = proofSpaceOptions(family, policy, facts, table);
    const found = inSomeOrder(
      { ...options, ...(effort === undefined ? {} : { effort }) },
      (space) => differenceIn(space, policy, facts, roads(space, table, containerWords(space, facts))),
      order,
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
    const differing = decidedOtherwise(decision, wanted, among);
    if (differing === undefined) continue;
    const example = exampleOf(differing, among);
    if (example === undefined) throw new Error('packets without an example');
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
      decidedBy: beginsFlow(known) ? decidedBy(policy, meaning, traffic, example.packet) : undefined,
      packets: [...boxes.map((box) => formatBox(layout, box)), ...(complete ? [] : ['and more'])],
    };
  }
  return undefined;
}

function beginsFlow({ state }: PacketFields): boolean {
  return state === 'new' || state === 'untracked';
}

function isFree(field: string): boolean {
  return field.startsWith('free ');
}

/** The packets among these that may meet some verdict in one of the two and cannot in the other; undefined: none. */
function decidedOtherwise(one: Decision, other: Decision, among: PacketSet): PacketSet | undefined {
  const { space } = one;
  const nothing = always(space, LEAF.fall);
  const within = (where: PacketSet): [Decision, Decision] => [
    decide(where, one, nothing),
    decide(where, other, nothing),
  ];
  const apart = packetsToldApart(...within(among));
  if (isEmpty(apart)) return undefined;
  const free = space.layout.fields.map(({ name }) => name).filter(isFree);
  // Where a bit decides that nobody knows, the two may differ although they agree on what is possible.
  const both = within(intersectPackets(forSome(apart, free), among));
  const differences = OUTCOMES.flatMap((outcome) => {
    const [a, b] = both.map((decision) => forSome(packetsDecided(decision, LEAF[outcome]), free)) as [
      PacketSet,
      PacketSet,
    ];
    return [subtractPackets(a, b), subtractPackets(b, a)];
  }).filter((set) => !isEmpty(set));
  return differences.length === 0 ? undefined : unionPackets(space, differences);
}

function outcomes(decision: Decision, packet: PacketFields): Outcome[] {
  const leaves = possibleLeaves(decision, packet);
  return OUTCOMES.filter((outcome) => leaves.includes(LEAF[outcome]));
}
