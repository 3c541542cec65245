// First match by rectangles: an implementation of its own, against which packet sets are judged. Slow and obvious.

/** Closed interval of integers in each dimension. */
export type Rectangle = readonly (readonly [first: bigint, last: bigint])[];

export interface RectangleRule {
  readonly box: Rectangle;
  readonly leaf: number;
}

/** The packets of `a` that are in `b`, or undefined. */
export function overlapOf(a: Rectangle, b: Rectangle): Rectangle | undefined {
  const both = a.map(([first, last], i): [bigint, bigint] => {
    const edges: [bigint, bigint] = [first, last];
    if (b[i]![0] > first) edges[0] = b[i]![0];
    if (b[i]![1] < last) edges[1] = b[i]![1];
    return edges;
  });
  return both.every(([first, last]) => first <= last) ? both : undefined;
}

/** The packets of `a` that are not in `b`, as disjoint rectangles: two slices a dimension. */
export function without(a: Rectangle, b: Rectangle): Rectangle[] {
  const both = overlapOf(a, b);
  if (both === undefined) return [a];
  const pieces: Rectangle[] = [];
  let rest = a;
  for (const [i, [first, last]] of both.entries()) {
    const [from, to] = rest[i]!;
    const slice = (one: readonly [bigint, bigint]): Rectangle =>
      rest.map((each, at) => (at === i ? one : each));
    if (from < first) pieces.push(slice([from, first - 1n]));
    if (last < to) pieces.push(slice([last + 1n, to]));
    rest = slice([first, last]);
  }
  return pieces;
}

/** Disjoint rectangles that together are everything, each with the leaf of the first rule that holds there. */
export function firstMatchRectangles(
  universe: Rectangle,
  rules: readonly RectangleRule[],
  otherwise: number,
): RectangleRule[] {
  const decided: RectangleRule[] = [];
  let open: Rectangle[] = [universe];
  for (const { box, leaf } of rules) {
    for (const each of open) {
      const hit = overlapOf(each, box);
      if (hit !== undefined) decided.push({ box: hit, leaf });
    }
    open = open.flatMap((each) => without(each, box));
  }
  return [...decided, ...open.map((box) => ({ box, leaf: otherwise }))];
}

export function volumeOf(box: Rectangle): bigint {
  return box.reduce((product, [first, last]) => product * (last - first + 1n), 1n);
}
