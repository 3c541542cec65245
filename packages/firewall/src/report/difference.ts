// What is different between two rulesets for packets, as rows: the two families together, with an example and its reasons.
import {
  type CtState,
  type DifferenceKind,
  differenceBoxes,
  differenceCauses,
  type Fate,
  type Host,
  type IpFamily,
  inSomeOrder,
  type PacketFields,
  pairInput,
  type Road,
  type Ruleset,
  rulesetDifferences,
  spaceFor,
} from '@moat/netfilter';
import { boxWords } from './box-words.ts';
import { type RuleTold, tellStep } from './rule-words.ts';

export interface FateTold {
  readonly verdict: Fate['verdict'];
  readonly by?: RuleTold;
}

export interface DifferenceRow {
  readonly road: Road;
  readonly kind: DifferenceKind;
  readonly certainty: 'must' | 'may';
  readonly states: readonly CtState[];
  /** `tcp 8000-8100 from 10.0.0.0/8 in eth0`. */
  readonly packets: string;
  readonly families: readonly IpFamily[];
  readonly example: { readonly family: IpFamily; readonly fields: PacketFields };
  readonly before: FateTold;
  readonly after: FateTold;
}

export interface DifferenceReport {
  readonly rows: readonly DifferenceRow[];
  /** False: there are more rows than are told. */
  readonly complete: boolean;
  /** Families whose rules are too many and too different to be compared. */
  readonly tooLarge: readonly IpFamily[];
}

export interface Compared {
  readonly before: Ruleset;
  readonly after: Ruleset;
  readonly host?: Host | undefined;
  readonly families?: readonly IpFamily[];
  /** Nodes of a diagram at most, and steps of work; without them those of the space. */
  readonly effort?: number;
}

export function compareRulesets({ before, after, host, effort, ...of }: Compared): DifferenceReport {
  const rows = new Map<string, { row: DifferenceRow; families: IpFamily[] }>();
  const tooLarge: IpFamily[] = [];
  let complete = true;
  for (const family of of.families ?? (['ipv4', 'ipv6'] as const)) {
    const pair = { family, before, after, host };
    const causes = differenceCauses(before, after, family, host);
    const options = { ...spaceFor(pairInput(pair)), ...(effort === undefined ? {} : { effort }) };
    const done = inSomeOrder(options, (space) =>
      rulesetDifferences(space, pair).differences.flatMap((difference) => {
        const told = differenceBoxes(difference);
        if (!told.complete) complete = false;
        return told.boxes.map((box) => ({ box, packets: boxWords(space.layout, box.box) }));
      }),
    );
    if (done.kind !== 'done') {
      tooLarge.push(family);
      continue;
    }
    for (const { box, packets } of done.value) {
      const { road, kind, certainty, states, example } = box;
      const key = [road, kind, certainty, states, packets].join(' ');
      const known = rows.get(key);
      if (known !== undefined) {
        known.families.push(family);
        continue;
      }
      const cause = causes(box);
      const families: IpFamily[] = [family];
      const row: DifferenceRow = {
        ...{ road, kind, certainty, states, packets, families },
        example: { family, fields: shown(road, example, cause.packet.fields) },
        before: tellFate(before, cause.before),
        after: tellFate(after, cause.after),
      };
      rows.set(key, { row, families });
    }
  }
  return { rows: [...rows.values()].map(({ row }) => row), complete, tooLarge };
}

/** What a sender can choose, and what was asked about besides. */
function shown(road: Road, example: PacketFields, walked: PacketFields): PacketFields {
  const told = ['state', 'iif', 'oif', 'src', 'dst', 'proto', 'sport', 'dport', 'tcpflags'];
  const fields = told.flatMap((name) => {
    const value = walked[name] ?? (name === 'state' ? example[name] : undefined);
    // Where a packet for this host may be sent on to is not the sender's to say.
    if (name === 'oif' && (road === 'input' || road === 'groups')) return [];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(fields);
}

function tellFate(ruleset: Ruleset, { verdict, step }: Fate): FateTold {
  const by = step === undefined ? undefined : tellStep(ruleset, step);
  return by === undefined ? { verdict } : { verdict, by };
}
