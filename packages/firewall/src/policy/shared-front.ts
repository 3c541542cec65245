// How many rules two policies begin with in common: what a command leaves alone, found without spelling it out.
import type { IntervalSet, Prefix } from '@moat/netfilter';
import type { Endpoint, Group, Policy, RuleSentence } from './model.ts';

/** The length of the common front; 0 where the groups differ, since then equal words may mean different things. */
export function sharedFront(a: Policy, b: Policy): number {
  if (!sameGroups(a.groups, b.groups)) return 0;
  const least = Math.min(a.rules.length, b.rules.length);
  let front = 0;
  while (front < least && sameRule(a.rules[front]!, b.rules[front]!)) front++;
  return front;
}

function sameRule(a: RuleSentence, b: RuleSentence): boolean {
  return (
    a.action === b.action &&
    a.direction === b.direction &&
    a.interface === b.interface &&
    a.protocol === b.protocol &&
    a.until === b.until &&
    sameEndpoint(a.from, b.from) &&
    sameEndpoint(a.to, b.to)
  );
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return samePorts(a.ports, b.ports) && sameAddress(a.address, b.address);
}

function sameAddress(a: Endpoint['address'], b: Endpoint['address']): boolean {
  if (a.kind === 'prefix') return b.kind === 'prefix' && samePrefix(a.prefix, b.prefix);
  if (a.kind === 'group') return b.kind === 'group' && a.name === b.name;
  return b.kind === 'any';
}

function samePrefix(a: Prefix, b: Prefix): boolean {
  return a.family === b.family && a.length === b.length && a.value === b.value;
}

function samePorts(a: IntervalSet<number> | undefined, b: IntervalSet<number> | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.length === b.length && a.every(({ first, last }, i) => first === b[i]!.first && last === b[i]!.last)
  );
}

function sameGroups(a: ReadonlyMap<string, Group>, b: ReadonlyMap<string, Group>): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  return [...a].every(([name, { members }]) => {
    const others = b.get(name)?.members;
    return others?.length === members.length && members.every((member, i) => samePrefix(member, others[i]!));
  });
}
