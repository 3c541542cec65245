import { describe, expect, test } from 'vitest';
import { unknownParts } from '../model/certainty.ts';
import type { Rule } from '../model/ruleset.ts';
import type { Statement } from '../model/statement.ts';
import { renderRule } from '../render/nft-text.ts';
import { readIptablesSave } from './iptables-save.ts';

/** The rules of a filter table with the chains INPUT and USER. */
function rules(lines: string, family: 'ip' | 'ip6' = 'ip'): readonly Rule[] {
  const text = `*filter\n:INPUT ACCEPT [0:0]\n:USER - [0:0]\n${lines}\nCOMMIT\n`;
  const { ruleset, problems } = readIptablesSave(text, { family });
  expect(problems).toEqual([]);
  return ruleset.tables[0]!.chains[0]!.rules;
}

function statements(words: string, family: 'ip' | 'ip6' = 'ip'): readonly Statement[] {
  return rules(`-A INPUT ${words}`, family)[0]!.statements;
}

describe('what both can say reads as nft says it', () => {
  test.each<[string, string]>([
    ['-s 192.0.2.1/32 -j ACCEPT', 'ip saddr 192.0.2.1 accept'],
    ['-s 192.0.2.0/255.255.255.0 -j DROP', 'ip saddr 192.0.2.0/24 drop'],
    ['-s 10.0.1.0/255.0.255.0 -j DROP', 'ip saddr & 255.0.255.0 10.0.1.0 drop'],
    ['-s 192.0.2.1,192.0.2.2 -j DROP', 'ip saddr { 192.0.2.1, 192.0.2.2 } drop'],
    ['-s 0.0.0.0/0 -j ACCEPT', 'accept'],
    ['! -s 192.0.2.0/24 ! -i eth+ -j DROP', 'ip saddr != 192.0.2.0/24 iifname != "eth*" drop'],
    ['-s ! 192.0.2.0/24 -i ! eth0 -j DROP', 'ip saddr != 192.0.2.0/24 iifname != "eth0" drop'],
    ['-i + -o br+ -j DROP', 'oifname "br*" drop'],
    ['-p tcp --dport 22 -j ACCEPT', 'meta l4proto tcp tcp dport 22 accept'],
    ['-p 17 -m udp --sport 53:60 -j ACCEPT', 'meta l4proto udp udp sport 53-60 accept'],
    ['-p tcp --destination-port :1023 -j DROP', 'meta l4proto tcp tcp dport 0-1023 drop'],
    ['-p tcp --dport ssh -j ACCEPT', 'meta l4proto tcp tcp dport 22 accept'],
    ['-p tcp ! --dport 22 -j DROP', 'meta l4proto tcp tcp dport != 22 drop'],
    ['-p tcp --dport ! 22 -j DROP', 'meta l4proto tcp tcp dport != 22 drop'],
    ['! -p tcp -j DROP', 'meta l4proto != tcp drop'],
    ['-p all -j DROP', 'drop'],
    ['-p 89 -j DROP', 'meta l4proto 89 drop'],
    ['-p 200 -j DROP', 'meta l4proto 200 drop'],
    ['-p tcp --syn -j DROP', 'meta l4proto tcp tcp flags & (fin|syn|rst|ack) == syn drop'],
    [
      '-p tcp -m tcp --tcp-flags ALL FIN,URG,PSH -j DROP',
      'meta l4proto tcp tcp flags & (fin|syn|rst|psh|ack|urg) == fin|psh|urg drop',
    ],
    ['-p tcp -m multiport --dports 22,80:90 -j ACCEPT', 'meta l4proto tcp th dport { 22, 80-90 } accept'],
    ['-p icmp --icmp-type ping -j ACCEPT', 'meta l4proto icmp icmp type echo-request accept'],
    [
      '-p icmp -m icmp --icmp-type 3/4 -j ACCEPT',
      'meta l4proto icmp icmp type destination-unreachable icmp code frag-needed accept',
    ],
    ['-p icmp -m icmp --icmp-type any -j ACCEPT', 'meta l4proto icmp accept'],
    ['-f -j DROP', 'ip frag-off & 8191 != 0 drop'],
    ['-m ttl --ttl-lt 5 -j DROP', 'ip ttl < 5 drop'],
    ['-m mac --mac-source 00:00:5E:00:53:01 -j DROP', 'ether saddr 00:00:5e:00:53:01 drop'],
    ['-m iprange ! --src-range 192.0.2.1-192.0.2.9 -j DROP', 'ip saddr != 192.0.2.1-192.0.2.9 drop'],
    ['-m dscp --dscp 0x0a -j DROP', 'ip dscp af11 drop'],
    ['-m tos --tos 0x10/0x3f -j DROP', '@nh,8,8 & 63 16 drop'],
    ['-m length --length 1:500 -j DROP', 'meta length 1-500 drop'],
    ['-m pkttype --pkt-type unicast -j DROP', 'meta pkttype host drop'],
    ['-m state --state NEW -j ACCEPT', 'ct state new accept'],
    ['-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT', 'ct state established,related accept'],
    ['-m conntrack ! --ctstate INVALID -j ACCEPT', 'ct state ! invalid accept'],
    ['-m conntrack --ctstate DNAT -j ACCEPT', 'ct status dnat accept'],
    ['-m conntrack --ctstatus SEEN_REPLY,ASSURED -j DROP', 'ct status seen-reply,assured drop'],
    [
      '-m conntrack --ctproto 17 --ctorigdst 192.0.2.1 --ctorigdstport 53 -j ACCEPT',
      'ct original protocol udp ct original ip daddr 192.0.2.1 ct original proto-dst 53 accept',
    ],
    ['-m conntrack --ctstatus NONE -j DROP', 'ct status 0 drop'],
    ['-m conntrack ! --ctstatus NONE -j DROP', 'ct status ! 0 drop'],
    ['-m conntrack --ctdir REPLY -j DROP', 'ct direction reply drop'],
    ['-m helper --helper ftp -j ACCEPT', 'ct helper ftp accept'],
    ['-m mark --mark 0x1/0xff -j DROP', 'meta mark & 255 1 drop'],
    ['-m mark ! --mark 5 -j DROP', 'meta mark != 5 drop'],
    ['-m connmark --mark 0x10/0xffffffff -j DROP', 'ct mark 16 drop'],
    ['-m addrtype --dst-type LOCAL -j DROP', 'fib daddr type local drop'],
    [
      '-m addrtype ! --src-type LOCAL,MULTICAST --limit-iface-in -j DROP',
      'fib saddr . iif type != { local, multicast } drop',
    ],
    ['-m rpfilter --invert -j DROP', 'fib saddr . iif oif missing drop'],
    ['-m rpfilter --loose --validmark -j DROP', 'fib saddr . mark oif exists drop'],
    ['-m owner --uid-owner 1000-1005 --gid-owner 7 -j DROP', 'meta skuid 1000-1005 meta skgid 7 drop'],
    ['-m limit --limit 3/min -j ACCEPT', 'limit rate 3/minute burst 5 packets accept'],
    ['-m limit --limit 10/sec --limit-burst 20', 'limit rate 10/second burst 20 packets'],
    ['-m devgroup --src-group 0x2 -j DROP', 'meta iifgroup 2 drop'],
    ['-p esp -m esp --espspi 1:5 -j DROP', 'meta l4proto esp esp spi 1-5 drop'],
    ['-m comment --comment "two words" -j RETURN', 'return comment "two words"'],
    ['-g USER', 'goto USER'],
    ['-j USER', 'jump USER'],
    ['-p tcp', 'meta l4proto tcp'],
    ['-j REJECT', 'reject with icmp port-unreachable'],
    ['-j REJECT --reject-with icmp-host-prohibited', 'reject with icmp host-prohibited'],
    ['-p tcp -j REJECT --reject-with tcp-reset', 'meta l4proto tcp reject with tcp reset'],
    ['-j LOG --log-prefix "a b " --log-level 4', 'log prefix "a b "'],
    ['-j LOG --log-level debug --log-uid --log-ip-options', 'log level debug flags skuid flags ip options'],
    ['-j NFLOG --nflog-group 3 --nflog-prefix x', 'log prefix "x" group 3'],
    ['-j NFQUEUE --queue-balance 0:3 --queue-bypass', 'queue flags bypass to 0-3'],
    ['-j DNAT --to-destination 192.0.2.9:80', 'dnat to 192.0.2.9:80'],
    ['-j DNAT --to 192.0.2.1-192.0.2.9', 'dnat to 192.0.2.1-192.0.2.9'],
    ['-j DNAT --to-destination :8080-8090 --random', 'dnat to :8080-8090 random'],
    ['-j SNAT --to-source 192.0.2.1 --persistent', 'snat to 192.0.2.1 persistent'],
    ['-p tcp -j MASQUERADE --to-ports 1024-65535', 'meta l4proto tcp masquerade to :1024-65535'],
    ['-j MASQUERADE --random-fully', 'masquerade fully-random'],
    ['-p tcp -j REDIRECT --to-port 3128', 'meta l4proto tcp redirect to :3128'],
    ['-j MARK --set-xmark 0x3/0xffffffff', 'meta mark set 3'],
    ['-j MARK --set-mark 0x3/0xff', 'meta mark set (meta mark & 4294967040) | 3'],
    ['-j MARK --set-xmark 0x4000/0x0', 'meta mark set meta mark ^ 16384'],
    ['-j MARK --or-mark 0x8', 'meta mark set meta mark | 8'],
    ['-j MARK --and-mark 0xf0', 'meta mark set meta mark & 240'],
    ['-j CONNMARK --save-mark', 'ct mark set meta mark'],
    [
      '-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff',
      'meta mark set (meta mark & 4294967040) | ct mark & 255',
    ],
    ['-j CONNMARK --set-xmark 0x1/0x1', 'ct mark set ct mark | 1'],
    ['-j CT --notrack', 'notrack'],
    ['-j NOTRACK', 'notrack'],
    ['-j CT --zone 5', 'ct zone set 5'],
    ['-j CT --helper ftp', 'ct helper set ftp'],
    ['-j TCPMSS --clamp-mss-to-pmtu', 'tcp option maxseg size set rt mtu'],
    ['-j TCPMSS --set-mss 1350', 'tcp option maxseg size set 1350'],
    ['-j DSCP --set-dscp-class EF', 'ip dscp set ef'],
    ['-j TTL --ttl-set 64', 'ip ttl set 64'],
    ['-j TRACE', 'meta nftrace set 1'],
    ['-j TEE --gateway 192.0.2.9', 'dup to 192.0.2.9'],
    [
      '-j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460',
      'synproxy mss 1460 wscale 7 timestamp sack-perm',
    ],
  ])('%s', (words, text) => {
    expect(renderRule(rules(`-A INPUT ${words}`)[0]!)).toBe(text);
  });

  test.each<[string, string]>([
    ['-s 2001:db8::/32 -j DROP', 'ip6 saddr 2001:db8::/32 drop'],
    [
      '-p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT',
      'meta l4proto icmpv6 icmpv6 type nd-neighbor-solicit accept',
    ],
    [
      '-p icmpv6 --icmpv6-type 1/3 -j ACCEPT',
      'meta l4proto icmpv6 icmpv6 type destination-unreachable icmpv6 code addr-unreachable accept',
    ],
    ['-m hl --hl-eq 255 -j ACCEPT', 'ip6 hoplimit 255 accept'],
    ['-m rt --rt-type 0 -j DROP', 'rt type 0 drop'],
    ['-m frag --fragmore -j DROP', 'frag more-fragments 1 drop'],
    ['-j REJECT', 'reject with icmpv6 port-unreachable'],
    ['-j REJECT --reject-with icmp6-adm-prohibited', 'reject with icmpv6 admin-prohibited'],
    ['-j DNAT --to-destination [2001:db8::9]:80', 'dnat to [2001:db8::9]:80'],
    ['-j DNAT --to-destination 2001:db8::9', 'dnat to 2001:db8::9'],
    ['-j SNAT --to-source 2001:db8::1-2001:db8::9', 'snat to 2001:db8::1-2001:db8::9'],
  ])('%s', (words, text) => {
    expect(renderRule(rules(`-A INPUT ${words}`, 'ip6')[0]!)).toBe(text);
  });
});

describe('what nft has no words for', () => {
  test('ports on either side', () => {
    expect(statements('-p tcp -m multiport --ports 53,80')).toMatchObject([
      { kind: 'match' },
      { kind: 'or', branches: [[{ left: { field: 'sport' } }], [{ left: { field: 'dport' } }]] },
    ]);
    expect(statements('-p tcp -m multiport ! --ports 53')).toMatchObject([
      { kind: 'match' },
      { left: { field: 'sport' }, operator: '!=' },
      { left: { field: 'dport' }, operator: '!=' },
    ]);
  });

  test('states of the flow and of its NAT together', () => {
    expect(statements('-m conntrack --ctstate RELATED,ESTABLISHED,DNAT')).toMatchObject([
      {
        kind: 'or',
        branches: [
          [{ left: { key: 'state' }, operator: 'in' }],
          [{ left: { key: 'status' }, operator: 'in', right: { name: 'dnat' } }],
        ],
      },
    ]);
  });

  test('a packet without a conntrack entry is asked for its state alone', () => {
    expect(statements('-m conntrack --ctstate INVALID,NEW --ctorigdstport 53')).toMatchObject([
      { left: { key: 'state' } },
      { kind: 'or', branches: [[{ left: { key: 'state' } }], [{ left: { key: 'proto-dst' } }]] },
    ]);
    expect(statements('-m conntrack --ctstate NEW --ctorigdstport 53')).toMatchObject([
      { left: { key: 'state' } },
      { left: { key: 'proto-dst' } },
    ]);
  });

  test('a packet without a socket has no owner, and not that owner either', () => {
    expect(statements('-m owner ! --uid-owner 1000')).toMatchObject([
      {
        kind: 'or',
        branches: [
          [{ left: { kind: 'meta', key: 'socket' }, right: { value: false } }],
          [{ left: { kind: 'meta', key: 'skuid' }, operator: '!=' }],
        ],
      },
    ]);
  });

  test.each<[string, string, string]>([
    ['hashlimit', 'rate', '--hashlimit-upto 5/sec --hashlimit-mode srcip --hashlimit-name h'],
    ['recent', 'memory', '--update --seconds 60 --hitcount 4 --name seen --rsource'],
    ['statistic', 'chance', '--mode random --probability 0.5'],
    ['connlimit', 'connections', '--connlimit-above 20 --connlimit-mask 32 --connlimit-saddr'],
    ['time', 'clock', '--timestart 08:00 --timestop 17:00'],
    ['string', 'content', '--string "a b" --algo bm --to 65535'],
    ['u32', 'content', '--u32 "0x0>>0x16=0x1"'],
    ['bpf', 'content', '--bytecode "1,6 0 0 65535"'],
    ['socket', 'socket', '--transparent'],
    ['policy', 'ipsec', '--dir in --pol ipsec --reqid 3'],
  ])('%s may hold or not', (extension, reason, options) => {
    const [read] = statements(`-m ${extension} ${options} -j DROP`);
    expect(read).toMatchObject({ kind: 'free', reason, extension });
  });

  test('options are kept with their words and signs', () => {
    const [read] = statements('-m recent ! --rcheck --seconds 60 --name "my list" -j DROP');
    expect(read).toMatchObject({
      options: [
        { name: '--rcheck', negated: true, values: [] },
        { name: '--seconds', negated: false, values: ['60'] },
        { name: '--name', negated: false, values: ['my list'] },
      ],
    });
  });

  test('--proto behind -m policy is a word of policy, and the protocol of the packet before it', () => {
    expect(statements('-m policy --dir in --pol ipsec --proto esp -j ACCEPT')).toEqual([
      {
        kind: 'free',
        reason: 'ipsec',
        extension: 'policy',
        options: [
          { name: '--dir', negated: false, values: ['in'] },
          { name: '--pol', negated: false, values: ['ipsec'] },
          { name: '--proto', negated: false, values: ['esp'] },
        ],
      },
      { kind: 'verdict', verdict: { kind: 'accept' } },
    ]);
    expect(renderRule(rules('-A INPUT --proto esp -j ACCEPT')[0]!)).toBe('meta l4proto esp accept');
  });

  test('recent --set always holds', () => {
    expect(statements('-m recent --set --name seen')[0]).toMatchObject({
      kind: 'effect',
      extension: 'recent',
    });
  });

  test('an address that somebody blacked out', () => {
    expect(statements('-m mac --mac-source XX:XX:XX:XX:XX:XX -j ACCEPT')[0]).toMatchObject({
      kind: 'free',
      reason: 'redacted',
    });
  });

  test('sets of ipset', () => {
    expect(statements('-m set ! --match-set ban src,dst -j DROP')[0]).toEqual({
      kind: 'ipset',
      set: 'ban',
      directions: ['src', 'dst'],
      inverted: true,
    });
    expect(statements('-j SET --add-set ban src --exist --timeout 60')).toEqual([
      { kind: 'ipset change', operation: 'add', set: 'ban', directions: ['src'], exist: true, timeout: 60 },
    ]);
  });

  test('bridge ports', () => {
    expect(statements('-m physdev --physdev-in tap+ ! --physdev-is-bridged')).toMatchObject([
      { left: { key: 'physdev-in' }, right: { name: 'tap*' } },
      { left: { key: 'physdev-is-bridged' }, right: { kind: 'boolean', value: false } },
    ]);
  });

  test('TPROXY drops where nobody listens, else marks and accepts', () => {
    expect(statements('-p tcp -j TPROXY --on-port 5000 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1')).toMatchObject(
      [
        { kind: 'match' },
        { kind: 'tproxy', port: { value: 5000 }, missing: 'drop' },
        { kind: 'mangle', key: { key: 'mark' } },
        { kind: 'verdict', verdict: { kind: 'accept' } },
      ],
    );
  });
});

describe('what is not understood stays in its rule', () => {
  test.each<[string, string]>([
    ['-m teleport --to moon -j ACCEPT', '-m teleport'],
    ['-m conntrack --ctmood happy -j ACCEPT', '--ctmood happy'],
    ['-m conntrack --ctstate MERRY -j ACCEPT', '-m conntrack --ctstate MERRY'],
    ['-j TELEPORT --to moon', '-j TELEPORT'],
    ['-p tcp --dport nowhere -j ACCEPT', '-m tcp --dport nowhere'],
    ['-m limit --limit often -j ACCEPT', '-m limit --limit often'],
    ['-s somewhere.example -j ACCEPT', 'somewhere.example'],
    ['-j CONNMARK --set-xmark 0x1 --left-shift-mark 2', '-j CONNMARK --set-xmark 0x1 --left-shift-mark 2'],
    [
      '-j DNAT --to-destination 192.0.2.1 --to-destination 192.0.2.2',
      '-j DNAT --to-destination 192.0.2.1 --to-destination 192.0.2.2',
    ],
    ['-j ACCEPT stray', 'stray'],
    ['-j ACCEPT --dport', '--dport'],
    ['-m tcp --dport', '--dport'],
  ])('%s', (words, text) => {
    expect(unknownParts(rules(`-A INPUT ${words}`)[0]!)).toContain(text);
  });

  test('and the rest of the rule is read', () => {
    expect(statements('-s 192.0.2.1 -m teleport --to moon -p tcp -j DROP')).toMatchObject([
      { kind: 'match', left: { field: 'saddr' } },
      { kind: 'match', left: { key: 'l4proto' } },
      { kind: 'unknown' },
      { kind: 'unknown', raw: '--to moon' },
      { kind: 'verdict', verdict: { kind: 'drop' } },
    ]);
  });
});

test('a range that ends before it starts is no mistake of the reader: it holds nothing', () => {
  expect(statements('-p udp --dport 60000:29')[1]).toMatchObject({
    right: { kind: 'range', first: { value: 60000 }, last: { value: 29 } },
  });
});

describe('tables', () => {
  const TEXT = `
This is what my router said, with a table after some words:

# Generated by iptables-save v1.8.9 (nf_tables) on Mon Jan  1 00:00:00 2024
*nat \r
:PREROUTING ACCEPT [4:516]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
[12:720] -A PREROUTING -j DOCKER
COMMIT
# Completed on Mon Jan  1 00:00:00 2024
*mangle
:OUTPUT DROP [0:0]
COMMIT
*raw
:PREROUTING ACCEPT
COMMIT
*security
:INPUT ACCEPT [0:0]
COMMIT
more words
`;

  test('stand where the kernel has them', () => {
    const { ruleset, problems } = readIptablesSave(TEXT);
    expect(problems).toEqual([]);
    const bases = ruleset.tables.flatMap(({ name, chains }) =>
      chains.map((chain) => [name, chain.name, chain.base && Object.values(chain.base).join(' ')]),
    );
    expect(bases).toEqual([
      ['nat', 'PREROUTING', 'nat prerouting -100 accept'],
      ['nat', 'POSTROUTING', 'nat postrouting 100 accept'],
      ['nat', 'DOCKER', undefined],
      ['mangle', 'OUTPUT', 'route output -150 drop'],
      ['raw', 'PREROUTING', 'filter prerouting -300 accept'],
      ['security', 'INPUT', 'filter input 50 accept'],
    ]);
  });

  test('a rule has its counters before its target, and its place', () => {
    const [rule] = readIptablesSave(TEXT).ruleset.tables[0]!.chains[0]!.rules;
    expect(rule).toEqual({
      statements: [
        { kind: 'counter', packets: 12, bytes: 720 },
        { kind: 'verdict', verdict: { kind: 'jump', chain: 'DOCKER' } },
      ],
      origin: {
        source: 'iptables-nft',
        family: 'ip',
        table: 'nat',
        chain: 'PREROUTING',
        line: 9,
        raw: '[12:720] -A PREROUTING -j DOCKER',
      },
    });
  });

  test.each<[string, string, string]>([
    ['# Generated by iptables-save v1.4.21 on …', 'ip', 'iptables-legacy'],
    ['# Generated by ip6tables-save v1.8.9 on …', 'ip6', 'iptables-legacy'],
    ['# Generated by ip6tables-save v1.8.9 (nf_tables) on …', 'ip6', 'iptables-nft'],
    ['# Generated by xtables-save v1.8.2 on …', 'ip', 'iptables-nft'],
    ['', 'ip', 'iptables'],
  ])('%s', (header, family, source) => {
    const { ruleset } = readIptablesSave(`${header}\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n`);
    expect(ruleset.tables).toMatchObject([{ family, source }]);
  });

  test('both families in one text', () => {
    const part = (program: string) =>
      `# Generated by ${program} v1.8.9 on …\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n`;
    const { ruleset } = readIptablesSave(part('iptables-save') + part('ip6tables-save'));
    expect(ruleset.tables.map(({ family }) => family)).toEqual(['ip', 'ip6']);
  });

  test('commands that people write for iptables-restore', () => {
    const [one, two, three] = rules(
      '-N LATER\n-A INPUT -j LATER\n-I INPUT -j DROP\n-I INPUT 2 -p tcp -j USER\n-P INPUT DROP',
    ).map(renderRule);
    expect([one, two, three]).toEqual(['drop', 'meta l4proto tcp jump USER', 'jump LATER']);
  });

  test('a line in a table that is no rule is told', () => {
    const { problems } = readIptablesSave(
      '*filter\n:INPUT ACCEPT [0:0]\nnonsense here\n-D INPUT 1\nCOMMIT\n',
    );
    expect(problems.map(({ line, text }) => [line, text])).toEqual([
      [3, 'nonsense here'],
      [4, '-D INPUT 1'],
    ]);
  });

  test('a table that iptables-save refuses is told', () => {
    const text = "# Table `filter' is incompatible, use 'nft' tool.\n";
    expect(readIptablesSave(text).problems).toMatchObject([{ line: 1 }]);
  });
});

test('quotes and backslashes', () => {
  const [rule] = rules(String.raw`-A INPUT -m comment --comment "say \"yes\" \\ -j DROP" -j ACCEPT`);
  expect(rule?.comment).toBe(String.raw`say "yes" \ -j DROP`);
  expect(rule?.statements).toEqual([{ kind: 'verdict', verdict: { kind: 'accept' } }]);
});
