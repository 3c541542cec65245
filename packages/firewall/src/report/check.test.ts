// What is odd about rules: those that never decide anything, and which hide them; ports that are open in one family only.
import { hostOf, type Ruleset, readIptablesSave, readSnapshot, snapshotRuleset } from '@moat/netfilter';
import { describe, expect, test } from 'vitest';
import { checkRules } from './check.ts';

const dump = (chains: readonly string[], ...rules: readonly string[]): Ruleset =>
  readIptablesSave(['*filter', ':INPUT DROP [0:0]', ...chains, ...rules, 'COMMIT', ''].join('\n')).ruleset;

const rules = (...lines: readonly string[]): Ruleset => dump([], ...lines);

describe('rules', () => {
  test('one that is hidden is told with the rule that hides it', () => {
    const { rules: found } = checkRules({
      ruleset: rules(
        '-A INPUT -p tcp -m tcp --dport 1000:2000 -j REJECT',
        '-A INPUT -p tcp -m tcp --dport 1234 -j ACCEPT',
        '-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT',
      ),
    });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      kind: 'hidden',
      rule: { place: 'ip filter INPUT rule 2', owner: 'iptables (by hand)' },
      by: [{ place: 'ip filter INPUT rule 1' }],
      families: ['ipv4'],
    });
  });

  test('one that two others hide together is told with both', () => {
    const { rules: found } = checkRules({
      ruleset: rules(
        '-A INPUT -s 10.0.0.0/9 -j DROP',
        '-A INPUT -s 10.128.0.0/9 -j DROP',
        '-A INPUT -s 10.1.2.0/24 -j REJECT',
        '-A INPUT -s 10.0.0.0/8 -p udp -j ACCEPT',
      ),
    });
    expect(found.map(({ rule, by }) => [rule.rule, by.map((each) => each.rule)])).toEqual([
      [3, [1]],
      [4, [1, 2]],
    ]);
  });

  test('conditions that exclude each other are a contradiction', () => {
    const { rules: found } = checkRules({
      ruleset: rules('-A INPUT -p tcp -m tcp --dport 80 -m tcp ! --dport 80 -j ACCEPT', '-A INPUT -j ACCEPT'),
    });
    expect(found).toMatchObject([{ kind: 'contradiction', rule: { rule: 1 }, by: [] }]);
  });

  test('what decides as the policy would makes no difference', () => {
    const { rules: found } = checkRules({
      ruleset: rules('-A INPUT -i lo -j ACCEPT', '-A INPUT -p udp -j DROP'),
    });
    expect(found).toMatchObject([{ kind: 'no difference', rule: { rule: 2 }, by: [] }]);
  });

  test('rules that each decide something are not told', () => {
    const sound = rules('-A INPUT -s 10.1.0.0/16 -j DROP', '-A INPUT -s 10.0.0.0/8 -j ACCEPT');
    expect(checkRules({ ruleset: sound })).toEqual({
      rules: [],
      scaffolding: 0,
      oneFamily: [],
      tooLarge: [],
    });
  });

  test('what programs keep ready is counted, and told with `all`', () => {
    const ruleset = dump(
      [':ufw-user-input - [0:0]', ':ufw-before-input - [0:0]'],
      '-A INPUT -j ufw-before-input',
      '-A INPUT -j ufw-user-input',
      '-A ufw-before-input -i lo -j ACCEPT',
    );
    expect(checkRules({ ruleset })).toMatchObject({ rules: [], scaffolding: 1 });
    expect(checkRules({ ruleset }, { all: true })).toMatchObject({
      rules: [{ kind: 'no difference', rule: { rule: 2, owner: 'ufw' } }],
      scaffolding: 0,
    });
  });
});

/** A machine with an address in both families and a web server, behind these rules. */
function machine(iptables: string, ip6tables: string) {
  const link = (name: string, index: number, addresses: readonly (readonly [string, number])[]) => ({
    ...{ name, index, loopback: name === 'lo', up: true, group: 0 },
    addresses: addresses.map(([address, prefixLength]) => ({
      family: address.includes(':') ? 'ipv6' : 'ipv4',
      ...{ address, prefixLength },
    })),
  });
  const route = (family: string, destination: string, device: string, table: number) => ({
    ...{ family, table, type: table === 255 ? 'local' : 'unicast', destination },
    nextHops: [{ device }],
  });
  const { snapshot, problems } = readSnapshot({
    ...{
      format: 'moat-snapshot',
      version: 1,
      taken: '2026-01-01T00:00:00Z',
      hostname: 'server',
      kernel: '6.1.0',
    },
    consistent: true,
    rulesets: { iptables, ip6tables },
    links: [
      link('lo', 1, [
        ['127.0.0.1', 8],
        ['::1', 128],
      ]),
      link('eth0', 2, [
        ['203.0.113.130', 25],
        ['2001:db8:5::10', 64],
      ]),
    ],
    routes: [
      route('ipv4', '203.0.113.130', 'eth0', 255),
      route('ipv6', '2001:db8:5::10', 'eth0', 255),
      route('ipv4', '0.0.0.0/0', 'eth0', 254),
      route('ipv6', '::/0', 'eth0', 254),
    ],
    rules: ['ipv4', 'ipv6'].flatMap((family) => [
      { family, priority: 0, action: 'lookup', table: 255 },
      { family, priority: 32766, action: 'lookup', table: 254 },
    ]),
    sysctls: {},
    sockets: [80, 8080].map((port) => ({
      ...{ protocol: 'tcp', families: ['ipv4', 'ipv6'], address: '::', port, uid: 0 },
      processes: [{ pid: 1, name: 'apache2', args: ['apache2'] }],
    })),
    ...{ containers: [], networks: [], bypasses: [], missing: [] },
  });
  if (snapshot === undefined) throw new Error(JSON.stringify(problems));
  return { ruleset: snapshotRuleset(snapshot).ruleset, host: hostOf(snapshot), snapshot };
}

describe('ports that are open in one family only', () => {
  const filter = (...lines: readonly string[]): string =>
    ['*filter', ':INPUT DROP [0:0]', ...lines, 'COMMIT', ''].join('\n');
  const WEB = '-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT';

  test('are told where something answers', () => {
    const both = machine(filter(WEB), filter());
    expect(checkRules(both).oneFamily).toEqual([{ proto: 'tcp', ports: '80', openIn: 'ipv4' }]);
    const other = machine(filter(WEB), filter(WEB, '-A INPUT -p tcp -m tcp --dport 8080 -j ACCEPT'));
    expect(checkRules(other).oneFamily).toEqual([{ proto: 'tcp', ports: '8080', openIn: 'ipv6' }]);
  });

  test('are none where the families agree, or nothing answers', () => {
    expect(checkRules(machine(filter(WEB), filter(WEB))).oneFamily).toEqual([]);
    const silent = filter(WEB, '-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT');
    expect(checkRules(machine(silent, filter(WEB))).oneFamily).toEqual([]);
  });

  test('cannot be told of a dump alone', () => {
    const { ruleset } = machine(filter(WEB), filter());
    expect(checkRules({ ruleset }).oneFamily).toEqual([]);
  });
});
