// Many intervals on one line, the earlier ones winning where they overlap → disjoint pieces.
import type { Interval } from '@moat/netfilter';

export interface Piece<T> {
  readonly interval: Interval<bigint>;
  readonly owner: T;
}

/**
 * Cuts overlapping pieces so that each point belongs to the first in the list that holds it. Neighbouring
 * pieces of one `label` come out as one. A sweep over the ends with the open ones in order: n log n for nested
 * and scattered intervals alike.
 */
export function firstWins<T>(pieces: readonly Piece<T>[], label: (owner: T) => string): Piece<T>[] {
  const ends = pieces.flatMap(({ interval }, index) => [
    { at: interval.first, index, opens: true },
    { at: interval.last + 1n, index, opens: false },
  ]);
  ends.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  const open = openPieces();
  const cut: Piece<T>[] = [];
  let from = 0n;
  for (let i = 0; i < ends.length; ) {
    const { at } = ends[i]!;
    const winner = open.first();
    if (winner !== undefined && from < at)
      append(cut, { first: from, last: at - 1n }, pieces[winner]!.owner, label);
    for (; i < ends.length && ends[i]!.at === at; i++) {
      if (ends[i]!.opens) open.add(ends[i]!.index);
      else open.remove(ends[i]!.index);
    }
    from = at;
  }
  return cut;
}

function append<T>(cut: Piece<T>[], interval: Interval<bigint>, owner: T, label: (owner: T) => string): void {
  const last = cut.at(-1);
  if (
    last !== undefined &&
    last.interval.last + 1n === interval.first &&
    label(last.owner) === label(owner)
  ) {
    cut[cut.length - 1] = {
      interval: { first: last.interval.first, last: interval.last },
      owner: last.owner,
    };
  } else cut.push({ interval, owner });
}

/** The open pieces' numbers; the smallest is the winner. A binary heap with removal left for later. */
function openPieces() {
  const heap: number[] = [];
  const removed = new Set<number>();
  const swap = (a: number, b: number): void => {
    [heap[a], heap[b]] = [heap[b]!, heap[a]!];
  };
  const pop = (): void => {
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      if (left >= heap.length) return;
      const child = left + 1 < heap.length && heap[left + 1]! < heap[left]! ? left + 1 : left;
      if (heap[at]! <= heap[child]!) return;
      swap(at, child);
      at = child;
    }
  };
  return {
    add(index: number): void {
      heap.push(index);
      for (let at = heap.length - 1; at > 0; ) {
        const parent = (at - 1) >> 1;
        if (heap[parent]! <= heap[at]!) return;
        swap(parent, at);
        at = parent;
      }
    },
    remove(index: number): void {
      removed.add(index);
    },
    first(): number | undefined {
      while (heap.length > 0 && removed.has(heap[0]!)) pop();
      return heap[0];
    },
  };
}
