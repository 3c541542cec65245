// The two questions that people have about rulesets, in one call each: who can reach a port, and what does a change change?

import type { Road } from '../difference/compared-roads.ts';
import { type DifferenceBox, differenceBoxes } from '../difference/difference-boxes.ts';
import { pairInput, rulesetDifferences } from '../difference/ruleset-difference.ts';
import { arrivals, arrivalsSpace, MAPPED, type Mapping, sourcesOf } from '../exposure/arrivals.ts';
import type { Host } from '../model/host.ts';
import type { Ruleset } from '../model/ruleset.ts';
import type { IpFamily } from '../net/address.ts';
import { formatPrefix, intervalPrefixes } from '../net/prefix.ts';
import { protocolNumber } from '../net/protocol.ts';
import { formatBox } from '../space/box-text.ts';
import { type Box, packetBoxes } from '../space/boxes.ts';
import { LEAF } from '../space/decision.ts';
import { isEmpty, type PacketFields, samePackets } from '../space/packet-set.ts';
import { inSomeOrder, type PacketSet } from '../space/packet-space.ts';
import { spaceFor } from '../symbolic/analysis.ts';

export interface PortQuestion {
  readonly family: IpFamily;
  /** By name or number: tcp, udp, sctp… */
  readonly protocol: string | number;
  /** The port that is dialled. */
  readonly port: number;
  /** Addresses and routes of the machine, where they are known. */
  readonly host?: Host;
}

/** Where packets from the outside to the port end, and from where they do. */
export interface Reachable {
  /** `this host`, or the rule that sends them elsewhere. */
  readonly to: 'this host' | Mapping;
  /** Networks, as `198.51.100.0/24`. With `in`: only by these interfaces. */
  readonly from: readonly SourceText[];
  /** `may`: it depends on something that the rules do not tell, such as a rate or a rule that was not understood. */
  readonly certainty: 'must' | 'may';
}

export interface SourceText {
  readonly sources: readonly string[];
  readonly in?: readonly string[];
}

/**
 * Who outside can reach a port of the machine with this ruleset; empty: nobody. A TCP question is about the first packet
 * of a connection. Throws for a protocol that there is not, and if the ruleset is too much for any order of variables.
 */
export function whoCanReach(
  ruleset: Ruleset,
  { family, protocol, port, host }: PortQuestion,
): readonly Reachable[] {
  const proto = typeof protocol === 'number' ? protocol : protocolNumber(protocol);
  if (proto === undefined) throw new Error(`expected the name or number of a protocol, given ${protocol}`);
  const input = { family, ruleset, host };
  return answered(
    inSomeOrder(arrivalsSpace(input), (space) => {
      const from = arrivals(space, input);
      const leaves = [LEAF.accept, ...from.mappings.map((_, n) => MAPPED + n)];
      return leaves.flatMap((leaf): Reachable[] => {
        const { possible, certain } = sourcesOf(from, { proto, dport: port }, leaf);
        if (isEmpty(possible)) return [];
        const to = leaf === LEAF.accept ? 'this host' : from.mappings[leaf - MAPPED]!;
        return [
          {
            to,
            from: sourceTexts(possible, family),
            certainty: samePackets(possible, certain) ? 'must' : 'may',
          },
        ];
      });
    }),
  );
}

function answered<T>(
  result: { readonly kind: 'done'; readonly value: T } | { readonly kind: 'too large' },
): T {
  if (result.kind === 'too large')
    throw new Error('the ruleset is too large to be analysed within the limits');
  return result.value;
}

function sourceTexts(sources: PacketSet, family: IpFamily): SourceText[] {
  return packetBoxes(sources).boxes.map((box) => {
    const all = family === 'ipv4' ? '0.0.0.0/0' : '::/0';
    const { src, iif } = box;
    const texts =
      src?.kind === 'intervals'
        ? src.intervals.flatMap((interval) => intervalPrefixes(family, interval).map(formatPrefix))
        : [src === undefined ? all : formatBox(sources.space.layout, { src } as Box)];
    return iif?.kind === 'words' ? { sources: texts, in: iif.words } : { sources: texts };
  });
}

/** What one of two rulesets lets through and the other does not, on one way through the machine. */
export interface Difference {
  /** See `ROADS`. */
  readonly road: Road;
  readonly kind: 'opened' | 'closed';
  /** Boxes such as `198.51.100.0/24 × tcp × 22,80-90`. */
  readonly packets: readonly string[];
  readonly example: PacketFields;
  readonly certainty: 'must' | 'may';
}

/**
 * Where the second ruleset decides otherwise than the first, for all packets of the family; empty: nowhere, however
 * different the texts. Throws as `whoCanReach` does.
 */
export function whatChanges(
  before: Ruleset,
  after: Ruleset,
  family: IpFamily,
  host?: Host,
): readonly Difference[] {
  const pair = { family, before, after, host };
  return answered(
    inSomeOrder(spaceFor(pairInput(pair)), (space) => {
      const { differences } = rulesetDifferences(space, pair);
      return differences.flatMap((difference) =>
        grouped(differenceBoxes(difference).boxes).map(({ road, kind, certainty, boxes }) => ({
          road,
          kind,
          certainty,
          packets: boxes.map(({ box }) => formatBox(space.layout, box)),
          example: boxes[0]!.example,
        })),
      );
    }),
  );
}

type Group = Pick<Difference, 'road' | 'kind' | 'certainty'> & { readonly boxes: DifferenceBox[] };

/** Those of new flows; where there are none, of all others. */
function grouped(boxes: readonly DifferenceBox[]): Group[] {
  const groups: Group[] = [];
  const ofNew = boxes.filter(({ states }) => states.includes('new'));
  for (const each of ofNew.length > 0 ? ofNew : boxes) {
    const { road, kind, certainty } = each;
    if (kind !== 'opened' && kind !== 'closed') continue;
    const group = groups.find((one) => one.kind === kind && one.certainty === certainty);
    if (group === undefined) groups.push({ road, kind, certainty, boxes: [each] });
    else group.boxes.push(each);
  }
  return groups;
}
