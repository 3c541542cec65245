import { describe, expect, test } from 'vitest';
import type { Ruleset, Table } from '../model/ruleset.ts';
import { readIptablesSave } from '../read/iptables-save.ts';
import { calledChains, type Owner, ownerOfChain, ownerOfRule, ownerOfTable } from './owner.ts';

const UFW_AND_DOCKER = `
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:ufw-before-input - [0:0]
:ufw-before-forward - [0:0]
:f2b-sshd - [0:0]
-A INPUT -p tcp -m multiport --dports 25,465 -m set --match-set f2b-postfix src -j REJECT
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A INPUT -j ufw-before-input
-A INPUT -i docker0 -p tcp -m tcp --dport 5432 -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -o backend -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i backend -o backend -j ACCEPT
-A FORWARD -j ufw-before-forward
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-USER -s 192.0.2.9/32 -j DROP
-A DOCKER-USER -p tcp -j f2b-sshd
-A DOCKER-USER -j RETURN
-A ufw-before-input -i lo -j ACCEPT
-A f2b-sshd -s 203.0.113.6/32 -j REJECT --reject-with icmp-port-unreachable
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -p tcp -m tcp --dport 81 -j DNAT --to-destination 172.17.0.2:80
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A POSTROUTING -o eth0 -m comment --comment "wg-quick(8) rule for wg0" -j MASQUERADE
-A POSTROUTING -o eth1 -j MASQUERADE
COMMIT
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -d 172.18.0.2/32 ! -i backend -j DROP
-A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8080 -j DROP
COMMIT
`;

const SHOREWALL = `
*filter
:INPUT DROP [0:0]
:net-fw - [0:0]
:shorewall - [0:0]
:DOCKER - [0:0]
-A INPUT -i eth0 -j net-fw
-A INPUT -j DROP
-A net-fw -p tcp -m tcp --dport 22 -j ACCEPT
-A DOCKER -j RETURN
COMMIT
*mangle
:FORWARD ACCEPT [0:0]
-A FORWARD -j MARK --set-xmark 0x0/0xff
COMMIT
`;

function read(text: string): Ruleset {
  return readIptablesSave(text).ruleset;
}

/** `OWNER CERTAINTY: the rule`, a line for each rule. */
function ownersOf(ruleset: Ruleset): readonly string[] {
  return ruleset.tables.flatMap((table) =>
    table.chains.flatMap((chain) =>
      chain.rules.map((rule) => {
        const { name, certainty } = ownerOfRule(ruleset, table, chain, rule);
        return `${name} ${certainty}: ${table.name} ${String(rule.origin?.raw).slice(3)}`;
      }),
    ),
  );
}

const named = (name: string, chains: Table['chains'] = []): Ruleset => ({
  tables: [{ family: 'inet', name, sets: [], chains, source: 'nft' }],
});

test('a rule in a chain that is shared belongs to whom its target, its set, its comment or its shape names', () => {
  expect(ownersOf(read(UFW_AND_DOCKER))).toMatchInlineSnapshot(`
    [
      "fail2ban certain: filter INPUT -p tcp -m multiport --dports 25,465 -m set --match-set f2b-postfix src -j REJECT",
      "fail2ban certain: filter INPUT -p tcp -m multiport --dports 22 -j f2b-sshd",
      "ufw certain: filter INPUT -j ufw-before-input",
      "iptables (by hand) guess: filter INPUT -i docker0 -p tcp -m tcp --dport 5432 -j ACCEPT",
      "docker certain: filter FORWARD -j DOCKER-USER",
      "docker certain: filter FORWARD -o docker0 -j DOCKER",
      "docker certain: filter FORWARD -o backend -j DOCKER",
      "docker likely: filter FORWARD -i docker0 ! -o docker0 -j ACCEPT",
      "docker likely: filter FORWARD -i backend -o backend -j ACCEPT",
      "ufw certain: filter FORWARD -j ufw-before-forward",
      "docker certain: filter DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT",
      "iptables (by hand) guess: filter DOCKER-USER -s 192.0.2.9/32 -j DROP",
      "fail2ban certain: filter DOCKER-USER -p tcp -j f2b-sshd",
      "docker likely: filter DOCKER-USER -j RETURN",
      "ufw certain: filter ufw-before-input -i lo -j ACCEPT",
      "fail2ban certain: filter f2b-sshd -s 203.0.113.6/32 -j REJECT --reject-with icmp-port-unreachable",
      "docker certain: nat PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
      "iptables (by hand) guess: nat PREROUTING -p tcp -m tcp --dport 81 -j DNAT --to-destination 172.17.0.2:80",
      "docker likely: nat POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
      "docker likely: nat POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE",
      "wireguard (wg-quick) certain: nat POSTROUTING -o eth0 -m comment --comment "wg-quick(8) rule for wg0" -j MASQUERADE",
      "iptables (by hand) guess: nat POSTROUTING -o eth1 -j MASQUERADE",
      "docker likely: raw PREROUTING -d 172.18.0.2/32 ! -i backend -j DROP",
      "docker likely: raw PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8080 -j DROP",
    ]
  `);
});

test('a manager owns the tables of its family, but for the chains with the name of another', () => {
  expect(ownersOf(read(SHOREWALL))).toMatchInlineSnapshot(`
    [
      "shorewall likely: filter INPUT -i eth0 -j net-fw",
      "shorewall likely: filter INPUT -j DROP",
      "shorewall likely: filter net-fw -p tcp -m tcp --dport 22 -j ACCEPT",
      "docker certain: filter DOCKER -j RETURN",
      "shorewall likely: mangle FORWARD -j MARK --set-xmark 0x0/0xff",
    ]
  `);
  const other = read(SHOREWALL.replace(':shorewall - [0:0]\n', ''));
  expect(ownersOf(other)).toContain('iptables (by hand) guess: filter INPUT -j DROP');
});

test('a chain without a name belongs to those who call it', () => {
  const ruleset = read(`
*filter
:INPUT ACCEPT [0:0]
:mine - [0:0]
:both - [0:0]
:ufw-user-input - [0:0]
-A INPUT -j both
-A ufw-user-input -j mine
-A ufw-user-input -j both
-A mine -j ACCEPT
-A both -j ACCEPT
COMMIT
`);
  const table = ruleset.tables[0]!;
  const chain = (name: string): Owner =>
    ownerOfChain(ruleset, table, table.chains.find((each) => each.name === name)!);
  expect(chain('mine')).toEqual({ name: 'ufw', certainty: 'likely', sign: 'chain ufw-user-input' });
  expect(chain('both').name).toBe('iptables (by hand)');
  expect(chain('INPUT')).toEqual({ name: 'iptables (by hand)', certainty: 'guess' });
  expect(ownerOfTable(ruleset, table).name).toBe('ufw');
});

test('chains that call each other in a circle end as nobody’s', () => {
  const ruleset = read('*filter\n:a - [0:0]\n:b - [0:0]\n-A a -j b\n-A b -j a\nCOMMIT\n');
  const table = ruleset.tables[0]!;
  expect(table.chains.map((chain) => ownerOfChain(ruleset, table, chain).certainty)).toEqual([
    'guess',
    'guess',
  ]);
});

describe.each([
  ['moat', 'moat'],
  ['firewalld', 'firewalld'],
  ['f2b-table', 'fail2ban'],
  ['lxd', 'lxd'],
  ['netavark', 'podman'],
  ['filter', 'nftables (by hand)'],
])('table inet %s', (name, owner) => {
  test(`with all that is in it is ${owner}'s`, () => {
    const rule = { statements: [{ kind: 'verdict', verdict: { kind: 'drop' } }] } as const;
    const chain = { name: 'INPUT', rules: [rule] } as const;
    const ruleset = named(name, [chain]);
    const table = ruleset.tables[0]!;
    expect(ownerOfTable(ruleset, table).name).toBe(owner);
    expect(ownerOfChain(ruleset, table, chain).name).toBe(owner);
    expect(ownerOfRule(ruleset, table, chain, rule).name).toBe(owner);
  });
});

test('interfaces of containers in a table of one’s own say nothing', () => {
  const rule = {
    statements: [
      {
        kind: 'match',
        operator: '==',
        left: { kind: 'meta', key: 'iifname' },
        right: { kind: 'symbol', name: 'docker0' },
      },
    ],
  } as const;
  const base = { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' } as const;
  const chain = { name: 'forward', base, rules: [rule] } as const;
  const ruleset = named('mine', [chain]);
  expect(ownerOfRule(ruleset, ruleset.tables[0]!, chain, rule).name).toBe('nftables (by hand)');
});

test('the chains that a verdict map calls are found', () => {
  const rule = {
    statements: [
      { kind: 'vmap', key: { kind: 'meta', key: 'iifname' }, map: { kind: 'named', name: 'ways' } },
      { kind: 'verdict', verdict: { kind: 'goto', chain: 'last' } },
    ],
  } as const;
  const entry = (name: string, chain: string) =>
    ({ key: { kind: 'symbol', name }, verdict: { kind: 'jump', chain } }) as const;
  const table: Table = {
    family: 'inet',
    name: 't',
    sets: [],
    chains: [],
    maps: [
      {
        kind: 'verdicts',
        name: 'ways',
        type: ['ifname'],
        interval: false,
        dynamic: false,
        entries: [entry('eth0', 'first'), entry('eth1', 'second'), entry('eth2', 'first')],
      },
    ],
  };
  expect(calledChains(rule, table)).toEqual(['first', 'second', 'last']);
});
