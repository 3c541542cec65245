// What a change of rules does to everybody: which of the things that listen it opens, closes and leaves, and what besides.
import {
  type DifferenceBox,
  differenceBoxes,
  forSome,
  type Host,
  type IpFamily,
  inSomeOrder,
  intersectPackets,
  isEmpty,
  noPackets,
  type PacketSet,
  type PacketSpace,
  packetsCover,
  packetsWhere,
  pairInput,
  type Road,
  type Ruleset,
  type RulesetDifferences,
  rulesetDifferences,
  spaceFor,
  unionPackets,
  wideBoxes,
} from '@moat/netfilter';
import type { Listener } from '../kernel/listeners.ts';
import { boxWords } from './box-words.ts';
import { answeringText, isLoopback } from './reach.ts';

export type EffectVerb = 'opens' | 'closes' | 'keeps' | 'may open' | 'may close';

/** What happens to one thing that listens. */
export interface ListenerEffect {
  readonly verb: EffectVerb;
  /** `80/tcp`. */
  readonly port: string;
  /** `container some-app:80`. */
  readonly what: string;
  /** `anywhere`, `anywhere but 203.0.113.7`, `10.0.0.0/8 in eth0`. */
  readonly sources: string;
  readonly families: readonly IpFamily[];
}

/** What happens to new flows where nothing listens, or on other roads. */
export interface OtherEffect {
  readonly verb: Exclude<EffectVerb, 'keeps'> | 'answers' | 'ignores' | 'may answer' | 'may ignore';
  readonly road: Road;
  readonly packets: string;
  readonly families: readonly IpFamily[];
}

export interface Effects {
  /** For no packet a verdict changes; false also where not everything could be computed. */
  readonly none: boolean;
  readonly listeners: readonly ListenerEffect[];
  readonly others: readonly OtherEffect[];
  /** There are packets that begin no flow and fare differently. */
  readonly later: boolean;
  readonly tooLarge: readonly IpFamily[];
}

export interface EffectsInput {
  readonly before: Ruleset;
  readonly after: Ruleset;
  readonly host?: Host | undefined;
  readonly listeners: readonly Listener[];
  /** Steps of work at most, for each family. */
  readonly effort: number;
}

export function effectsOf({ before, after, host, listeners, effort }: EffectsInput): Effects {
  const found: FamilyEffects[] = [];
  const tooLarge: IpFamily[] = [];
  for (const family of ['ipv4', 'ipv6'] as const) {
    const pair = { family, before, after, host };
    const own = listeners.filter((each) => each.family === family && !isLoopback(each.address));
    const options = { ...spaceFor(pairInput(pair)), effort };
    const done = inSomeOrder(options, (space) => familyEffects(space, rulesetDifferences(space, pair), own), {
      orders: ['F'],
      efforts: [],
    });
    if (done.kind === 'done') found.push(done.value);
    else tooLarge.push(family);
  }
  return {
    none: tooLarge.length === 0 && found.every(({ none }) => none),
    listeners: joined(found.flatMap((each) => each.listeners)),
    others: joined(found.flatMap((each) => each.others)),
    later: found.some(({ later }) => later),
    tooLarge,
  };
}

type FamilyEffects = Omit<Effects, 'tooLarge'>;

/** Rows that say the same of both families are one. */
function joined<T extends { readonly families: readonly IpFamily[] }>(rows: readonly T[]): T[] {
  const known = new Map<string, T>();
  for (const row of rows) {
    const key = JSON.stringify({ ...row, families: undefined });
    const same = known.get(key);
    known.set(
      key,
      same === undefined ? row : { ...same, families: [...new Set([...same.families, ...row.families])] },
    );
  }
  return [...known.values()];
}

function familyEffects(
  space: PacketSpace,
  { differences, roads }: RulesetDifferences,
  listeners: readonly Listener[],
): FamilyEffects {
  const { family } = space.layout;
  const families = [family];
  const here = differences.find(({ road }) => road === 'input');
  const none = noPackets(space);
  const input = roads.get('input') ?? { asked: none, kept: none };
  const packets = listeners.map((listener) => packetsTo(space, listener, { first: true }));
  const rows = listeners.flatMap((listener, i): ListenerEffect[] => {
    const port = `${listener.port}/${listener.protocol}`;
    const what = answeringText(listener.what);
    const to = packets[i]!;
    const parts: readonly (readonly [EffectVerb, PacketSet])[] = [
      ['opens', here?.opened.certain ?? none],
      ['may open', here === undefined ? none : here.opened.possible],
      ['closes', here?.closed.certain ?? none],
      ['may close', here === undefined ? none : here.closed.possible],
      ['keeps', input.kept],
    ];
    const told: ListenerEffect[] = [];
    for (const [verb, set] of parts) {
      const those = intersectPackets(set, to);
      const sources = isEmpty(those) ? undefined : sourcesText(those, intersectPackets(input.asked, to));
      // What is certain is possible, too.
      if (
        sources === undefined ||
        told.some((each) => `may ${each.verb.slice(0, -1)}` === verb && each.sources === sources)
      )
        continue;
      told.push({ verb, port, what, sources, families });
    }
    return told;
  });
  const atListeners = unionPackets(
    space,
    listeners.map((listener) => packetsTo(space, listener, { first: false })),
  );
  const boxes = differences.flatMap((difference) => differenceBoxes(difference, { limit: 50 }).boxes);
  const ofNew = boxes.filter(({ states }) => states.includes('new'));
  const told = ofNew.map((box) => ({ box, verb: verbOf(box), packets: boxWords(space.layout, box.box) }));
  const others = told.flatMap(({ box, verb, packets: text }): OtherEffect[] => {
    const isAtListener = box.road === 'input' && packetsCover(atListeners, ofNewFlows(box.packets));
    // What broadcast and multicast have in common with all else that comes in is said there.
    const isSaid =
      box.road === 'groups' &&
      told.some((each) => each.box.road === 'input' && each.verb === verb && each.packets === text);
    return isAtListener || isSaid ? [] : [{ verb, road: box.road, packets: text, families }];
  });
  const later = ofNew.length < boxes.length;
  return { none: differences.length === 0, listeners: rows, others, later };
}

const VERBS = { opened: 'open', closed: 'close', answered: 'answer', silenced: 'ignore' } as const;

function verbOf({ kind, certainty }: DifferenceBox): OtherEffect['verb'] {
  const verb = VERBS[kind];
  return certainty === 'may' ? `may ${verb}` : `${verb}s`;
}

function ofNewFlows(packets: PacketSet): PacketSet {
  return intersectPackets(packets, packetsWhere(packets.space, { state: 'new' }));
}

/** New flows that are dialled there; `first`: by the packet that a connection really begins with. */
function packetsTo(
  space: PacketSpace,
  { protocol, address, port }: Listener,
  { first }: { readonly first: boolean },
): PacketSet {
  return packetsWhere(space, {
    state: 'new',
    proto: protocol,
    dport: port,
    ...(first && protocol === 'tcp' ? { tcpflags: 2 } : {}),
    ...(address.value === 0n ? {} : { dst: address }),
  });
}

/** Where they may come from, in words: `anywhere`, `203.0.113.7`, `anywhere but 10.0.0.0/8 in eth0`. */
function sourcesText(packets: PacketSet, asked: PacketSet): string {
  const { layout } = packets.space;
  const others = layout.fields.map(({ name }) => name).filter((name) => name !== 'src' && name !== 'iif');
  const { boxes, complete } = wideBoxes(forSome(packets, others), forSome(asked, others), 20);
  const texts = boxes.map(({ box }) =>
    boxWords(layout, box, 'anywhere')
      .replace(/^anywhere from not /, 'anywhere but ')
      .replace(/^anywhere from /, ''),
  );
  return [...texts, ...(complete ? [] : ['and more'])].join('; ');
}
