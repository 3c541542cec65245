import { type Ruleset, readIptablesSave } from '@moat/netfilter';
import { describe, expect, test } from 'vitest';
import { ownerNamed, ownersIn, shownRules } from './rules.ts';
import { rulesText } from './rules-text.ts';

// Of a machine with Docker 20.10, one published port and ufw, as `iptables-save -c` printed it; shortened.
const DOCKER_AND_UFW = `
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
:ufw-after-input - [0:0]
:ufw-before-forward - [0:0]
:ufw-before-input - [0:0]
:ufw-logging-allow - [0:0]
:ufw-skip-to-policy-input - [0:0]
:ufw-track-input - [0:0]
:ufw-user-input - [0:0]
[1204:96320] -A INPUT -j ufw-before-input
[17:1020] -A INPUT -j ufw-after-input
[9:540] -A INPUT -j ufw-track-input
[1234567:1931190000] -A FORWARD -j DOCKER-USER
[1234567:1931190000] -A FORWARD -j DOCKER-ISOLATION-STAGE-1
[40:2400] -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
[6:360] -A FORWARD -o docker0 -j DOCKER
[30:1800] -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
[0:0] -A FORWARD -i docker0 -o docker0 -j ACCEPT
[0:0] -A FORWARD -j ufw-before-forward
[6:360] -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
[30:1800] -A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
[70:4200] -A DOCKER-ISOLATION-STAGE-1 -j RETURN
[0:0] -A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
[30:1800] -A DOCKER-ISOLATION-STAGE-2 -j RETURN
[3:180] -A DOCKER-USER -s 192.0.2.9/32 -j DROP
[70:4200] -A DOCKER-USER -j RETURN
[5:300] -A ufw-after-input -p udp -m udp --dport 137 -j ufw-skip-to-policy-input
[3:180] -A ufw-after-input -p udp -m udp --dport 138 -j ufw-skip-to-policy-input
[0:0] -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
[900:72000] -A ufw-before-input -i lo -j ACCEPT
[280:23000] -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
[24:1320] -A ufw-before-input -j ufw-user-input
[0:0] -A ufw-logging-allow -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW ALLOW] "
[8:480] -A ufw-skip-to-policy-input -j DROP
[7:420] -A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
[12:720] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
[2:120] -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
[3:180] -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
[0:0] -A DOCKER -i docker0 -j RETURN
[6:360] -A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80
COMMIT
`;

function read(text: string): Ruleset {
  return readIptablesSave(text).ruleset;
}

const plain = (text: string): string => text;

test('all rules in hook order, each once, with those whom they call below', () => {
  expect(rulesText(shownRules(read(DOCKER_AND_UFW)), plain)).toMatchInlineSnapshot(`
    "prerouting −100 (before routing, where destinations are rewritten)

      table ip nat, chain PREROUTING, of docker, policy accept
        PACKETS      BYTES  OWNER               RULE
             12      720 B  docker              to an address of this host → go on in chain DOCKER
              0        0 B  docker                arriving on docker0 → go back to the calling chain
              6      360 B  docker                tcp to port 80 but not arriving on docker0 → send to 172.17.0.2 port 80 (DNAT)

    input 0 (to this host itself, where most filters are)

      table ip filter, chain INPUT, of ufw, policy drop
        PACKETS      BYTES  OWNER               RULE
          1,204   94.1 KiB  ufw                 everything → go on in chain ufw-before-input
            900   70.3 KiB  ufw                   arriving on lo → accept
            280   22.5 KiB  ufw                   established or related connections → accept
             24    1.3 KiB  ufw                   everything → go on in chain ufw-user-input
              7      420 B  ufw                     tcp to port 22 → accept
             17     1020 B  ufw                 everything → go on in chain ufw-after-input
              5      300 B  ufw                   udp to port 137 → go on in chain ufw-skip-to-policy-input
              8      480 B  ufw                     everything → drop
              3      180 B  ufw                   udp to port 138 → go on in chain ufw-skip-to-policy-input (see above)
              9      540 B  ufw                 everything → go on in chain ufw-track-input (no rules)

    forward 0 (through this host to others, where most filters are)

      table ip filter, chain FORWARD, policy drop
        PACKETS      BYTES  OWNER               RULE
      1,234,567    1.8 GiB  docker              everything → go on in chain DOCKER-USER
              3      180 B  iptables (by hand)    from 192.0.2.9 → drop
             70    4.1 KiB  docker                everything → go back to the calling chain
      1,234,567    1.8 GiB  docker              everything → go on in chain DOCKER-ISOLATION-STAGE-1
             30    1.8 KiB  docker                arriving on docker0 but not leaving by docker0 → go on in chain DOCKER-ISOLATION-STAGE-2
              0        0 B  docker                  leaving by docker0 → drop
             30    1.8 KiB  docker                  everything → go back to the calling chain
             70    4.1 KiB  docker                everything → go back to the calling chain
             40    2.3 KiB  docker              leaving by docker0, established or related connections → accept
              6      360 B  docker              leaving by docker0 → go on in chain DOCKER
              6      360 B  docker                tcp to 172.17.0.2 port 80 leaving by docker0 but not arriving on docker0 → accept
             30    1.8 KiB  docker              arriving on docker0 but not leaving by docker0 → accept
              0        0 B  docker              arriving on docker0 leaving by docker0 → accept
              0        0 B  ufw                 everything → go on in chain ufw-before-forward
              0        0 B  ufw                   established or related connections → accept

    output −100 (from this host itself, where destinations are rewritten)

      table ip nat, chain OUTPUT, of docker, policy accept
        PACKETS      BYTES  OWNER               RULE
              2      120 B  docker              to an address of this host but not to 127.0.0.0/8 → go on in chain DOCKER (see above)

    output 0 (from this host itself, where most filters are)

      table ip filter, chain OUTPUT, policy accept, no rules

    postrouting 100 (after routing, on the way out, where sources are rewritten)

      table ip nat, chain POSTROUTING, of docker, policy accept
        PACKETS      BYTES  OWNER               RULE
              3      180 B  docker              from 172.17.0.0/16 but not leaving by docker0 → rewrite the source to this host's address (masquerade)

    Chains that nothing calls

      table ip filter, chain ufw-logging-allow, of ufw
        PACKETS      BYTES  OWNER               RULE
              0        0 B  ufw                 at most 3 a minute (10 at once) → log with "[UFW ALLOW] ""
  `);
});

test("one owner's rules, and of others only what leads to them", () => {
  const ruleset = read(DOCKER_AND_UFW);
  expect(rulesText(shownRules(ruleset, 'docker'), plain)).toMatchInlineSnapshot(`
    "prerouting −100 (before routing, where destinations are rewritten)

      table ip nat, chain PREROUTING, of docker, policy accept
        PACKETS      BYTES  OWNER   RULE
             12      720 B  docker  to an address of this host → go on in chain DOCKER
              0        0 B  docker    arriving on docker0 → go back to the calling chain
              6      360 B  docker    tcp to port 80 but not arriving on docker0 → send to 172.17.0.2 port 80 (DNAT)

    forward 0 (through this host to others, where most filters are)

      table ip filter, chain FORWARD, policy drop
        PACKETS      BYTES  OWNER   RULE
      1,234,567    1.8 GiB  docker  everything → go on in chain DOCKER-USER
             70    4.1 KiB  docker    everything → go back to the calling chain
      1,234,567    1.8 GiB  docker  everything → go on in chain DOCKER-ISOLATION-STAGE-1
             30    1.8 KiB  docker    arriving on docker0 but not leaving by docker0 → go on in chain DOCKER-ISOLATION-STAGE-2
              0        0 B  docker      leaving by docker0 → drop
             30    1.8 KiB  docker      everything → go back to the calling chain
             70    4.1 KiB  docker    everything → go back to the calling chain
             40    2.3 KiB  docker  leaving by docker0, established or related connections → accept
              6      360 B  docker  leaving by docker0 → go on in chain DOCKER
              6      360 B  docker    tcp to 172.17.0.2 port 80 leaving by docker0 but not arriving on docker0 → accept
             30    1.8 KiB  docker  arriving on docker0 but not leaving by docker0 → accept
              0        0 B  docker  arriving on docker0 leaving by docker0 → accept

    output −100 (from this host itself, where destinations are rewritten)

      table ip nat, chain OUTPUT, of docker, policy accept
        PACKETS      BYTES  OWNER   RULE
              2      120 B  docker  to an address of this host but not to 127.0.0.0/8 → go on in chain DOCKER (see above)

    postrouting 100 (after routing, on the way out, where sources are rewritten)

      table ip nat, chain POSTROUTING, of docker, policy accept
        PACKETS      BYTES  OWNER   RULE
              3      180 B  docker  from 172.17.0.0/16 but not leaving by docker0 → rewrite the source to this host's address (masquerade)"
  `);
  expect(rulesText(shownRules(ruleset, 'iptables (by hand)'), plain)).toMatchInlineSnapshot(`
    "forward 0 (through this host to others, where most filters are)

      table ip filter, chain FORWARD, policy drop
        PACKETS      BYTES  OWNER               RULE
      1,234,567    1.8 GiB  docker              everything → go on in chain DOCKER-USER
              3      180 B  iptables (by hand)    from 192.0.2.9 → drop"
  `);
});

test('several chains that one rule calls have their names before them', () => {
  const entry = (port: number, chain: string) =>
    ({ key: { kind: 'number', value: port }, verdict: { kind: 'jump', chain } }) as const;
  const drop = { statements: [{ kind: 'verdict', verdict: { kind: 'drop' } }] } as const;
  const ruleset: Ruleset = {
    tables: [
      {
        family: 'inet',
        name: 'mine',
        sets: [],
        source: 'nft',
        dormant: true,
        chains: [
          {
            name: 'in',
            base: { type: 'filter', hook: 'input', priority: 0, policy: 'drop' },
            rules: [
              {
                statements: [
                  {
                    kind: 'vmap',
                    key: { kind: 'payload', protocol: 'tcp', field: 'dport' },
                    map: { kind: 'entries', entries: [entry(22, 'ssh'), entry(80, 'web')] },
                  },
                ],
              },
            ],
          },
          { name: 'ssh', rules: [drop] },
          { name: 'web', rules: [] },
        ],
      },
    ],
  };
  expect(rulesText(shownRules(ruleset), plain)).toMatchInlineSnapshot(`
    "input 0 (to this host itself, where most filters are)

      table inet mine, chain in, policy drop, dormant: the kernel does not call it
        PACKETS      BYTES  OWNER               RULE
              -          -  nftables (by hand)  everything → by tcp destination port: 22 → go on in chain ssh; 80 → go on in chain web
                                                  chain ssh:
              -          -  nftables (by hand)      everything → drop
                                                  chain web: no rules"
  `);
});

describe('an owner', () => {
  const owners = ownersIn(read(DOCKER_AND_UFW));

  test('is whoever has rules', () => {
    expect(owners).toEqual(['docker', 'iptables (by hand)', 'ufw']);
  });

  test.each([
    ['docker', 'docker'],
    ['DOCKER', 'docker'],
    ['iptables', 'iptables (by hand)'],
    ['podman', undefined],
    ['', undefined],
  ])('%s is %s', (word, owner) => {
    expect(ownerNamed(word, owners)).toBe(owner);
  });
});

test('chains that call each other in a circle are told once', () => {
  const shown = shownRules(read('*filter\n:a - [0:0]\n:b - [0:0]\n-A a -j b\n-A b -j a\nCOMMIT\n'));
  expect(rulesText(shown, plain)).toContain('go on in chain a (see above)');
});

test('nothing is nothing', () => {
  expect(rulesText(shownRules({ tables: [] }), plain)).toBe('');
});
