import { expect, test } from 'vitest';
import type { Snapshot, SnapshotRulesets } from '../model/snapshot.ts';
import { snapshotRuleset } from './snapshot-ruleset.ts';

const snapshot = (rulesets: SnapshotRulesets): Snapshot => ({
  format: 'moat-snapshot',
  version: 1,
  taken: '2026-01-02T03:04:05.000Z',
  hostname: 'db',
  kernel: '6.1.0',
  consistent: true,
  rulesets,
  missing: [],
});

const save = (rule: string) => `*filter\n:INPUT DROP [0:0]\n${rule}\nCOMMIT\n`;

/** As nft lists `-A INPUT -m conntrack --ctstate NEW -j ACCEPT`. */
const nft = {
  nftables: [
    { metainfo: { json_schema_version: 1 } },
    { table: { family: 'ip', name: 'filter', handle: 1 } },
    {
      chain: {
        family: 'ip',
        table: 'filter',
        name: 'INPUT',
        handle: 1,
        type: 'filter',
        hook: 'input',
        prio: 0,
        policy: 'drop',
      },
    },
    {
      rule: {
        family: 'ip',
        table: 'filter',
        chain: 'INPUT',
        handle: 2,
        expr: [
          { xt: { type: 'match', name: 'conntrack' } },
          { counter: { packets: 1, bytes: 40 } },
          { accept: null },
        ],
      },
    },
    { table: { family: 'inet', name: 'own', handle: 2 } },
  ],
};

test('tables of nft, of both backends of iptables and ipsets come together', () => {
  const { ruleset, problems } = snapshotRuleset(
    snapshot({
      nft,
      iptables: save('-A INPUT -m conntrack --ctstate NEW -j ACCEPT'),
      iptablesLegacy: save('[3:9] -A INPUT -p tcp -j DROP'),
      ip6tablesLegacy: save('-A INPUT -j DROP'),
      ipset: 'create bad hash:ip family inet\nadd bad 192.0.2.9\n',
    }),
  );
  expect(problems).toEqual([]);
  expect(ruleset.tables.map(({ family, name, source }) => [family, name, source])).toEqual([
    ['ip', 'filter', 'iptables-nft'],
    ['inet', 'own', 'nft'],
    ['ip', 'filter', 'iptables-legacy'],
    ['ip6', 'filter', 'iptables-legacy'],
  ]);
  const [rule] = ruleset.tables[0]!.chains[0]!.rules;
  expect(rule?.statements.map(({ kind }) => kind)).toEqual(['match', 'counter', 'verdict']);
  expect(rule?.origin).toMatchObject({ handle: 2, line: 3 });
  expect(ruleset.ipsets?.map(({ name, entries }) => [name, entries.length])).toEqual([['bad', 1]]);
});

test('two listings that do not agree leave the rule unknown and are a problem', () => {
  const { ruleset, problems } = snapshotRuleset(
    snapshot({ nft, iptables: save('-A INPUT -p tcp -j ACCEPT') }),
  );
  expect(problems).toMatchObject([{ in: 'nft', message: expect.stringContaining('ip filter INPUT') }]);
  expect(ruleset.tables[0]!.chains[0]!.rules[0]!.statements[0]?.kind).toBe('unknown');
});

test('a line that is no rule is a problem with its number; ipsets that nobody looked for are absent', () => {
  const { ruleset, problems } = snapshotRuleset(snapshot({ ip6tables: save('nonsense') }));
  expect(problems).toEqual([{ in: 'ip6tables-save', message: 'line 3: neither a chain nor a rule' }]);
  expect(ruleset.tables.map(({ family, source }) => [family, source])).toEqual([['ip6', 'iptables-nft']]);
  expect('ipsets' in ruleset).toBe(false);
});

test('a table that iptables-save cannot print is what nft lists of it, and a problem only where nft lists none', () => {
  const iptables = "# Table `filter' is incompatible, use 'nft' tool.\n";
  const { ruleset, problems } = snapshotRuleset(snapshot({ nft, iptables }));
  expect(problems).toEqual([]);
  // What only iptables-save could have told is not understood.
  const [rule] = ruleset.tables[0]!.chains[0]!.rules;
  expect(rule?.statements.map(({ kind }) => kind)).toEqual(['unknown', 'counter', 'verdict']);
  const message = 'line 1: the table filter has rules that iptables-save cannot print';
  expect(snapshotRuleset(snapshot({ iptables })).problems).toEqual([{ in: 'iptables-save', message }]);
  const none = { nftables: [{ table: { family: 'ip6', name: 'filter', handle: 1 } }] };
  expect(snapshotRuleset(snapshot({ nft: none, iptables })).problems).toHaveLength(1);
});
