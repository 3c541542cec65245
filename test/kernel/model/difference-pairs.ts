// Pairs of rulesets that differ, in what they let in and in where they send it on.
import { renderTable } from '@moat/netfilter';
import { NO_LINKS } from '../../../packages/firewall/src/compile/container-links.ts';
import { compileTable } from '../../../packages/firewall/src/compile/table.ts';
import { parsePolicyFile } from '../../../packages/firewall/src/policy/file.ts';
import { parseServices } from '../../../packages/firewall/src/policy/services.ts';
import type { RulesetText } from './kernel-ruleset.ts';

const HEAD = 'default deny incoming\ndefault allow outgoing\nlogging off\n';

function policy(sentences: string): RulesetText[] {
  const parsed = parsePolicyFile(`${HEAD}${sentences}\n`, parseServices(''));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return [{ tool: 'nft', text: renderTable(compileTable(parsed.file.policy, NO_LINKS)) }];
}

function iptables(rules: string, family: 'ip' | 'ip6' = 'ip', policy = 'DROP'): RulesetText[] {
  const chains = ['INPUT', 'FORWARD', 'OUTPUT'].map((name) => `:${name} ${policy} [0:0]`);
  const text = ['*filter', ...chains, ':own - [0:0]', ...rules.split('\n'), 'COMMIT\n'].join('\n');
  return [{ tool: `${family}tables-nft`, text }];
}

const SENTENCES =
  'allow 22/tcp\nallow 80,443/tcp\nallow from 192.0.2.0/24 to any port 8000:8100 proto tcp\ndeny 53';

export type Pair = readonly [name: string, before: RulesetText[], after: RulesetText[]];

export const PAIRS: readonly Pair[] = [
  ['a port more', policy(SENTENCES), policy(`${SENTENCES}\nallow 8080/tcp`)],
  ['a port less', policy(SENTENCES), policy(SENTENCES.replace('80,443/tcp', '443/tcp'))],
  ['a source less', policy(SENTENCES), policy(SENTENCES.replace('192.0.2.0/24', '192.0.2.0/25'))],
  ['refused, not dropped', policy(SENTENCES), policy(SENTENCES.replace('deny 53', 'reject 53'))],
  ['by interface', policy(SENTENCES), policy(`allow in on eth1 to any port 3306 proto tcp\n${SENTENCES}`)],
  ['outgoing', policy(SENTENCES), policy(`${SENTENCES}\ndeny out 25/tcp\nreject out to 198.51.100.0/24`)],
  [
    'an order that matters',
    policy('deny from 10.0.0.0/8\nallow 22'),
    policy('allow 22\ndeny from 10.0.0.0/8'),
  ],
  ['an order that does not', policy('allow 22\nallow 80'), policy('allow 80\nallow 22')],
  ['routed', policy(SENTENCES), policy(`default allow routed\n${SENTENCES}`)],
  ['a policy and nothing', policy(SENTENCES), [{ tool: 'nft', text: 'table inet empty { }' }]],
  [
    'a rule more',
    iptables('-A INPUT -i eth0 -p tcp -m tcp --dport 22 -j ACCEPT'),
    iptables(
      '-A INPUT -i eth0 -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -s 10.1.0.0/16 -p udp -m udp --dport 53:60 -j ACCEPT',
    ),
  ],
  [
    'a chain, other states',
    iptables(
      '-A INPUT -p tcp -j own\n-A own -m conntrack --ctstate NEW -p tcp -m tcp --dport 1024:65535 -j ACCEPT',
    ),
    iptables(
      '-A INPUT -p tcp -j own\n-A own -m conntrack --ctstate NEW,INVALID -p tcp -m tcp --dport 1024:2000 -j ACCEPT',
    ),
  ],
  [
    'passed on',
    iptables('-A FORWARD -i eth0 -o eth1 -p tcp -m tcp --dport 80 -j ACCEPT'),
    iptables('-A FORWARD -i eth0 -o eth1 -p tcp -m multiport --dports 80,443 -j ACCEPT'),
  ],
  [
    'a refusal before a wider rule',
    iptables('-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT'),
    iptables(
      '-A INPUT ! -s 10.0.0.0/8 -p tcp -m tcp --dport 22 -j REJECT --reject-with tcp-reset\n' +
        '-A INPUT -p tcp -m tcp --dport 20:25 -j ACCEPT',
    ),
  ],
  [
    'IPv6',
    iptables('-A INPUT -s 2001:db8::/32 -p tcp -m tcp --dport 22 -j ACCEPT', 'ip6'),
    iptables(
      '-A INPUT -s 2001:db8:1::/48 -p tcp -m tcp --dport 22 -j ACCEPT\n-A OUTPUT -p udp -j ACCEPT',
      'ip6',
    ),
  ],
];

/** Two containers, as their engine opens them: 80 of the first, and whatever was translated to the second. */
function translating(family: 'ip' | 'ip6', ...rules: readonly string[]): RulesetText[] {
  const [first, second] = family === 'ip' ? ['172.18.0.2', '172.18.0.3'] : ['fd00:18::2', 'fd00:18::3'];
  const text = `
table ${family} nat {
  chain pre {
    type nat hook prerouting priority -100
    ${rules.map((rule) => `fib daddr type local ${rule}`).join('\n')}
  }
}
table ${family} filter {
  chain here {
    type filter hook input priority 0; policy drop
    tcp dport { 22, 8080 } accept
  }
  chain through {
    type filter hook forward priority 0; policy drop
    oifname "docker0" ${family} daddr ${first} tcp dport 80 accept
    oifname "docker0" ${family} daddr ${second} meta l4proto tcp ct status dnat ct original proto-dst 8000-8002 accept
  }
}
`;
  return [{ tool: 'nft', text }];
}

/** What Docker writes through iptables-nft. */
function docker(...rules: readonly string[]): RulesetText[] {
  const text = [
    ...['*nat', ':PREROUTING ACCEPT [0:0]', ':DOCKER - [0:0]'],
    '-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER',
    ...rules.map((rule) => `-A DOCKER ! -i docker0 -p tcp -m tcp ${rule}`),
    ...['COMMIT', '*filter', ':INPUT DROP [0:0]', ':FORWARD DROP [0:0]', ':DOCKER - [0:0]'],
    '-A FORWARD -o docker0 -j DOCKER',
    '-A DOCKER -d 172.18.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT',
    'COMMIT\n',
  ].join('\n');
  return [{ tool: 'iptables-nft', text }];
}

const WEB = 'tcp dport 80 dnat to 172.18.0.2:80';
const SSH = 'tcp dport 2222 redirect to :22';
const DOCKER = '--dport 80 -j DNAT --to-destination 172.18.0.2:80';

/** Where the containers of `TRANSLATIONS` are; they are behind `docker0`. */
export const CONTAINERS = ['172.18.0.0/16', 'fd00:18::/64'] as const;

export const TRANSLATIONS: readonly Pair[] = [
  ['another target', translating('ip', WEB), translating('ip', WEB.replace('.2:80', '.3:80'))],
  ['another port of the target', translating('ip', WEB), translating('ip', WEB.replace(':80', ':81'))],
  ['a translation removed', translating('ip', WEB, SSH), translating('ip', SSH)],
  [
    'another port is translated',
    translating('ip', WEB),
    translating('ip', WEB.replace('80 dnat', '9000 dnat')),
  ],
  ['for some sources only', translating('ip', WEB), translating('ip', `ip saddr 192.0.2.0/24 ${WEB}`)],
  [
    'a port that only the flow remembers',
    translating('ip', 'tcp dport 8000-8003 dnat to 172.18.0.3:443'),
    translating('ip', 'tcp dport 8002-8004 dnat to 172.18.0.3:443'),
  ],
  [
    'targets by a map',
    translating('ip', 'dnat to tcp dport map { 80 : 172.18.0.2, 8000 : 172.18.0.3 }'),
    translating('ip', 'dnat to tcp dport map { 80 : 172.18.0.3, 8000 : 172.18.0.2 }'),
  ],
  ['a redirect elsewhere', translating('ip', SSH), translating('ip', SSH.replace(':22', ':23'))],
  ['a redirect removed', translating('ip', WEB, SSH), translating('ip', WEB)],
  [
    'a redirect over an open port',
    translating('ip', WEB),
    translating('ip', WEB, 'tcp dport 8080 redirect to :9'),
  ],
  ['Docker, for some sources only', docker(DOCKER), docker(`-s 192.0.2.0/24 ${DOCKER}`)],
  ['Docker, one container less', docker(DOCKER, DOCKER.replace('80', '8081')), docker(DOCKER)],
  [
    'another target, IPv6',
    translating('ip6', 'tcp dport 80 dnat to [fd00:18::2]:80'),
    translating('ip6', 'tcp dport 80 dnat to [fd00:18::3]:80'),
  ],
];
