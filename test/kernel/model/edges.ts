// Edges: the values at which rules change their mind, by field of the packet.
import type { IpFamily, Ruleset } from '@moat/netfilter';
import { readingOf } from '../../../packages/netfilter/src/semantics/reading.ts';
import { valueInterval } from '../../../packages/netfilter/src/semantics/value-numbers.ts';
import { comparisonsOf } from '../../../packages/netfilter/src/symbolic/comparisons.ts';

/** For one family: field → values inside of what rules compare it with, at its ends, and next to them. */
export type Edges = {
  readonly numbers: ReadonlyMap<string, readonly bigint[]>;
  /** Names of interfaces, with a name or two for each pattern. */
  readonly iif: readonly string[];
  readonly oif: readonly string[];
};

/** The kernel's limit is 15 bytes (IFNAMSIZ). */
const NAME = /^[\w.@-]{1,15}$/;

export function edgesOf(ruleset: Ruleset, family: IpFamily): Edges {
  const numbers = new Map<string, Set<bigint>>();
  const names = { iif: new Set<string>(), oif: new Set<string>() };
  for (const { of, values } of comparisonsOf(ruleset)) {
    const reading = readingOf(of, { family, hook: 'forward', early: false });
    if (reading.kind === 'name' && (reading.field === 'iif' || reading.field === 'oif')) {
      for (const value of values)
        if (value.kind === 'symbol') for (const name of matching(value.name)) names[reading.field].add(name);
      continue;
    }
    const at = reading.kind === 'number' ? reading : undefined;
    // Whose socket a packet is from, rules can ask only where it leaves.
    const field = at?.field ?? (of.kind === 'meta' ? { skuid: 'uid', skgid: 'gid' }[of.key] : undefined);
    if (field === undefined) continue;
    const top = (1n << BigInt(at?.of ?? 32)) - 1n;
    const low = BigInt(at?.low ?? 0);
    const found = numbers.get(field) ?? new Set();
    numbers.set(field, found);
    for (const value of values) {
      const interval = valueInterval(value, of);
      if (interval === undefined || interval === 'any') continue;
      const { first, last } = interval;
      for (const each of [first - 1n, first, (first + last) / 2n, last, last + 1n])
        if (each >= 0n && each << low <= top) found.add(each << low);
    }
  }
  return {
    numbers: new Map(Array.from(numbers, ([field, found]) => [field, [...found]])),
    iif: [...names.iif],
    oif: [...names.oif],
  };
}

/** `eth*`: `eth0` and `eth`; names that no interface can have are left out. */
function matching(pattern: string): string[] {
  if (pattern === '*') return [];
  const start = pattern.slice(0, -1);
  const found = pattern.endsWith('*') ? [`${start}0`, start] : [pattern];
  return found.filter((name) => NAME.test(name) && name !== '.' && name !== '..' && name !== 'all');
}
