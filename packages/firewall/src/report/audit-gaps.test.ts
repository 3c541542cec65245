import type { BaseChain, Rule, Ruleset } from '@moat/netfilter';
import { expect, test } from 'vitest';
import { differentElsewhere, judgesElsewhere } from './audit-gaps.ts';

const DROP: Rule = { statements: [{ kind: 'verdict', verdict: { kind: 'drop' } }] };

const rules = (
  family: 'netdev' | 'bridge' | 'inet',
  base: Pick<BaseChain, 'hook' | 'policy'> & Partial<BaseChain>,
  drops: readonly Rule[] = [],
  dormant?: true,
): Ruleset => ({
  tables: [
    {
      ...{ family, name: 't', sets: [], ...(dormant === undefined ? {} : { dormant }) },
      chains: [{ name: 'c', base: { type: 'filter', priority: 0, ...base }, rules: drops }],
    },
  ],
});

test('what drops at an interface or in a bridge is told, by its rules or by its policy', () => {
  const told = (ruleset: Ruleset): boolean => judgesElsewhere({ ruleset, snapshot: undefined }).length > 0;
  expect(told(rules('netdev', { hook: 'ingress', policy: 'accept' }, [DROP]))).toBe(true);
  expect(told(rules('netdev', { hook: 'ingress', policy: 'drop' }))).toBe(true);
  expect(told(rules('netdev', { hook: 'egress', policy: 'drop' }))).toBe(true);
  expect(told(rules('inet', { hook: 'ingress', policy: 'accept' }, [DROP]))).toBe(true);
  expect(told(rules('bridge', { hook: 'forward', policy: 'drop' }))).toBe(true);
  expect(told(rules('netdev', { hook: 'ingress', policy: 'accept' }))).toBe(false);
  expect(told(rules('netdev', { hook: 'ingress', policy: 'drop' }, [DROP], true))).toBe(false);
  expect(told(rules('inet', { hook: 'input', policy: 'drop' }, [DROP]))).toBe(false);
});

test('where nothing is compared, it is told that there is a difference', () => {
  const ingress = (devices: readonly string[], drops: readonly Rule[] = [DROP]): Ruleset =>
    rules('netdev', { hook: 'ingress', policy: 'accept', devices }, drops);
  const names = (before: Ruleset, after: Ruleset): string[] =>
    differentElsewhere(before, after).map(({ what }) => what);
  expect(names({ tables: [] }, ingress(['eth0']))).toEqual(['table netdev t']);
  expect(names(ingress(['eth0']), { tables: [] })).toEqual(['table netdev t']);
  expect(names(ingress(['eth0']), ingress(['eth1']))).toEqual(['table netdev t']);
  expect(names(ingress(['eth0']), ingress(['eth0'], [DROP, DROP]))).toEqual(['table netdev t']);
  expect(names(ingress(['eth0']), ingress(['eth0']))).toEqual([]);
});

test('maps of addresses and what has counted make no difference by themselves', () => {
  const [table] = rules('inet', { hook: 'ingress', policy: 'accept' }, [DROP]).tables;
  const key = (value: bigint) => ({ kind: 'address' as const, address: { family: 'ipv4' as const, value } });
  const withParts = (address: bigint, packets: number): Ruleset => ({
    tables: [
      {
        ...table!,
        maps: [
          {
            ...{ kind: 'verdicts', name: 'm', type: ['ipv4_addr'], interval: false, dynamic: false },
            entries: [{ key: key(address), verdict: { kind: 'drop' } }],
          },
        ],
        objects: [{ type: 'counter', name: 'c', settings: { name: 'c', packets, handle: packets } }],
      },
    ],
  });
  expect(differentElsewhere(withParts(1n, 0), withParts(1n, 7))).toEqual([]);
  expect(differentElsewhere(withParts(1n, 0), withParts(2n, 0))).toHaveLength(1);
});
