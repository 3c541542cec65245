// Two judges of random chains that know neither packet sets nor the ruleset: rectangles, and terms for Z3.
import { BASES, type RandomChains, type RandomRule, type RandomVerdict } from './random-chains.ts';
import { overlapOf, type Rectangle, type RectangleRule, without } from './rectangles.ts';
import { leafVector } from './solver.ts';

/** The fields of a packet, in the order of a rectangle's sides. */
export const SIDES = ['src', 'dst', 'sport', 'dport'] as const;
const [SRC, DST, DPORT] = [0, 1, 3];
const PORT = [0n, 0xffffn] as const;
const ADDRESS = [0n, 0xffff_ffffn] as const;
const UNIVERSE: Rectangle = [ADDRESS, ADDRESS, PORT, PORT];

const LEAVES = { drop: 0, accept: 1, reject: 2 } as const;
type Ending = keyof typeof LEAVES | 'fall';

/** Packets with what was written of them: a mark, another destination. */
interface Piece {
  readonly box: Rectangle;
  readonly mark: number;
  readonly dst: number | undefined;
  readonly dport: number | undefined;
}

type Ended = Record<Ending, Piece[]> & { translated: Piece[] };
const nothing = (): Ended => ({ accept: [], drop: [], reject: [], fall: [], translated: [] });
const big = ([first, last]: readonly [number, number]) => [BigInt(first), BigInt(last)] as const;

/** Disjoint rectangles that are all packets of the protocol, each with what becomes of it. */
export function rectanglesOf(chains: RandomChains, protocol: 'tcp' | 'udp'): RectangleRule[] {
  const decided: RectangleRule[] = [];
  let open: Piece[] = [{ box: UNIVERSE, mark: 0, dst: undefined, dport: undefined }];
  for (const base of BASES) {
    const ended = chainPieces(chains, base, open, protocol);
    const policy = base === 'first' || base === 'second' ? chains.policies[base] : 'accept';
    ended[policy].push(...ended.fall);
    for (const verdict of ['drop', 'reject'] as const)
      decided.push(...ended[verdict].map(({ box }) => ({ box, leaf: LEAVES[verdict] })));
    open = [...ended.accept, ...ended.translated];
  }
  return [...decided, ...open.map(({ box }) => ({ box, leaf: LEAVES.accept }))];
}

function chainPieces(
  chains: RandomChains,
  name: keyof Omit<RandomChains, 'policies'>,
  pieces: readonly Piece[],
  protocol: 'tcp' | 'udp',
): Ended {
  const ended = nothing();
  let here: Piece[] = [...pieces];
  const take = (verdict: RandomVerdict, some: readonly Piece[]): Piece[] => {
    if (verdict === 'return') {
      ended.fall.push(...some);
      return [];
    }
    if (typeof verdict === 'string') {
      ended[verdict].push(...some);
      return [];
    }
    const inner = chainPieces(chains, verdict.to as 'a', some, protocol);
    for (const each of ['accept', 'drop', 'reject'] as const) ended[each].push(...inner[each]);
    if (verdict.back) return inner.fall;
    ended.fall.push(...inner.fall);
    return [];
  };
  for (const rule of chains[name]) {
    const { hit, missed } = split(here, rule, protocol);
    const marked = rule.setMark === undefined ? hit : hit.map((piece) => ({ ...piece, mark: rule.setMark! }));
    here = missed;
    if (rule.dnat !== undefined) {
      const { address, port } = rule.dnat;
      ended.translated.push(
        ...marked.map((piece) => ({ ...piece, dst: address, dport: port ?? piece.dport })),
      );
    } else if (rule.map !== undefined) {
      let rest: readonly Piece[] = marked;
      for (const [port, verdict] of rule.map) {
        const at = splitSide(rest, DPORT, [[port, port]]);
        here.push(...take(verdict, at.hit));
        rest = at.missed;
      }
      here.push(...rest);
    } else if (rule.verdict !== undefined) here.push(...take(rule.verdict, marked));
    else here.push(...marked);
  }
  ended.fall.push(...here);
  return ended;
}

interface Split {
  readonly hit: Piece[];
  readonly missed: Piece[];
}

function split(pieces: readonly Piece[], rule: RandomRule, protocol: string): Split {
  if (rule.protocol !== protocol) return { hit: [], missed: [...pieces] };
  let hit: Piece[] = [...pieces];
  const missed: Piece[] = [];
  const narrow = (parts: Split): void => {
    hit = parts.hit;
    missed.push(...parts.missed);
  };
  if (rule.src !== undefined) {
    const parts = splitSide(hit, SRC, rule.src);
    narrow(rule.srcIs === 'not in' ? { hit: parts.missed, missed: parts.hit } : parts);
  }
  if (rule.dst !== undefined) narrow(splitSide(hit, DST, [rule.dst]));
  if (rule.dport !== undefined) narrow(splitSide(hit, DPORT, [rule.dport]));
  if (rule.mark !== undefined)
    narrow({
      hit: hit.filter(({ mark }) => mark === rule.mark),
      missed: hit.filter(({ mark }) => mark !== rule.mark),
    });
  return { hit, missed };
}

/** By one field, as it is now. */
function splitSide(
  pieces: readonly Piece[],
  side: number,
  intervals: readonly (readonly [number, number])[],
): Split {
  const hit: Piece[] = [];
  const missed: Piece[] = [];
  for (const piece of pieces) {
    const written = side === DST ? piece.dst : side === DPORT ? piece.dport : undefined;
    if (written !== undefined) {
      const isIn = intervals.some(([first, last]) => first <= written && written <= last);
      (isIn ? hit : missed).push(piece);
      continue;
    }
    let rest = [piece.box];
    for (const interval of intervals) {
      const slab = UNIVERSE.map((all, i) => (i === side ? big(interval) : all));
      for (const box of rest) {
        const both = overlapOf(box, slab);
        if (both !== undefined) hit.push({ ...piece, box: both });
      }
      rest = rest.flatMap((box) => without(box, slab));
    }
    missed.push(...rest.map((box) => ({ ...piece, box })));
  }
  return { hit, missed };
}

/** What is written of a packet, as terms. */
interface Terms {
  readonly mark: number;
  readonly dst: string;
  readonly dport: string;
}
type Then = (now: Terms) => string;

const number = (value: number, bits: number): string => `(_ bv${value} ${bits})`;

/** What becomes of a packet (`src`, `dst`, `sport`, `dport`) of the protocol, in three bits. */
export function chainsTerm(chains: RandomChains, protocol: 'tcp' | 'udp'): string {
  const from = (index: number): Then => {
    const base = BASES[index];
    if (base === undefined) return () => leafVector(LEAVES.accept);
    const next = from(index + 1);
    const policy = base === 'first' || base === 'second' ? chains.policies[base] : 'accept';
    const fall: Then = policy === 'accept' ? next : () => leafVector(LEAVES.drop);
    return (now) => chainTerm(chains, base, protocol, now, next, fall);
  };
  return from(0)({ mark: 0, dst: 'dst', dport: 'dport' });
}

function chainTerm(
  chains: RandomChains,
  name: keyof Omit<RandomChains, 'policies'>,
  protocol: string,
  start: Terms,
  accept: Then,
  fall: Then,
): string {
  const rules = chains[name];
  const from = (index: number, now: Terms): string => {
    const rule = rules[index];
    if (rule === undefined) return fall(now);
    const next: Then = (then) => from(index + 1, then);
    if (rule.protocol !== protocol || (rule.mark !== undefined && rule.mark !== now.mark)) return next(now);
    const marked = { ...now, mark: rule.setMark ?? now.mark };
    const take = (verdict: RandomVerdict): string => {
      if (verdict === 'accept') return accept(marked);
      if (verdict === 'return') return fall(marked);
      if (typeof verdict === 'string') return leafVector(LEAVES[verdict]);
      const { to, back } = verdict;
      return chainTerm(chains, to as 'a', protocol, marked, accept, back ? next : fall);
    };
    const inside = (): string => {
      if (rule.dnat !== undefined) {
        const { address, port } = rule.dnat;
        const dport = port === undefined ? marked.dport : number(port, 16);
        return accept({ ...marked, dst: number(address, 32), dport });
      }
      if (rule.map !== undefined)
        return rule.map.reduceRight(
          (rest, [port, verdict]) => `(ite (= ${now.dport} ${number(port, 16)}) ${take(verdict)} ${rest})`,
          next(marked),
        );
      return rule.verdict === undefined ? next(marked) : take(rule.verdict);
    };
    const terms = [
      ...(rule.src === undefined
        ? []
        : [rule.srcIs === 'not in' ? `(not ${within('src', rule.src, 32)})` : within('src', rule.src, 32)]),
      ...(rule.dst === undefined ? [] : [within(now.dst, [rule.dst], 32)]),
      ...(rule.dport === undefined ? [] : [within(now.dport, [rule.dport], 16)]),
    ];
    return terms.length === 0 ? inside() : `(ite (and ${terms.join(' ')} true) ${inside()} ${next(now)})`;
  };
  return from(0, start);
}

function within(term: string, intervals: readonly (readonly [number, number])[], bits: number): string {
  const isIn = ([first, last]: readonly [number, number]): string =>
    `(and (bvuge ${term} ${number(first, bits)}) (bvule ${term} ${number(last, bits)}))`;
  return `(or ${intervals.map(isIn).join(' ')} false)`;
}
