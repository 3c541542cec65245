// Garbage collection of diagrams: what the roots reach slides together, everything else goes.
import { type Bdd, LEAF_LEVEL, linkBuckets } from './bdd.ts';

/**
 * Keeps what `roots` reach. All node numbers change: the answer gives the new number of a kept one and -1 for one that
 * is gone. The cache of results is emptied. The arrays keep their size.
 */
export function collect(bdd: Bdd, roots: Iterable<number>): (node: number) => number {
  const { nodes, used, leaves } = bdd;
  const moved = new Int32Array(used);
  for (const root of roots) moved[root] = 1;
  // Children have smaller numbers, so one pass down marks and one pass up moves, without a stack.
  for (let node = used - 1; node >= leaves; node--) {
    if (moved[node] === 0) continue;
    moved[nodes[(node << 2) + 1]!] = 1;
    moved[nodes[(node << 2) + 2]!] = 1;
  }
  for (let leaf = 0; leaf < leaves; leaf++) moved[leaf] = leaf;
  let next = leaves;
  for (let node = leaves; node < used; node++) {
    if (moved[node] === 0) {
      moved[node] = -1;
      continue;
    }
    const from = node << 2;
    const to = next << 2;
    nodes[to] = nodes[from]!;
    nodes[to + 1] = moved[nodes[from + 1]!]!;
    nodes[to + 2] = moved[nodes[from + 2]!]!;
    moved[node] = next++;
  }
  bdd.used = next;
  bdd.kept = next;
  bdd.buckets.fill(0);
  linkBuckets(bdd);
  bdd.cache.fill(0);
  bdd.aspects.clear();
  bdd.collected += used - next;
  bdd.limit = Math.min(bdd.budget, bdd.effort - bdd.collected);
  bdd.epoch++;
  return (node) => moved[node] ?? -1;
}

/** What is wrong with the tables, for tests: nodes that are not unique, not reduced, or above their children's order. */
export function inconsistencies(bdd: Bdd): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  for (let node = 0; node < bdd.used; node++) {
    const [level, low, high] = bdd.nodes.subarray(node << 2, (node << 2) + 3) as unknown as [
      number,
      number,
      number,
    ];
    if (node < bdd.leaves) {
      if (level !== LEAF_LEVEL || low !== node || high !== node) problems.push(`leaf ${node} is damaged`);
      continue;
    }
    if (low === high) problems.push(`node ${node} decides nothing`);
    if (low >= node || high >= node) problems.push(`node ${node} is older than a child`);
    if (level >= bdd.nodes[low << 2]! || level >= bdd.nodes[high << 2]!)
      problems.push(`node ${node} is not above its children`);
    if (seen.has(`${level} ${low} ${high}`)) problems.push(`node ${node} is there twice`);
    seen.add(`${level} ${low} ${high}`);
  }
  return problems;
}
