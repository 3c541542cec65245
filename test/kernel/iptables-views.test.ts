import {
  type Chain,
  type IptablesReading,
  type Merged,
  mergeIptablesNft,
  type Rule,
  type Ruleset,
  readIptablesSave,
  readNftJson,
  unknownParts,
} from '@moat/netfilter';
import { describe, expect, test } from 'vitest';
import { commandOutput } from '../../lab/command.ts';
import { assertPrivateNetwork } from '../../lab/guard.ts';
import { restoreText } from './iptables-rules.ts';

assertPrivateNetwork();

type Family = 'ip' | 'ip6';

/** Loads rules into a network namespace of their own and gives what the programs say of them there. */
async function listed(family: Family, backend: 'nft' | 'legacy', more = ':'): Promise<readonly string[]> {
  const tool = `${family}tables-${backend}`;
  const script = [
    'set -e',
    `${tool}-restore`,
    more,
    `${tool}-save`,
    'echo @@@',
    backend === 'nft' ? 'nft --json list ruleset' : ':',
  ].join('\n');
  const output = await commandOutput('unshare', ['--net', 'sh', '-c', script], {
    input: restoreText(family),
  });
  return output.split('@@@');
}

interface Views {
  readonly native: Ruleset;
  readonly saved: IptablesReading;
  readonly merged: Merged;
}

async function views(family: Family, more?: string): Promise<Views> {
  const [lines = '', json = ''] = await listed(family, 'nft', more);
  const native = readNftJson(JSON.parse(json));
  const saved = readIptablesSave(lines);
  return { native, saved, merged: mergeIptablesNft(native, [saved]) };
}

function rulesOf(ruleset: Ruleset): readonly Rule[] {
  return ruleset.tables.flatMap(({ chains }) => chains.flatMap(({ rules }) => rules));
}

/** A chain of the table filter. */
function chainOf(ruleset: Ruleset, name: string): Chain {
  const filter = ruleset.tables.find((table) => table.name === 'filter');
  return filter!.chains.find((chain) => chain.name === name)!;
}

/** By place: `filter INPUT 3`. */
function byPlace(ruleset: Ruleset): ReadonlyMap<string, Rule> {
  return new Map(
    ruleset.tables.flatMap((table) =>
      table.chains.flatMap((chain) =>
        chain.rules.map((rule, i): [string, Rule] => [`${table.name} ${chain.name} ${i}`, rule]),
      ),
    ),
  );
}

function hasExtension(rule: Rule): boolean {
  return unknownParts(rule).some((raw) => typeof raw === 'object' && raw !== null && 'xt' in raw);
}

const conditions = (rule: Rule) => rule.statements.filter(({ kind }) => kind !== 'counter');

describe.each<Family>(['ip', 'ip6'])('the rules of %stables', (family) => {
  test('are exact out of both listings, though nft alone hides half of them', async () => {
    const { native, saved, merged } = await views(family);
    expect(merged.problems).toEqual([]);
    expect(saved.problems).toEqual([]);
    const rules = rulesOf(merged.ruleset);
    expect(rules.length).toBeGreaterThan(70);
    expect(rules.filter((rule) => unknownParts(rule).length > 0)).toEqual([]);
    expect(rulesOf(native).filter(hasExtension).length).toBeGreaterThan(40);
    expect(rules.every(({ origin }) => origin?.source === 'iptables-nft')).toBe(true);
  });

  test('mean what iptables-save alone says, where nobody else meddles', async () => {
    const { native, saved, merged } = await views(family);
    const lines = byPlace(saved.ruleset);
    const bare = byPlace(native);
    for (const [place, rule] of byPlace(merged.ruleset)) {
      const line = lines.get(place)!;
      expect(rule.origin?.raw).toBe(line.origin?.raw);
      expect(rule.comment).toBe(line.comment);
      if (hasExtension(bare.get(place)!)) expect(conditions(rule)).toEqual(line.statements);
    }
  });

  test('read the same when the legacy backend has them', async () => {
    const [legacyLines = ''] = await listed(family, 'legacy');
    const legacy = readIptablesSave(legacyLines);
    const nft = (await views(family)).saved;
    expect(legacy.problems).toEqual([]);
    const places = byPlace(legacy.ruleset);
    expect(places.size).toBe(rulesOf(nft.ruleset).length);
    for (const [place, rule] of byPlace(nft.ruleset)) {
      expect([place, places.get(place)?.statements]).toEqual([place, rule.statements]);
    }
    const sources = legacy.ruleset.tables.map(({ source }) => source);
    expect(new Set(sources)).toEqual(new Set(['iptables-legacy']));
  });
});

test('the base chains of iptables-save are those that the kernel calls', async () => {
  const { native, saved } = await views('ip');
  const bases = (ruleset: Ruleset) =>
    ruleset.tables
      .flatMap(({ name, chains }) => chains.map((chain) => [name, chain.name, chain.base] as const))
      .filter(([, , base]) => base !== undefined)
      .map((each) => JSON.stringify(each))
      .sort();
  // nft makes a base chain only where a rule or a policy needs one.
  for (const base of bases(native)) expect(bases(saved.ruleset)).toContain(base);
});

describe('a rule of nft inside a chain of iptables', () => {
  test('is read from nft where iptables-save prints something harmless', async () => {
    const { saved, merged } = await views(
      'ip',
      'nft insert rule ip filter INPUT tcp dport vmap { 1 : drop }',
    );
    const [line] = chainOf(saved.ruleset, 'INPUT').rules;
    expect(line?.origin?.raw).toBe('-A INPUT -p tcp');
    expect(chainOf(merged.ruleset, 'INPUT').rules[0]?.statements).toEqual([
      {
        kind: 'vmap',
        key: { kind: 'payload', protocol: 'tcp', field: 'dport' },
        map: {
          kind: 'entries',
          entries: [{ key: { kind: 'number', value: 1 }, verdict: { kind: 'drop' } }],
        },
      },
    ]);
    // The rules behind it are still in step.
    expect(rulesOf(merged.ruleset).filter((rule) => unknownParts(rule).length > 0)).toEqual([]);
  });

  test('makes the extensions beside it unknown where iptables-save refuses the table', async () => {
    const { saved, merged } = await views('ip', 'nft add rule ip filter USER ct state established accept');
    expect(saved.problems).toMatchObject([{ message: expect.stringContaining('filter') }]);
    const filter = merged.ruleset.tables.find(({ name }) => name === 'filter')!;
    const rules = filter.chains.flatMap((chain) => chain.rules);
    expect(rules.filter(hasExtension).length).toBeGreaterThan(30);
    const added = chainOf(merged.ruleset, 'USER').rules[0]!;
    expect(unknownParts(added)).toEqual([]);
    expect(conditions(added)).toHaveLength(2);
  });
});
