// Decision diagrams over typed arrays: the nodes, the table that makes each of them unique, growth and its end.

/**
 * A diagram is the number of its topmost node. Numbers below `leaves` are leaves that stand for themselves: 0 and 1 are
 * false and true, the others are whatever the caller decides (a verdict, a route). Equal functions are equal numbers.
 *
 * A node's children have smaller numbers than itself. Numbers hold until the next `collect`.
 */
export interface Bdd {
  /** How many numbers are leaves. */
  readonly leaves: number;
  /** How many nodes there may be at once, and how many may be made in all. */
  readonly budget: number;
  readonly effort: number;
  /** How many nodes there may be until the next collection, so that neither is exceeded. */
  limit: number;
  /** Four numbers a node: level, low, high, next node of the same bucket. */
  nodes: Int32Array;
  /** Nodes in use, leaves included. */
  used: number;
  /** First node of each bucket, or 0. */
  buckets: Int32Array;
  /** Four numbers an entry: three operands and the result. An entry of zeros is free. */
  cache: Int32Array;
  /** The last tag given to an operation that has its own entries in the cache; tags are negative. */
  tag: number;
  /** Nodes that the last collection kept. */
  kept: number;
  /** Nodes that are gone again. */
  collected: number;
  /** Counts collections. */
  epoch: number;
  /** For walks over a diagram: by node the number of the last walk that saw it. Empty until the first one. */
  seen: Int32Array;
  /** The number of the last walk. */
  walks: number;
  /** Of large diagrams, by their node; until the next collection. */
  readonly aspects: Map<number, Aspects>;
}

/** What a diagram looks at, and what it comes to; both ascending. */
export interface Aspects {
  readonly levels: readonly number[];
  readonly leaves: readonly number[];
}

/** The level of leaves, below that of any variable. Level 0 is the topmost variable. */
export const LEAF_LEVEL = 0x7fff_ffff;

/** Half a megabyte of nodes. Most rulesets never need more, and to grow there from less takes as long as their analysis. */
const FIRST_CAPACITY = 1 << 15;
const LARGEST_CACHE = 1 << 21;

/**
 * Thrown in the middle of an operation when the budget (nodes at once) or the effort (nodes made in all) is used up;
 * `inSomeOrder` turns it into a result.
 */
export class TooLarge extends Error {
  readonly exceeded: 'budget' | 'effort';
  constructor(exceeded: 'budget' | 'effort', nodes: number) {
    super(`the packet sets need more than ${nodes} nodes${exceeded === 'effort' ? ' in all' : ''}`);
    this.name = 'TooLarge';
    this.exceeded = exceeded;
  }
}

export interface BddOptions {
  /** How many different leaves there may be: 0 to this number less one. Default 16. */
  readonly leaves?: number;
  /** Nodes at once before TooLarge; 24 bytes each and up to 64 MB of tables. Default 8,000,000. */
  readonly budget?: number;
  /** Nodes made in all before TooLarge, collected ones too: a measure of time, a million or two a second. Default none. */
  readonly effort?: number;
}

/** An empty manager. */
export function createBdd(options: BddOptions = {}): Bdd {
  const { leaves = 16, budget = 8_000_000, effort = Number.MAX_SAFE_INTEGER } = options;
  let capacity = 1 << 12;
  while (capacity < leaves * 2 || capacity < Math.min(budget, FIRST_CAPACITY)) capacity *= 2;
  const nodes = new Int32Array(capacity * 4);
  for (let leaf = 0; leaf < leaves; leaf++) {
    nodes[leaf * 4] = LEAF_LEVEL;
    nodes[leaf * 4 + 1] = leaf;
    nodes[leaf * 4 + 2] = leaf;
  }
  return {
    leaves,
    budget,
    effort,
    limit: Math.min(budget, effort),
    nodes,
    used: leaves,
    buckets: new Int32Array(capacity),
    cache: new Int32Array(capacity * 4),
    tag: 0,
    kept: leaves,
    collected: 0,
    epoch: 0,
    seen: new Int32Array(0),
    walks: 0,
    aspects: new Map(),
  };
}

/** LEAF_LEVEL for a leaf. */
export function levelOf(bdd: Bdd, node: number): number {
  return bdd.nodes[node << 2]!;
}

/** What is left when the node's variable is 0; a leaf is its own. */
export function lowOf(bdd: Bdd, node: number): number {
  return bdd.nodes[(node << 2) + 1]!;
}

/** What is left when the node's variable is 1; a leaf is its own. */
export function highOf(bdd: Bdd, node: number): number {
  return bdd.nodes[(node << 2) + 2]!;
}

/** Mixes three numbers into 32 bits. The low bits are good enough for a mask. */
function hash(a: number, b: number, c: number): number {
  let mixed = Math.imul(a, 0x9e37_79b1) ^ Math.imul(b, 0x85eb_ca77) ^ Math.imul(c, 0xc2b2_ae3d);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x2c1b_3c6d);
  return mixed ^ (mixed >>> 13);
}

/**
 * The node "if the variable of `level` then `high` else `low`". Both children must be of deeper levels.
 * Throws TooLarge.
 */
export function makeNode(bdd: Bdd, level: number, low: number, high: number): number {
  if (low === high) return low;
  const mixed = hash(level, low, high);
  const { nodes, buckets } = bdd;
  let bucket = mixed & (buckets.length - 1);
  for (let node = buckets[bucket]!; node !== 0; node = nodes[(node << 2) + 3]!) {
    const at = node << 2;
    if (nodes[at + 1] === low && nodes[at + 2] === high && nodes[at] === level) return node;
  }
  if (bdd.used << 2 === nodes.length || bdd.used >= bdd.limit) {
    grow(bdd);
    bucket = mixed & (bdd.buckets.length - 1);
  }
  const node = bdd.used++;
  const at = node << 2;
  bdd.nodes[at] = level;
  bdd.nodes[at + 1] = low;
  bdd.nodes[at + 2] = high;
  bdd.nodes[at + 3] = bdd.buckets[bucket]!;
  bdd.buckets[bucket] = node;
  return node;
}

/** Twice the room. */
function grow(bdd: Bdd): void {
  if (bdd.used >= bdd.budget) throw new TooLarge('budget', bdd.budget);
  if (bdd.used >= bdd.limit) throw new TooLarge('effort', bdd.effort);
  const capacity = (bdd.nodes.length >> 2) * 2;
  const nodes = new Int32Array(capacity * 4);
  nodes.set(bdd.nodes);
  bdd.nodes = nodes;
  bdd.buckets = new Int32Array(capacity);
  linkBuckets(bdd);
  if (bdd.cache.length >> 2 < Math.min(capacity, LARGEST_CACHE)) enlargeCache(bdd);
}

/** Puts every node into its bucket; the buckets must be empty. */
export function linkBuckets(bdd: Bdd): void {
  const { nodes, buckets, used, leaves } = bdd;
  const mask = buckets.length - 1;
  for (let node = leaves; node < used; node++) {
    const at = node << 2;
    const bucket = hash(nodes[at]!, nodes[at + 1]!, nodes[at + 2]!) & mask;
    nodes[at + 3] = buckets[bucket]!;
    buckets[bucket] = node;
  }
}

/** The result that was remembered for these operands, or -1. */
export function recall(bdd: Bdd, a: number, b: number, c: number): number {
  const { cache } = bdd;
  const at = (hash(a, b, c) & ((cache.length >> 2) - 1)) << 2;
  return cache[at] === a && cache[at + 1] === b && cache[at + 2] === c ? cache[at + 3]! : -1;
}

/** Remembers a result in the place of whatever was there. */
export function remember(bdd: Bdd, a: number, b: number, c: number, result: number): void {
  const { cache } = bdd;
  const at = (hash(a, b, c) & ((cache.length >> 2) - 1)) << 2;
  cache[at] = a;
  cache[at + 1] = b;
  cache[at + 2] = c;
  cache[at + 3] = result;
}

/** A tag that no operation of this manager has used: the third operand of its entries in the cache. */
export function freshTag(bdd: Bdd): number {
  bdd.tag--;
  return bdd.tag;
}

function enlargeCache(bdd: Bdd): void {
  const old = bdd.cache;
  bdd.cache = new Int32Array(old.length * 2);
  for (let at = 0; at < old.length; at += 4) {
    if (old[at] === 0) continue;
    remember(bdd, old[at]!, old[at + 1]!, old[at + 2]!, old[at + 3]!);
  }
}
