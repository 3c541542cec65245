// Runs of sentences of one shape, gathered so that each run becomes one nft rule with a set or verdict map.
//
//   allow 22/tcp            ┐                              tcp dport { 22, 80 } accept
//   allow 80/tcp            ┤  one block: tcp dport
//   deny from 192.0.2.0/24  ┤  may not be passed by …  →   ip saddr 192.0.2.0/24 drop
//   allow 443/tcp           ┘  … this one: it stays behind  tcp dport 443 accept
//
// A later atom joins an earlier block only past blocks that it could not have collided with: those of the
// same verdict, and those that share no packet with it. So the first match stays the first match.
import type { Verdict } from '@moat/netfilter';
import { type Atom, type Coordinate, type Shape, shapeText } from './atom.ts';
import { type PrefixIndex, prefixIndex } from './prefix-index.ts';

export interface Block {
  readonly shape: Shape;
  /** In the order of the sentences. In a block of two or more dimensions no two overlap. */
  readonly atoms: readonly Atom[];
}

interface OpenBlock {
  readonly shape: Shape;
  readonly shapeKey: string;
  readonly atoms: Atom[];
  readonly verdicts: Set<string>;
  readonly byPrefix: PrefixIndex<Atom>;
}

/** How far back an atom looks for a block to join, and how many atoms it is compared with on the way. */
const MOST_BLOCKS = 64;
const MOST_COMPARISONS = 4096;

export function blocksOf(atoms: readonly Atom[]): readonly Block[] {
  const blocks: OpenBlock[] = [];
  for (const atom of atoms) place(atom, blocks);
  return blocks;
}

function place(atom: Atom, blocks: OpenBlock[]): void {
  const shapeKey = shapeText(atom.shape);
  const verdict = verdictText(atom.verdict);
  const oldest = Math.max(0, blocks.length - MOST_BLOCKS);
  for (let i = blocks.length - 1; i >= oldest; i--) {
    const block = blocks[i]!;
    if (block.shapeKey === shapeKey) {
      const fit = fits(atom, block);
      if (fit === 'covered') return;
      if (fit === 'joins') return void join(atom, verdict, block);
    }
    if (!commutes(atom, verdict, block)) break;
  }
  const block: OpenBlock = {
    shape: atom.shape,
    shapeKey,
    atoms: [],
    verdicts: new Set(),
    byPrefix: prefixIndex(),
  };
  blocks.push(block);
  join(atom, verdict, block);
}

function join(atom: Atom, verdict: string, block: OpenBlock): void {
  block.atoms.push(atom);
  block.verdicts.add(verdict);
  const first = atom.key[0];
  if (first?.kind === 'prefix') block.byPrefix.add(first.prefix, atom);
}

function fits(atom: Atom, block: OpenBlock): 'joins' | 'covered' | 'collides' {
  // Without a key the shape says it all: the same packets again.
  if (atom.key.length === 0) return 'covered';
  // One dimension: overlaps are resolved when the block is written, in favour of the earlier.
  if (atom.key.length === 1) return 'joins';
  for (const other of candidates(atom, block)) {
    if (!keysOverlap(atom.key, other.key)) continue;
    return other.key.every((outer, i) => coordinateCovers(outer, atom.key[i]!)) ? 'covered' : 'collides';
  }
  return 'joins';
}

/** At least the atoms of the block that share a packet with this one. */
function candidates(atom: Atom, block: OpenBlock): Iterable<Atom> {
  const first = atom.key[0];
  const sameField = atom.shape.dimensions[0] === block.shape.dimensions[0];
  return sameField && first?.kind === 'prefix' && atom.shape.family === block.shape.family
    ? block.byPrefix.overlapping(first.prefix)
    : block.atoms;
}

/** Whether the order of the atom and the whole block does not matter. */
function commutes(atom: Atom, verdict: string, block: OpenBlock): boolean {
  if (block.verdicts.size === 1 && block.verdicts.has(verdict)) return true;
  if (shapesDisjoint(atom.shape, block.shape)) return true;
  const others = candidates(atom, block);
  if (others === block.atoms && block.atoms.length > MOST_COMPARISONS) return false;
  return [...others].every((other) => verdictText(other.verdict) === verdict || atomsDisjoint(atom, other));
}

function shapesDisjoint(a: Shape, b: Shape): boolean {
  const differ = <T>(x: T | undefined, y: T | undefined): boolean =>
    x !== undefined && y !== undefined && x !== y;
  const wild = (name: string | undefined): boolean => name?.endsWith('+') ?? false;
  return (
    differ(a.family, b.family) ||
    differ(a.protocol, b.protocol) ||
    (differ(a.interface, b.interface) && !wild(a.interface) && !wild(b.interface))
  );
}

function atomsDisjoint(a: Atom, b: Atom): boolean {
  return a.shape.dimensions.some((dimension, i) => {
    const j = b.shape.dimensions.indexOf(dimension);
    return j >= 0 && !coordinatesOverlap(a.key[i]!, b.key[j]!);
  });
}

function keysOverlap(a: readonly Coordinate[], b: readonly Coordinate[]): boolean {
  return a.every((coordinate, i) => coordinatesOverlap(coordinate, b[i]!));
}

function coordinatesOverlap(a: Coordinate, b: Coordinate): boolean {
  return coordinateCovers(a, b) || coordinateCovers(b, a) || portsCross(a, b);
}

function portsCross(a: Coordinate, b: Coordinate): boolean {
  return (
    a.kind === 'ports' && b.kind === 'ports' && a.ports.first <= b.ports.last && b.ports.first <= a.ports.last
  );
}

function coordinateCovers(outer: Coordinate, inner: Coordinate): boolean {
  if (outer.kind === 'ports') {
    return (
      inner.kind === 'ports' && outer.ports.first <= inner.ports.first && outer.ports.last >= inner.ports.last
    );
  }
  if (inner.kind !== 'prefix' || outer.prefix.family !== inner.prefix.family) return false;
  if (outer.prefix.length > inner.prefix.length) return false;
  const bits = outer.prefix.family === 'ipv4' ? 32 : 128;
  const shift = BigInt(bits - outer.prefix.length);
  return outer.prefix.value >> shift === inner.prefix.value >> shift;
}

export function verdictText(verdict: Verdict): string {
  return 'chain' in verdict ? `${verdict.kind} ${verdict.chain}` : verdict.kind;
}
