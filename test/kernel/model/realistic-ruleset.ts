// Realistic rulesets: what people and tools write, of all sizes: a server, a machine with containers, a router with zones.

import { type Random, randomFrom } from './random.ts';
import type { NamedRuleset } from './rulesets.ts';

const SERVICES = [22, 25, 53, 80, 110, 143, 443, 465, 587, 993, 3306, 5432, 6379, 8080, 9100, 51820];

/** One for each number. */
export function realisticRuleset(seed: number): NamedRuleset {
  const random = randomFrom(seed);
  const make = [iptablesServer, containers, nftServer, nftRouter, blockLists][seed % 5]!;
  const { text, tool } = make(random);
  return { name: `${make.name} ${seed} (${tool})`, texts: [{ tool, text }] };
}

type Made = { readonly tool: 'nft' | 'iptables-nft' | 'iptables-legacy'; readonly text: string };

const network = (random: Random): string =>
  `${random.pick(['10', '172.20', '192.168', '203.0', '198.51'])}.${random.int(256)}.0`
    .replace(/^10\.(\d+)\.0$/, '10.$1.0.0/16')
    .replace(/^(\d+\.\d+\.\d+)\.0$/, '$1.0/24');

function iptablesServer(random: Random): Made {
  const services = random.some(SERVICES, 3 + random.int(10));
  const rules = [
    '-A INPUT -i lo -j ACCEPT',
    '-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A INPUT -m conntrack --ctstate INVALID -j DROP',
    '-A INPUT -p tcp ! --syn -m conntrack --ctstate NEW -j REJECT --reject-with tcp-reset',
    '-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT',
    ...services.map(
      (port) =>
        `-A SERVICES -p ${port === 53 || port === 51820 ? 'udp' : 'tcp'} -m ${port === 53 || port === 51820 ? 'udp' : 'tcp'} --dport ${port} -j ACCEPT`,
    ),
    ...Array.from(
      { length: random.int(8) },
      () =>
        `-A ADMINS -s ${network(random)} -p tcp -m multiport --dports 22,${random.pick(SERVICES)},9000:9100 -j ACCEPT`,
    ),
    '-A INPUT -j ADMINS',
    '-A INPUT -j SERVICES',
    '-A INPUT -j REJECT --reject-with icmp-host-prohibited',
  ];
  return {
    tool: random.pick(['iptables-nft', 'iptables-legacy']),
    text: `*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:SERVICES - [0:0]\n:ADMINS - [0:0]\n${rules.join('\n')}\nCOMMIT\n`,
  };
}

function containers(random: Random): Made {
  const published = Array.from({ length: 1 + random.int(6) }, (_, i) => ({
    port: 8000 + random.int(90),
    inside: random.pick([80, 443, 5432, 6379]),
    address: `172.17.0.${i + 2}`,
  }));
  const nat = [
    '-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER',
    '-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER',
    '-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE',
    '-A DOCKER -i docker0 -j RETURN',
    ...published.map(
      ({ port, inside, address }) =>
        `-A DOCKER ! -i docker0 -p tcp -m tcp --dport ${port} -j DNAT --to-destination ${address}:${inside}`,
    ),
  ];
  const filter = [
    '-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT',
    '-A FORWARD -j DOCKER-USER',
    '-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A FORWARD -o docker0 -j DOCKER',
    '-A FORWARD -i docker0 ! -o docker0 -j ACCEPT',
    '-A FORWARD -i docker0 -o docker0 -j ACCEPT',
    ...published.map(
      ({ inside, address }) =>
        `-A DOCKER -d ${address}/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport ${inside} -j ACCEPT`,
    ),
    ...(random.chance(50) ? [`-A DOCKER-USER -i eth0 ! -s ${network(random)} -j DROP`] : []),
    '-A DOCKER-USER -j RETURN',
  ];
  return {
    tool: random.pick(['iptables-nft', 'iptables-legacy']),
    text: [
      '*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]',
      ...nat,
      'COMMIT\n*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n:DOCKER-USER - [0:0]',
      ...filter,
      'COMMIT\n',
    ].join('\n'),
  };
}

function nftServer(random: Random): Made {
  const ports = random.some(SERVICES, 4 + random.int(8));
  const text = `table inet filter {
  set admins { type ipv4_addr; flags interval; auto-merge; elements = { ${[...new Set(Array.from({ length: 3 }, () => network(random)))].join(', ')} } }
  chain input {
    type filter hook input priority filter; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iifname "lo" accept
    meta l4proto { icmp, ipv6-icmp } accept
    tcp dport { ${ports.join(', ')} } ct state new accept
    ip saddr @admins tcp dport { 22, 9000-9100 } accept
    ip6 saddr fe80::/10 udp dport 546 accept
    ${random.chance(50) ? 'reject with icmpx type port-unreachable' : 'counter'}
  }
  chain forward { type filter hook forward priority filter; policy ${random.pick(['accept', 'drop'])}; }
  chain output { type filter hook output priority filter; policy accept; meta skuid 1000 tcp dport 25 reject; }
}\n`;
  return { tool: 'nft', text };
}

function nftRouter(random: Random): Made {
  const zones = ['lan', 'dmz', 'guest'].slice(0, 2 + random.int(2));
  const rules = zones.map(
    (zone) => `chain from_${zone} {
    oifname "wan" accept
    ${random
      .some(SERVICES, 3)
      .map((port) => `tcp dport ${port} oifname "${random.pick(zones)}" accept`)
      .join('\n    ')}
    ${random.pick(['reject', 'drop', 'return'])}
  }`,
  );
  const text = `table inet router {
  ${rules.join('\n  ')}
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    ct status dnat accept
    iifname vmap { ${zones.map((zone) => `"${zone}" : jump from_${zone}`).join(', ')} }
    meta mark 0x10 accept
  }
  chain input { type filter hook input priority 0; policy drop; iifname { ${zones.map((zone) => `"${zone}"`).join(', ')} } udp dport { 53, 67 } accept; ct state established accept; }
  chain marking { type filter hook prerouting priority mangle; iifname "guest" ip saddr ${network(random)} meta mark set meta mark | 0x10; }
}
table ip nat {
  chain prerouting { type nat hook prerouting priority dstnat; iifname "wan" tcp dport { 80, 443 } dnat to 10.1.2.3; iifname "wan" udp dport 5060 dnat to 10.1.2.4:5061; }
  chain postrouting { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }
}\n`;
  return { tool: 'nft', text };
}

function blockLists(random: Random): Made {
  const list = Array.from(
    { length: 200 + random.int(1500) },
    () =>
      `${1 + random.int(222)}.${random.int(256)}.${random.int(256)}.${random.int(256)}${random.pick(['', '', '/32'])}`,
  );
  const text = `table ip blocked {
  set bad { type ipv4_addr; flags interval; auto-merge; elements = { ${list.join(', ')} } }
  map ports { type inet_service : verdict; elements = { 22 : accept, 80 : accept, 443 : accept, 3306 : drop } }
  chain raw { type filter hook prerouting priority raw; policy accept; ip saddr @bad drop; }
  chain input { type filter hook input priority 0; policy drop; ct state established,related accept; tcp dport vmap @ports; ip saddr 10.0.0.0/8 accept; }
}\n`;
  return { tool: 'nft', text };
}
