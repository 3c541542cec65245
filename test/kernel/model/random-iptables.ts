// Random iptables: dumps for iptables-restore with every match and target whose effect on a packet can be seen.
import type { Random } from './random.ts';
import { INTERFACES, MARKS, PORTS, V4, V6 } from './random-values.ts';

type Family = 'ip' | 'ip6';
type Table = 'raw' | 'mangle' | 'nat' | 'filter';

const CHAINS: Readonly<Record<Table, readonly string[]>> = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
};

/** One dump for iptables-restore or ip6tables-restore, of filter and some of the other tables. */
export function randomIptables(random: Random, family: Family): string {
  const tables = (['raw', 'mangle', 'nat'] as const).filter(() => random.chance(40));
  return [...tables, 'filter' as const].map((table) => randomTable(random, family, table)).join('');
}

function randomTable(random: Random, family: Family, table: Table): string {
  const own = Array.from({ length: random.int(4) }, (_, i) => `own${i}`);
  const policy = (): string => (table === 'filter' && random.chance(40) ? 'DROP' : 'ACCEPT');
  // Where a chain of one's own may be called from decides which of its targets are allowed.
  const from = random.pick(CHAINS[table]);
  const rules: string[] = [];
  for (const chain of [...CHAINS[table], ...own]) {
    const place = own.indexOf(chain);
    const callable = place >= 0 ? own.slice(place + 1) : chain === from ? own : [];
    const count = chain === from || place >= 0 ? 2 + random.int(7) : random.int(4);
    for (let i = 0; i < count; i++)
      rules.push(randomRule(random, family, table, chain, place >= 0 ? from : chain, callable));
  }
  return [
    `*${table}`,
    ...CHAINS[table].map((chain) => `:${chain} ${policy()} [0:0]`),
    ...own.map((chain) => `:${chain} - [0:0]`),
    ...rules,
    'COMMIT\n',
  ].join('\n');
}

const not = (random: Random): string => (random.chance(20) ? '! ' : '');

function randomRule(
  random: Random,
  family: Family,
  table: Table,
  chain: string,
  hook: string,
  callable: readonly string[],
): string {
  const protocol = random.pick(['tcp', 'tcp', 'udp', 'icmp', undefined, undefined]);
  const parts = [`-A ${chain}`];
  if (protocol !== undefined)
    parts.push(`-p ${protocol === 'icmp' && family === 'ip6' ? 'ipv6-icmp' : protocol}`);
  else if (random.chance(15))
    parts.push(`${not(random)}-p ${random.pick(['tcp', 'udp', 'gre', '89', 'esp'])}`);
  const makers = makersFor(family, table, hook, protocol);
  const used = new Set<string>();
  for (let i = random.int(4); i > 0; i--) {
    const option = random.pick(makers)(random);
    // Twice the same option is an error, and so are ports asked for in two ways.
    const extension = /-m (\S+)/.exec(option)?.[1];
    const name =
      extension === undefined || extension === 'multiport'
        ? extension
          ? '--'
          : option.replace('! ', '').slice(0, 2)
        : extension;
    if (!used.has(name)) parts.push(option);
    used.add(name);
  }
  const target = randomTarget(random, family, table, hook, protocol, callable);
  return [...parts, ...(target === undefined ? [] : [target])].join(' ');
}

type Maker = (random: Random) => string;

function makersFor(family: Family, table: Table, hook: string, protocol: string | undefined): Maker[] {
  const addresses = family === 'ip' ? V4 : V6;
  const range = family === 'ip' ? '10.1.2.3-10.1.4.7' : '2001:db8:1::3-2001:db8:1::ffff';
  const arrives = hook === 'PREROUTING' || hook === 'INPUT' || hook === 'FORWARD';
  const leaves = hook === 'OUTPUT' || hook === 'FORWARD' || hook === 'POSTROUTING';
  const made = hook === 'OUTPUT' || hook === 'POSTROUTING';
  const ports = protocol === 'tcp' || protocol === 'udp';
  return [
    (random) => `${not(random)}-s ${random.pick(addresses)}`,
    (random) => `${not(random)}-d ${random.pick(addresses)}`,
    (random) => `-m iprange ${not(random)}--${random.pick(['src', 'dst'])}-range ${range}`,
    (random) =>
      `-m addrtype ${not(random)}--${random.pick(['src', 'dst'])}-type ${random.pick(['LOCAL', 'UNICAST', 'LOCAL,UNICAST', 'MULTICAST'])}`,
    (random) => `-m mark ${not(random)}--mark ${random.pick(MARKS)}${random.pick(['', '/0xff', '/0xf0f0'])}`,
    (random) => `-m comment --comment "rule ${random.int(9)}"`,
    (random) => `-m dscp ${not(random)}--dscp ${random.pick(['0x2e', '0x0a', '0'])}`,
    (random) => `-m length ${not(random)}--length ${random.pick(['40', '0:60', '60:500', '1000:65535'])}`,
    (random) =>
      family === 'ip'
        ? `-m ttl ${random.pick(['--ttl-eq 64', '--ttl-lt 3', '--ttl-gt 63', '! --ttl-eq 63'])}`
        : `-m hl ${random.pick(['--hl-eq 64', '--hl-lt 3', '--hl-gt 63'])}`,
    (random) => `-m pkttype ${not(random)}--pkt-type ${random.pick(['unicast', 'broadcast', 'multicast'])}`,
    ...(family === 'ip' ? [(random: Random) => `${not(random)}-d 10.0.2.0/255.0.255.0`] : []),
    ...(table === 'raw' ? [] : TRACKED_MAKERS),
    ...(arrives
      ? [
          (random: Random) => `${not(random)}-i ${random.pick([...INTERFACES, 'eth+', 'lo', '+'])}`,
          () => '-m mac --mac-source 02:00:00:00:01:02',
        ]
      : []),
    ...(leaves ? [(random: Random) => `${not(random)}-o ${random.pick([...INTERFACES, 'br+'])}`] : []),
    ...(made
      ? [
          (random: Random) => `-m owner ${not(random)}--uid-owner ${random.pick(['0', '1000', '33-1000'])}`,
          () => '-m owner --gid-owner 33',
          (random: Random) => `-m owner ${not(random)}--socket-exists`,
        ]
      : []),
    ...(ports ? PORT_MAKERS : []),
    ...(protocol === 'tcp' ? TCP_MAKERS : []),
    ...(protocol === 'icmp' ? [icmp(family)] : []),
  ];
}

const TRACKED_MAKERS: Maker[] = [
  (random) =>
    `-m conntrack ${not(random)}--ctstate ${random.pick(['NEW', 'RELATED,ESTABLISHED', 'INVALID', 'UNTRACKED', 'NEW,UNTRACKED', 'DNAT', 'SNAT', 'NEW,DNAT'])}`,
  (random) => `-m state --state ${random.pick(['NEW', 'RELATED,ESTABLISHED', 'INVALID', 'UNTRACKED'])}`,
  (random) => `-m conntrack --ctdir ${random.pick(['ORIGINAL', 'REPLY'])}`,
  (random) => `-m conntrack --ctstatus ${random.pick(['ASSURED', 'SEEN_REPLY', 'NONE', 'CONFIRMED'])}`,
  (random) => `-m conntrack ${not(random)}--ctorigdstport ${random.pick([...PORTS, '20:90'])}`,
  (random) => `-m conntrack ${not(random)}--ctproto ${random.pick(['6', '17', '1'])}`,
  (random) => `-m connmark ${not(random)}--mark ${random.pick(MARKS)}${random.pick(['', '/0xff'])}`,
];

const PORT_MAKERS: Maker[] = [
  (random) => `${not(random)}--dport ${random.pick([...PORTS, '20:25', '1024:65535', ':1023'])}`,
  (random) => `${not(random)}--sport ${random.pick([...PORTS, '20:25', '1024:'])}`,
  (random) =>
    `-m multiport ${not(random)}--${random.pick(['dports', 'sports', 'ports'])} ${random.pick(['22,80,443', '53,1024:8080', '1,65535'])}`,
];

const TCP_MAKERS: Maker[] = [
  (random) =>
    `${not(random)}--tcp-flags ${random.pick(['FIN,SYN,RST,ACK SYN', 'SYN,ACK SYN,ACK', 'ALL NONE', 'RST RST', 'ACK,URG ACK'])}`,
  (random) => `${not(random)}--syn`,
];

const icmp =
  (family: Family): Maker =>
  (random) =>
    family === 'ip'
      ? `-m icmp ${not(random)}--icmp-type ${random.pick(['8', '0', '3', '3/1', 'any', '11/0', '13'])}`
      : `-m icmp6 ${not(random)}--icmpv6-type ${random.pick(['128', '129', '1', '1/1', '135', '3/0'])}`;

const REJECTS: Readonly<Record<Family, readonly string[]>> = {
  ip: ['icmp-port-unreachable', 'icmp-host-prohibited', 'icmp-admin-prohibited'],
  ip6: ['icmp6-port-unreachable', 'icmp6-adm-prohibited'],
};

function randomTarget(
  random: Random,
  family: Family,
  table: Table,
  hook: string,
  protocol: string | undefined,
  callable: readonly string[],
): string | undefined {
  if (callable.length > 0 && random.chance(45)) {
    return random.chance(75) ? `-j ${random.pick(callable)}` : `-g ${random.pick(callable)}`;
  }
  const simple = ['-j ACCEPT', '-j ACCEPT', '-j RETURN', undefined];
  switch (table) {
    case 'raw':
      return random.pick([
        ...simple,
        '-j CT --notrack',
        '-j CT --notrack',
        '-j DROP',
        '-j MARK --set-xmark 0x1/0xff',
      ]);
    case 'mangle':
      return random.pick([
        ...simple,
        ...[
          '-j DROP',
          '-j MARK --set-xmark 0x10/0x10',
          '-j MARK --set-xmark 0x1/0xffffffff',
          '-j MARK --or-mark 0x100',
        ],
        ...[
          '-j MARK --and-mark 0xf0',
          '-j CONNMARK --save-mark',
          '-j CONNMARK --restore-mark',
          '-j CONNMARK --set-xmark 0x1/0xff',
        ],
        ...[
          '-j DSCP --set-dscp 0x0a',
          family === 'ip' ? '-j TTL --ttl-set 33' : '-j HL --hl-set 33',
          '-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff',
        ],
      ]);
    case 'nat':
      return randomNat(random, family, hook, protocol) ?? random.pick(simple);
    case 'filter':
      return random.pick([
        ...simple,
        ...['-j ACCEPT', '-j DROP', '-j DROP', `-j REJECT --reject-with ${random.pick(REJECTS[family])}`],
        ...(protocol === 'tcp' ? ['-j REJECT --reject-with tcp-reset'] : []),
      ]);
    default:
      throw new Error(table satisfies never);
  }
}

function randomNat(
  random: Random,
  family: Family,
  hook: string,
  protocol: string | undefined,
): string | undefined {
  const host = family === 'ip' ? random.pick(['172.17.0.2', '10.1.2.3', '192.0.2.200']) : '2001:db8:1::1';
  const ports = protocol === 'tcp' || protocol === 'udp';
  if (random.chance(30)) return undefined;
  if (hook === 'POSTROUTING') return random.pick([`-j SNAT --to-source ${host}`, '-j MASQUERADE']);
  if (hook === 'INPUT') return `-j SNAT --to-source ${host}`;
  return random.pick([
    `-j DNAT --to-destination ${host}`,
    ...(ports
      ? [`-j DNAT --to-destination ${family === 'ip' ? host : `[${host}]`}:80`, '-j REDIRECT --to-ports 8080']
      : ['-j REDIRECT']),
  ]);
}
