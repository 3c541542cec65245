import { describe, expect, test } from 'vitest';
import { ct, meta, operand, payload } from '../../model/expression.ts';
import type { Rule, Ruleset, Table } from '../../model/ruleset.ts';
import { match, type Statement, verdict } from '../../model/statement.ts';
import { boolean, flags, number, symbol, type Value } from '../../model/value.ts';
import { parseAddress } from '../../net/address.ts';
import { parsePrefix } from '../../net/prefix.ts';
import { readIpsetSave } from '../../read/ipset.ts';
import { readIptablesSave } from '../../read/iptables-save.ts';
import { conditionWords } from './condition.ts';
import { hookWords } from './hook.ts';
import { ruleWords } from './rule.ts';
import { verdictWords } from './verdict.ts';

/** A line of iptables-save, in words; the table has a chain `next`. */
function iptables(line: string, table = 'filter', ruleset: Partial<Ruleset> = {}): string {
  const text = `*${table}\n:INPUT DROP [0:0]\n:next - [0:0]\n-A ${/^(INPUT|next)/.test(line) ? line : `next ${line}`}\nCOMMIT\n`;
  const [read] = readIptablesSave(text, { family: line.includes('2001:') ? 'ip6' : 'ip' }).ruleset.tables;
  const rule = read!.chains.flatMap(({ rules }) => rules)[0]!;
  return ruleWords(rule, read!, ruleset.ipsets);
}

const prefix = (text: string): Value => {
  const parsed = parsePrefix(text);
  if (!('prefix' in parsed)) throw new Error(text);
  return { kind: 'prefix', prefix: parsed.prefix };
};
const address = (text: string): Value => ({ kind: 'address', address: parseAddress(text)! });

const TABLE: Table = {
  family: 'inet',
  name: 't',
  chains: [],
  sets: [
    {
      name: 'blocked',
      type: ['ipv4_addr'],
      interval: false,
      dynamic: false,
      elements: Array.from({ length: 1204 }, (_, i) => number(i)),
    },
    { name: 'seen', type: ['ipv4_addr'], interval: false, dynamic: true, elements: [] },
  ],
  maps: [
    {
      kind: 'verdicts',
      name: 'ways',
      type: ['inet_service'],
      interval: false,
      dynamic: false,
      entries: [{ key: number(22), verdict: { kind: 'accept' } }],
    },
  ],
};

const nft = (...statements: Statement[]): string => ruleWords({ statements } satisfies Rule, TABLE);
const ACCEPT = verdict({ kind: 'accept' });
const DROP = verdict({ kind: 'drop' });

describe('rules of iptables', () => {
  test.each<[string, string]>([
    ['-i eth0 -p tcp -m tcp --dport 80 -j ACCEPT', 'tcp to port 80 arriving on eth0 → accept'],
    ['-j next', 'everything → go on in chain next'],
    ['-p tcp -g next', 'tcp → go on in chain next for good'],
    ['-j RETURN', 'everything → go back to the calling chain'],
    ['INPUT -j RETURN', 'everything → leave it to the policy (drop)'],
    ['-p tcp', 'tcp → only count'],
    [
      '-d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT',
      'tcp to 172.17.0.2 port 80 leaving by docker0 but not arriving on docker0 → accept',
    ],
    ['-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT', 'established or related connections → accept'],
    ['-m conntrack --ctstate INVALID -j DROP', 'invalid packets → drop'],
    ['-p tcp -m state ! --state NEW -j DROP', 'tcp, not new connections → drop'],
    [
      '-m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "',
      'at most 3 a minute (10 at once) → log with "[UFW BLOCK] "',
    ],
    ['-m addrtype --dst-type LOCAL -j next', 'to an address of this host → go on in chain next'],
    [
      '! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j next',
      'to an address of this host but not to 127.0.0.0/8 → go on in chain next',
    ],
    ['-p icmp -m icmp --icmp-type 8 -j ACCEPT', 'icmp echo-request → accept'],
    ['-s 203.0.113.6/32 -j REJECT', 'from 203.0.113.6 → reject (icmp port-unreachable)'],
    ['-p tcp -j REJECT --reject-with tcp-reset', 'tcp → reject (tcp reset)'],
    [
      '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT',
      'tcp, with flag syn and without fin, rst or ack → accept',
    ],
    ['-p udp -m multiport --dports 53,123,5000:5010 -j ACCEPT', 'udp to port 53, 123 or 5000-5010 → accept'],
    [
      '-p tcp -m multiport --ports 22,80 -j ACCEPT',
      'tcp, either (from port 22 or 80) or (to port 22 or 80) → accept',
    ],
    ['-f -j DROP', 'later fragments → drop'],
    ['-m mark --mark 0x1/0xff -j ACCEPT', 'mark (bits 0xff) is 0x1 → accept'],
    ['-m mac --mac-source 00:00:5e:00:53:01 -j ACCEPT', 'from MAC 00:00:5e:00:53:01 → accept'],
    ['-m owner --uid-owner 1000 -j DROP', 'sent by user 1000 → drop'],
    [
      '-m recent --update --seconds 60 --hitcount 4 --name seen --rsource -j DROP',
      'source address was in list seen at least 4 times in the last 60 s, and seen again now → drop',
    ],
    ['-m recent --set --name seen --rsource', 'everything → remember the source address in list seen'],
    [
      '-p tcp -m connlimit --connlimit-above 20 -j DROP',
      'tcp, more than 20 connections from the same address → drop',
    ],
    [
      '-m hashlimit --hashlimit-above 10/sec --hashlimit-burst 20 --hashlimit-mode srcip,dstport --hashlimit-name h -j DROP',
      'more than 10 a second for each source address and destination port (20 at once) → drop',
    ],
    ['-m statistic --mode random --probability 0.5 -j DROP', 'by chance, 0.5 of all → drop'],
    ['-m string --algo bm --string "bad word" -j DROP', 'carrying the text "bad word" → drop'],
    ['-m time --timestart 08:00 --timestop 17:00 -j ACCEPT', 'from 08:00 until 17:00 (UTC) → accept'],
    ['-m policy --dir in --pol ipsec --proto esp -j ACCEPT', 'arriving by IPsec (proto esp) → accept'],
    ['-m u32 --u32 "0x0>>0x16=0x1" -j DROP', 'u32 --u32 0x0>>0x16=0x1 (what the packet carries) → drop'],
    [
      '-m rpfilter --invert -j DROP',
      'without a route back to the source by the interface it arrived on → drop',
    ],
    [
      '-m physdev --physdev-in vnet0 --physdev-is-bridged -j ACCEPT',
      'arriving on bridge port vnet0, bridged → accept',
    ],
    [
      '-j NFQUEUE --queue-num 2 --queue-bypass',
      'everything → let a program decide (queue 2, accept when none listens)',
    ],
    ['-j NFLOG --nflog-prefix x --nflog-group 3', 'everything → log with "x" to listeners of group 3'],
    [
      '-m frobnicate --level 3 -j ACCEPT',
      'UNKNOWN (not understood: -m frobnicate), UNKNOWN (not understood: --level 3) → accept',
    ],
    [
      '-p tcp -j FROBNICATE --to 3',
      'tcp, UNKNOWN (not understood: --to 3) → UNKNOWN (not understood: -j FROBNICATE)',
    ],
  ])('%s', (line, words) => {
    expect(iptables(line)).toBe(words);
  });

  test.each<[string, string]>([
    [
      '-p tcp -m tcp --dport 8080 -m addrtype --dst-type LOCAL -j DNAT --to-destination 172.17.0.2:80',
      'tcp to an address of this host port 8080 → send to 172.17.0.2 port 80 (DNAT)',
    ],
    [
      '-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE',
      "from 172.17.0.0/16 but not leaving by docker0 → rewrite the source to this host's address (masquerade)",
    ],
    [
      '-o eth2 -j SNAT --to-source 192.0.2.1-192.0.2.5 --persistent',
      'leaving by eth2 → rewrite the source to 192.0.2.1-192.0.2.5 (SNAT, persistent)',
    ],
    ['-p tcp -j REDIRECT --to-ports 3128', 'tcp → send to this host port 3128 (redirect)'],
    [
      '-d 192.0.2.0/24 -j NETMAP --to 198.51.100.0/24',
      'to 192.0.2.0/24 → rewrite the network to 198.51.100.0/24, host part kept (NETMAP)',
    ],
  ])('%s', (line, words) => {
    expect(iptables(line, 'nat')).toBe(words);
  });

  test.each<[string, string]>([
    ['-j MARK --set-mark 1', 'everything → set mark 0x1'],
    ['-j MARK --or-mark 0x4000', 'everything → add the bits 0x4000 to the mark'],
    ['-j MARK --and-mark 0xff', 'everything → keep of the mark only the bits 0xff'],
    ['-j CONNMARK --restore-mark', "everything → set the mark to the connection's mark"],
    ['-j CONNMARK --save-mark', "everything → set the connection's mark to the mark"],
    [
      '-p tcp -j TPROXY --on-port 5000 --on-ip 127.0.0.1 --tproxy-mark 0x1',
      'tcp → hand to the local program at 127.0.0.1 port 5000, drop when none listens (TPROXY), set mark 0x1, accept',
    ],
    ['-p tcp -j TCPMSS --clamp-mss-to-pmtu', 'tcp → fit the TCP segment size to the path'],
    ['-p tcp -j CT --helper ftp', 'tcp → give the connection the helper ftp'],
    ['-j CT --notrack', 'everything → do not track the connection'],
    ['-j TRACE', 'everything → trace the packet'],
    ['-p udp -j CHECKSUM --checksum-fill', 'udp → fill in the checksum'],
  ])('%s', (line, words) => {
    expect(iptables(line, 'mangle')).toBe(words);
  });

  test('sets of ipset, with their size where somebody looked', () => {
    const ipsets = readIpsetSave(
      'create f2b hash:ip family inet\nadd f2b 203.0.113.6\ncreate web hash:ip,port family inet\n',
    );
    expect(iptables('-m set --match-set f2b src -j DROP', 'filter', { ipsets })).toBe(
      'from an address in set f2b (1 entry) → drop',
    );
    expect(iptables('-m set ! --match-set web src,dst -j DROP', 'filter', { ipsets })).toBe(
      'source ip and destination port not in set web (0 entries) → drop',
    );
    expect(iptables('-m set --match-set f2b src -j DROP')).toBe(
      'from an address in set f2b (contents not known) → drop',
    );
    expect(iptables('-j SET --add-set f2b src --timeout 60')).toBe(
      'everything → put the source into set f2b for 60 s',
    );
  });
});

describe('rules of nftables', () => {
  const port = payload('tcp', 'dport');
  const source = payload('ip', 'saddr');

  test.each<[string, string]>([
    [
      nft(match(source, { kind: 'named', name: 'blocked' }), DROP),
      'IPv4 from an address in set blocked (1,204 entries) → drop',
    ],
    [
      nft(
        {
          kind: 'or',
          branches: [[match(source, prefix('10.0.0.0/8'))], [match(source, { kind: 'named', name: 'seen' })]],
        },
        DROP,
      ),
      'either (from 10.0.0.0/8) or (IPv4 from an address in set seen (filled by rules, now 0 entries)) → drop',
    ],
    // IPv6 does not get past it either.
    [nft(match(source, prefix('10.0.0.0/8'), '!='), DROP), 'IPv4 but not from 10.0.0.0/8 → drop'],
    [nft(match(payload('ip', 'protocol'), symbol('udp')), ACCEPT), 'IPv4 udp → accept'],
    [nft(match(port, number(1023), '>'), ACCEPT), 'tcp to port above 1023 → accept'],
    [
      nft(
        match(ct('state'), symbol('new'), 'in'),
        { kind: 'limit', rate: 6, per: 'minute', burst: 0, over: false },
        ACCEPT,
      ),
      'new connections, at most 6 a minute → accept',
    ],
    [
      nft(
        match(port, number(22)),
        { kind: 'log', prefix: 'ssh ' },
        { kind: 'limit', rate: 9, per: 'hour', burst: 5, over: true },
        DROP,
      ),
      'tcp to port 22 → log with "ssh "; then, if more than 9 an hour (5 at once) → drop',
    ],
    [
      nft(
        match(port, number(22)),
        {
          kind: 'dynset',
          operation: 'update',
          set: 'seen',
          element: source,
          statements: [{ kind: 'limit', rate: 6, per: 'minute', burst: 5, over: true }],
        },
        DROP,
      ),
      'tcp to port 22, more than 6 a minute (5 at once) for each source address (kept in set seen) → drop',
    ],
    [
      nft({ kind: 'dynset', operation: 'add', set: 'seen', element: source, statements: [], timeout: 60 }),
      'everything → put the source address into set seen for 60 s',
    ],
    [
      nft({
        kind: 'vmap',
        key: port,
        map: {
          kind: 'entries',
          entries: [
            { key: number(22), verdict: { kind: 'accept' } },
            { key: { kind: 'any' }, verdict: { kind: 'goto', chain: 'web' } },
          ],
        },
      }),
      'everything → by tcp destination port: 22 → accept; anything else → go on in chain web for good',
    ],
    [
      nft({ kind: 'vmap', key: port, map: { kind: 'named', name: 'ways' } }),
      'everything → do what map ways (1 entry) says for the tcp destination port',
    ],
    [
      nft(
        match(
          { kind: 'concat', parts: [source, port] },
          {
            kind: 'elements',
            elements: [
              { kind: 'concat', parts: [address('192.0.2.1'), number(22)] },
              { kind: 'concat', parts: [prefix('198.51.100.0/24'), number(80)] },
            ],
          },
        ),
        ACCEPT,
      ),
      'one of: (tcp from 192.0.2.1 to port 22) or (tcp from 198.51.100.0/24 to port 80) → accept',
    ],
    [
      nft({
        kind: 'nat',
        type: 'dnat',
        flags: [],
        address: operand({ kind: 'map', key: port, map: { kind: 'named', name: 'ways' } }),
      }),
      'everything → send to what map ways (1 entry) says for tcp destination port (DNAT)',
    ],
    [
      nft(match({ kind: 'fib', result: 'oif', flags: ['saddr', 'iif'] }, boolean(false)), DROP),
      'without a route back to the source by the interface it arrived on → drop',
    ],
    [
      nft(match(ct('state'), flags(['established', 'related']), '!'), DROP),
      'not established or related connections → drop',
    ],
    [nft(match(ct('status'), symbol('dnat'), 'in'), ACCEPT), 'destination was rewritten (NAT) → accept'],
    [nft({ kind: 'ct count', count: 20, over: true }, DROP), 'more than 20 connections → drop'],
    [nft({ kind: 'quota', bytes: 1_000_000, over: true }, DROP), 'after 1,000,000 bytes have passed → drop'],
    [nft(match(meta('skuid'), number(0), '!='), DROP), 'not sent by user 0 → drop'],
    [
      nft(match({ kind: 'numgen', mode: 'random', modulus: 2, offset: 0 }, number(1)), ACCEPT),
      'a random number from 0 to 1 is 1 → accept',
    ],
    [
      nft({
        kind: 'mangle',
        key: meta('mark'),
        value: operand({ kind: 'bits', operator: '>>', left: ct('mark'), right: number(8) }),
      }),
      "everything → set the mark to the connection's mark shifted right by 8",
    ],
    [
      nft({ kind: 'flow', flowtable: 'fast' }),
      'everything → let the rest of the connection pass by the rules (flowtable fast)',
    ],
    [
      nft({ kind: 'dup', address: address('192.0.2.1'), device: symbol('eth1') }),
      'everything → send a copy to 192.0.2.1 by eth1',
    ],
    [
      nft({ kind: 'object', type: 'counter', name: symbol('web') }, ACCEPT),
      'everything → count in counter web, accept',
    ],
    [
      nft({ kind: 'reset', option: { kind: 'tcp option', name: 'sack' } }),
      'everything → take out the TCP option sack',
    ],
    [
      nft(match({ kind: 'tcp option', name: 'timestamp' }, boolean(false)), DROP),
      'without TCP option timestamp → drop',
    ],
    [nft({ kind: 'counter', packets: 1, bytes: 2 }), 'everything → only count'],
    [
      nft({ kind: 'unknown', raw: { xt: { name: 'foo' } } }, DROP),
      'UNKNOWN (not understood: {"xt":{"name":"foo"}}) → drop',
    ],
  ])('%s', (words, expected) => {
    expect(words).toBe(expected);
  });

  test('long lists are cut and counted', () => {
    const ports = Array.from({ length: 1500 }, (_, i) => number(i));
    expect(nft(match(port, { kind: 'elements', elements: ports }), ACCEPT)).toBe(
      'tcp to port 0, 1, 2, 3, 4, 5 or 1,494 more → accept',
    );
  });

  test('conditions alone, and nothing of what is done', () => {
    const statements = [
      match(port, number(22)),
      { kind: 'log' } as const,
      match(meta('iifname'), symbol('eth0')),
      DROP,
    ];
    expect(conditionWords(statements, { table: TABLE })).toBe('tcp to port 22 arriving on eth0');
    expect(conditionWords([DROP], { table: TABLE })).toBe('everything');
  });
});

test.each([
  [{ kind: 'accept' }, 'accept'],
  [{ kind: 'continue' }, 'go on with the next rule'],
  [{ kind: 'jump', chain: 'c' }, 'go on in chain c'],
] as const)('%o is %s', (of, words) => {
  expect(verdictWords(of)).toBe(words);
});

const base = { type: 'filter', policy: 'accept' } as const;

test.each([
  [
    { type: 'nat', policy: 'accept', hook: 'prerouting', priority: -100 },
    'prerouting −100 (before routing, where destinations are rewritten)',
  ],
  [
    { ...base, hook: 'prerouting', priority: -105 },
    'prerouting −105 (before routing, before destinations are rewritten)',
  ],
  [
    { ...base, hook: 'prerouting', priority: -300 },
    'prerouting −300 (before routing, before connections are known)',
  ],
  [{ ...base, hook: 'input', priority: 0 }, 'input 0 (to this host itself, where most filters are)'],
  [
    { ...base, hook: 'forward', priority: -5 },
    'forward −5 (through this host to others, before most filters)',
  ],
  [
    { type: 'nat', policy: 'accept', hook: 'postrouting', priority: 100 },
    'postrouting 100 (after routing, on the way out, where sources are rewritten)',
  ],
  [
    { ...base, hook: 'ingress', priority: 0, devices: ['eth0'] },
    'ingress 0 (as it comes off the wire, on eth0)',
  ],
] as const)('%o', (chain, words) => {
  expect(hookWords(chain)).toBe(words);
});
