// A part of the packets that get through, with the rules that let them: places that different rules open are told apart.
import type { Rule, Ruleset, Table } from '../model/ruleset.ts';
import { type IntervalSet, intervalSet } from '../net/interval.ts';
import { type PacketMatch, subtractPackets } from '../space/packet-set.ts';
import type { Analysis, FreeBit } from '../symbolic/analysis.ts';
import type { WalkFunction } from '../walk/walk.ts';
import { type Example, exampleOf } from './example.ts';
import type { Passage } from './kinds.ts';
import { type Opener, openerOf, openersOf } from './opener.ts';
import type { Part, Reached } from './reached.ts';
import { type Places, type PlacesContext, placesOf } from './sources.ts';

/** What is the same for all questions about one family. */
export interface Asking {
  readonly analysis: Analysis;
  readonly ruleset: Ruleset;
  readonly walk: WalkFunction;
  readonly lenient: WalkFunction;
  readonly places: PlacesContext;
}

/** Networks for each of which it is asked who opened it; of more, the widest stands for all. */
const MOST_ASKED = 24;

type Found = Omit<Passage, 'example'> & { readonly example: Example };

/** A passage for each group of places that the same rules open. `where`: protocol and port. */
export function passages(
  asking: Asking,
  { mayBe, mustBe }: Reached,
  { certainty, to, from }: Part,
  where: PacketMatch,
): readonly Found[] {
  const among = certainty === 'must' ? mustBe : subtractPackets(mayBe, mustBe);
  const walk = certainty === 'must' ? asking.walk : asking.lenient;
  const { family } = asking.analysis;
  return placesOf(from, asking.places).flatMap((places): Found[] => {
    const fixed: PacketMatch = {
      ...where,
      iif: places.interfaces ?? asking.places.outside,
      ...(to === undefined ? {} : { dst: to }),
    };
    const groups = new Map<
      string,
      { parts: IntervalSet<bigint>[]; example: Example; openedBy: readonly Opener[] }
    >();
    for (const part of asked(places)) {
      const example = exampleOf(
        asking.analysis,
        walk,
        among,
        { ...fixed, src: part.sample },
        certainty === 'may',
      );
      if (example === undefined) continue;
      const openedBy = openersFor(asking.ruleset, example, certainty);
      const key = openedBy.map(keyOf).join(' ');
      const group = groups.get(key) ?? { parts: [], example, openedBy };
      group.parts.push(part.all);
      groups.set(key, group);
    }
    const told = [...groups.values()];
    return told.map(
      ({ parts, example, openedBy }): Found => ({
        family,
        from:
          told.length === 1 ? places : { ...places, addresses: intervalSet(parts.flat()), anywhere: false },
        ...(to === undefined ? {} : { to }),
        certainty,
        doubts: example.doubts,
        openedBy,
        example,
      }),
    );
  });
}

interface Asked {
  readonly sample: IntervalSet<bigint>;
  readonly all: IntervalSet<bigint>;
}

function asked({ addresses }: Places): readonly Asked[] {
  if (addresses.length <= MOST_ASKED) return addresses.map((each) => ({ sample: [each], all: [each] }));
  const widest = addresses.reduce((a, b) => (b.last - b.first > a.last - a.first ? b : a));
  return [{ sample: [widest], all: addresses }];
}

const numbers = new WeakMap<object, number>();
let count = 0;

function keyOf({ owner, at, rule }: Opener): string {
  const object = rule?.rule ?? at?.table;
  if (object === undefined) return owner;
  const known = numbers.get(object) ?? ++count;
  numbers.set(object, known);
  return `${known}${rule === undefined ? at?.chain : ''}`;
}

/** Those on the way; what may let packets through only, are the rules of which it is not known. */
function openersFor(
  ruleset: Ruleset,
  { result, doubts }: Example,
  certainty: 'must' | 'may',
): readonly Opener[] {
  if (result.verdict === 'accept' || certainty === 'must') return openersOf(ruleset, result.path);
  const certain = result.path.some(({ rule, verdict }) => rule !== undefined && verdict.kind === 'nat')
    ? openersOf(ruleset, result.path)
    : [];
  const doubtful = doubts.flatMap(({ rule }: FreeBit) => (rule === undefined ? [] : placeOf(ruleset, rule)));
  const unsure = doubtful.map(({ table, chain, rule }) => openerOf(ruleset, table, chain, rule, false));
  const all = [
    ...certain,
    ...unsure.filter(({ rule }) => !certain.some((each) => each.rule?.rule === rule?.rule)),
  ];
  return all.length > 0 ? all : openersOf(ruleset, result.path);
}

function placeOf(ruleset: Ruleset, rule: Rule): { table: Table; chain: string; rule: Rule }[] {
  for (const table of ruleset.tables)
    for (const chain of table.chains)
      if (chain.rules.includes(rule)) return [{ table, chain: chain.name, rule }];
  return [];
}
