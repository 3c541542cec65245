// From one table to another in one transaction that leaves alone what stays the same.

import type { Table } from '../model/ruleset.ts';
import type { NamedSet } from '../model/set.ts';
import { canonicalLines } from './canonical.ts';
import { renderValue } from './nft-expression.ts';
import { renderChain, renderReplacement, renderSet } from './nft-text.ts';

/**
 * The nft text that turns `current`, as the kernel lists it, into `wanted`. Sets and chains that say the same
 * in both are not mentioned, so their elements, counters and timeouts survive; a set whose members change gets
 * only the difference. Where that cannot be said (no table yet, a base chain that hooks elsewhere, a set of
 * another type, a table that is dormant) the whole table is replaced. undefined: nothing is to be done.
 */
export function renderChange(wanted: Table, current: Table | undefined): string | undefined {
  if (current === undefined || current.dormant !== wanted.dormant) return renderReplacement(wanted);
  const before = canonicalLines(current);
  const after = canonicalLines(wanted);
  const changed = (object: string): boolean =>
    (before.get(object) ?? []).join('\n') !== (after.get(object) ?? []).join('\n');
  const oldChains = new Map(current.chains.map((chain) => [chain.name, chain]));
  const oldSets = new Map(current.sets.map((set) => [set.name, set]));
  const rebased = wanted.chains.some(({ name, base }) => {
    const old = oldChains.get(name);
    return old !== undefined && JSON.stringify(old.base) !== JSON.stringify(base);
  });
  const retyped = wanted.sets.some((set) => {
    const old = oldSets.get(set.name);
    return old !== undefined && changed(`set ${set.name}`) && !sameDeclaration(set, old);
  });
  if (rebased || retyped) return renderReplacement(wanted);

  const id = `${wanted.family} ${wanted.name}`;
  const newSets = wanted.sets.filter(({ name }) => !oldSets.has(name));
  const changedSets = wanted.sets.filter(({ name }) => oldSets.has(name) && changed(`set ${name}`));
  const changedChains = wanted.chains.filter(({ name }) => changed(`chain ${name}`));
  const goneChains = current.chains.filter(({ name }) => !after.has(`chain ${name}`));
  const goneSets = current.sets.filter(({ name }) => !after.has(`set ${name}`));
  const flushed = [...changedChains.filter(({ name }) => oldChains.has(name)), ...goneChains];
  // Chains are declared empty first, so that a rule may jump to one that comes later.
  const declared = changedChains.filter(({ name }) => !oldChains.has(name));
  const lines = [
    ...block(id, [
      ...newSets.map(renderSet),
      ...declared.map((chain) => renderChain({ ...chain, rules: [] })),
    ]),
    ...flushed.map(({ name }) => `flush chain ${id} ${name}`),
    ...changedSets.flatMap((set) => elementChanges(id, set, oldSets.get(set.name)!)),
    ...block(id, changedChains.map(withoutBase)),
    ...goneChains.map(({ name }) => `delete chain ${id} ${name}`),
    ...goneSets.map(({ name }) => `delete set ${id} ${name}`),
  ];
  return lines.length === 0 ? undefined : `${lines.join('\n')}\n`;
}

function sameDeclaration(a: NamedSet, b: NamedSet): boolean {
  return (
    a.type.join() === b.type.join() &&
    a.interval === b.interval &&
    a.dynamic === b.dynamic &&
    a.timeout === b.timeout &&
    a.timeouts === b.timeouts &&
    a.size === b.size
  );
}

function block(id: string, objects: readonly string[]): string[] {
  return objects.length === 0 ? [] : [`table ${id} {`, ...objects, '}'];
}

function withoutBase(chain: Table['chains'][number]): string {
  return renderChain({ name: chain.name, rules: chain.rules });
}

function elementChanges(id: string, wanted: NamedSet, current: NamedSet): string[] {
  const texts = (set: NamedSet): Set<string> =>
    new Set(set.elements.map((element) => renderValue(element, false)));
  const before = texts(current);
  const after = texts(wanted);
  const gone = [...before].filter((element) => !after.has(element));
  const added = [...after].filter((element) => !before.has(element));
  return [
    ...(gone.length > 0 ? [`delete element ${id} ${wanted.name} { ${gone.join(', ')} }`] : []),
    ...(added.length > 0 ? [`add element ${id} ${wanted.name} { ${added.join(', ')} }`] : []),
  ];
}
