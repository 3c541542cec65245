// Whether the `expect` lines of a policy hold: for all packets, not for some that were tried.
import {
  type Box,
  complementPackets,
  type Decision,
  formatBox,
  type IpFamily,
  intersectPackets,
  isEmpty,
  LEAF,
  leafFor,
  type PacketSet,
  packetBoxes,
  packetsCover,
  packetsDecided,
  packetsWhere,
  samePackets,
  subtractPackets,
  unionPackets,
} from '@moat/netfilter';
import type { ExpectSentence, Policy } from '../policy/model.ts';
import { type Decider, decidedBy, deciderText } from './decided-by.ts';
import { type Example, exampleOf, exampleText } from './example.ts';
import { flowsOf, newFlows } from './flows.ts';
import type { MachineFacts } from './machine-facts.ts';
import { meaningSpace, TOO_MANY } from './meaning-space.ts';
import { type PolicyMeaning, policyMeaning } from './policy-meaning.ts';

/** New flows of one family that are decided otherwise than expected, by one of them. */
export interface Counterexample extends Example {
  readonly family: IpFamily;
  /** What becomes of it. */
  readonly verdict: 'accept' | 'drop' | 'reject';
  readonly decidedBy: Decider;
  /** All such flows, as text; the first few boxes of them. */
  readonly all: readonly string[];
}

/** What became of one expectation. It holds if there are no counterexamples. */
export interface ExpectationResult {
  readonly expectation: ExpectSentence;
  /** At most one for each family. */
  readonly counterexamples: readonly Counterexample[];
  /** There are no such flows, so that it says nothing: a group has no members of the family that the other side has. */
  readonly empty: boolean;
}

const MOST_BOXES = 5;
const VERDICTS = new Map<number, Counterexample['verdict']>([
  [LEAF.accept, 'accept'],
  [LEAF.drop, 'drop'],
  [LEAF.reject, 'reject'],
]);

/** One result for each expectation of the policy, in file order. Throws TooLarge like `policyMeaning`. */
export function testExpectations(policy: Policy, facts: MachineFacts): ExpectationResult[] {
  if (policy.expectations.length === 0) return [];
  const families = ['ipv4', 'ipv6'] as const;
  const meanings = families.map((family) =>
    policyMeaning(meaningSpace(family, policy, facts), policy, facts),
  );
  return checkExpectations(policy, meanings);
}

/**
 * The same for meanings that are there already, one for each family of interest.
 *
 * An expectation is about the new flows of its shape, less those of any narrower expectation that expects something else:
 * `expect deny 3306/tcp` and `expect allow from blog to any port 3306 proto tcp` hold together. What passes without a
 * sentence being asked (ping, DHCP, loopback) is none of its business, unless that is all that it is about.
 *
 * `expect allow` holds if every one of these flows is let through; a `limit` lets through what is not too much.
 * `expect deny` holds if none is, with or without an answer. `expect reject` holds if each gets an answer.
 */
function checkExpectations(policy: Policy, meanings: readonly PolicyMeaning[]): ExpectationResult[] {
  const shapes = policy.expectations.map((expectation) =>
    meanings.map((meaning) => {
      const { space } = meaning.incoming;
      const flows = newFlows(flowsOf(space, expectation, policy));
      return intersectPackets(flows, meaning.domain[expectation.traffic]);
    }),
  );
  return policy.expectations.map((expectation, index) => {
    const mine = shapes[index]!;
    const exceptions = shapes.filter((other, i) => {
      const { verdict, traffic } = policy.expectations[i]!;
      if (verdict === expectation.verdict || traffic !== expectation.traffic) return false;
      return isNarrower(other, mine);
    });
    const counterexamples = meanings.flatMap((meaning, family) => {
      const { space } = meaning.incoming;
      const free = unionPackets(
        space,
        meaning.always[expectation.traffic].map(({ packets }) => packets),
      );
      const shape = mine[family]!;
      const isFree = packetsCover(free, shape);
      const kind = newFlows(meaning.domain[expectation.traffic]);
      const among = isFree ? kind : subtractPackets(kind, free);
      const excepted = exceptions.map((other) => other[family]!);
      const concerned = subtractPackets(intersectPackets(shape, among), unionPackets(space, excepted));
      const wrong = intersectPackets(concerned, otherwise(meaning[expectation.traffic], expectation.verdict));
      return counterexampleOf(policy, meaning, expectation, wrong, among);
    });
    return { expectation, counterexamples, empty: mine.every(isEmpty) };
  });
}

/** Whether all that is in the sets of `inner`, family by family, is in those of `outer`, and these have more. */
function isNarrower(inner: readonly PacketSet[], outer: readonly PacketSet[]): boolean {
  return (
    inner.every((set, family) => packetsCover(outer[family]!, set)) &&
    !inner.every((set, family) => samePackets(outer[family]!, set))
  );
}

/** The packets about which is not decided as expected. */
function otherwise(decision: Decision, expected: ExpectSentence['verdict']): PacketSet {
  switch (expected) {
    case 'allow': {
      const few = packetsWhere(decision.space, { [TOO_MANY]: 0 });
      return intersectPackets(few, complementPackets(packetsDecided(decision, LEAF.accept)));
    }
    case 'deny':
      return packetsDecided(decision, LEAF.accept);
    case 'reject':
      return complementPackets(packetsDecided(decision, LEAF.reject));
    default:
      return expected satisfies never;
  }
}

function counterexampleOf(
  policy: Policy,
  meaning: PolicyMeaning,
  { traffic }: ExpectSentence,
  wrong: PacketSet,
  among: PacketSet,
): Counterexample[] {
  const example = exampleOf(wrong, among);
  if (example === undefined) return [];
  const { layout } = wrong.space;
  const told = (box: Box): string => formatBox(layout, box);
  const fields = [...example.telling].filter((name) => name !== 'state' && name !== TOO_MANY);
  const { boxes, complete } = packetBoxes(wrong, { fields, limit: MOST_BOXES });
  return [
    {
      ...example,
      family: layout.family,
      verdict: VERDICTS.get(leafFor(meaning[traffic], example.packet))!,
      decidedBy: decidedBy(policy, meaning, traffic, example.packet),
      all: [...boxes.map(told), ...(complete ? [] : ['and more'])],
    },
  ];
}

const BECOMES = { accept: 'let through', drop: 'denied', reject: 'rejected' } as const;

/** `tcp from 198.51.100.1 to port 3306 is let through by rule 3, \`allow 3306\``. */
export function counterexampleText(counterexample: Counterexample): string {
  const { verdict, decidedBy: decider } = counterexample;
  return `${exampleText(counterexample)} is ${BECOMES[verdict]} by ${deciderText(decider)}`;
}
