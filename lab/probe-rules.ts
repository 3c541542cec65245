// Probe rules: the table that notes by its number how far each injected packet came, and the routes that lead it there.
import { formatAddress } from '@moat/netfilter';
import type { ProbeDevice } from './probe.ts';

/** The table's name, as inject.c knows it; listings of a loaded ruleset leave it out. */
export const PROBE_TABLE = 'probe';

/** Packets with these numbers are not tracked; those below are. */
export const UNTRACKED_FROM = 0x8000;
export const LAST_ID = 0xfffe;

const SETS = ['seen', 'done', 'quoted', 'resets'].flatMap((name) => [`${name}4`, `${name}6`]);

/** The number: the IP id, or the lower 16 bits of the flow label. */
const ID = { 4: '@nh,32,16', 6: '@nh,16,16' } as const;

const note = (set: string): string[] =>
  ([4, 6] as const).map(
    (version) => `meta nfproto ipv${version} update @${set}${version} { ${ID[version]} }`,
  );

/**
 * First and last at every hook. Packets end in the last chain, before conntrack confirms their flow: so none is the answer
 * to another, and the same kernel takes ruleset after ruleset. Answers end as soon as they are noted, so that no rule can
 * hide them. A packet of the host is known by the priority that inject.c gives it.
 */
export function probeTable(trace: boolean): string {
  const start = [
    ...([4, 6] as const).map(
      (version) => `meta nfproto ipv${version} ${ID[version]} ${UNTRACKED_FROM}-65535 notrack`,
    ),
    ...note('seen'),
    ...(trace ? ['meta nftrace set 1'] : []),
  ];
  const lines = [
    `table inet ${PROBE_TABLE}`,
    `delete table inet ${PROBE_TABLE}`,
    `table inet ${PROBE_TABLE} {`,
    ...SETS.map(
      (name) =>
        `set ${name} { typeof ${name.startsWith('resets') ? 'tcp sequence' : 'ip id'}; flags dynamic; size 65535; }`,
    ),
    ...chain('first', 'prerouting', -2e9, [...start, 'ct state invalid counter']),
    ...chain('last', 'input', 2e9, [...note('done'), 'drop']),
    ...chain('left', 'postrouting', 2e9, [...note('done'), 'drop']),
    'chain begun {',
    ...start,
    'accept',
    '}',
    ...chain('made', 'output', -2e9, [
      'meta priority 0:6 goto begun',
      'icmp type destination-unreachable update @quoted4 { @th,96,16 }',
      'icmpv6 type destination-unreachable update @quoted6 { @th,80,16 }',
      ...[4, 6].flatMap((version) => [
        `meta nfproto ipv${version} tcp flags & (rst | ack) == rst | ack update @resets${version} { tcp ackseq }`,
        `meta nfproto ipv${version} tcp flags & (rst | ack) == rst update @resets${version} { tcp sequence }`,
      ]),
      'drop',
    ]),
    '}',
  ];
  return `${lines.join('\n')}\n`;
}

const chain = (name: string, hook: string, priority: number, rules: readonly string[]): string[] => [
  `chain ${name} {`,
  `type filter hook ${hook} priority ${priority}; policy accept;`,
  ...rules,
  '}',
];

/** Forgets all numbers. */
export const FLUSH_PROBES = `${SETS.map((name) => `flush set inet ${PROBE_TABLE} ${name}`).join('\n')}\n`;

/**
 * To be set before the interfaces exist, which start with a copy of `default`; path under /proc/sys/net → value. The
 * masks: no ICMP message counts towards a limit, else most rejected packets would look dropped.
 */
export const PROBE_SYSCTLS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['all', 'default', 'lo'].flatMap((scope) => [
      [`ipv4/conf/${scope}/rp_filter`, '0'],
      [`ipv4/conf/${scope}/accept_local`, '1'],
      [`ipv4/conf/${scope}/route_localnet`, '1'],
      [`ipv4/conf/${scope}/send_redirects`, '0'],
      [`ipv6/conf/${scope}/accept_dad`, '0'],
      [`ipv6/conf/${scope}/accept_ra`, '0'],
      [`ipv6/conf/${scope}/addr_gen_mode`, '1'],
    ]),
  ),
  'ipv4/ip_forward': '1',
  'ipv6/conf/all/forwarding': '1',
  'ipv6/conf/default/forwarding': '1',
  'ipv4/icmp_ratelimit': '0',
  'ipv4/icmp_ratemask': '0',
  'ipv4/igmp_max_memberships': '10000',
  'ipv6/icmp/ratelimit': '0',
  'ipv6/icmp/ratemask': '',
};

/** Lines for `ip -batch`; those of the second list for `ip -6 -batch`. */
export type IpLines = { readonly v4: readonly string[]; readonly v6: readonly string[] };

/**
 * The routing tables that packets from all interfaces are looked up in, before that of local addresses: the first has a
 * route only while packets are forwarded (inject.c), the second leads to this host.
 */
const WAY_TABLE = 99;
const HOST_TABLE = 98;

const LOCAL_LATER = ['rule add pref 100 lookup local', 'rule del pref 0'];

/** Once: local addresses are looked up after the rules for interfaces. */
export const PROBE_ROUTING: IpLines = {
  v4: ['link set lo up', ...LOCAL_LATER, `route add local 0.0.0.0/0 dev lo table ${HOST_TABLE}`],
  v6: LOCAL_LATER,
};

/**
 * For a new interface: addresses, a route out, and for what comes in the two tables. Multicast and link-local destinations
 * of IPv6 need a route for the interface that they came in by. `place`: no other one has it.
 */
export function deviceLines({ name, mac, v4, v6 }: ProbeDevice, place: number): IpLines {
  const common = [
    `rule add pref 10 iif ${name} lookup ${WAY_TABLE}`,
    `rule add pref 20 iif ${name} lookup ${HOST_TABLE}`,
    `route add default dev ${name} metric ${1000 + place}`,
  ];
  return {
    v4: [
      `link set dev ${name} address ${macText(mac)} up`,
      `addr add ${formatAddress(v4)}/32 dev ${name}`,
      ...common,
    ],
    v6: [
      `addr add ${formatAddress(v6)}/128 dev ${name} nodad`,
      ...common,
      `route add local ::/0 dev ${name} metric ${place + 1} table ${HOST_TABLE}`,
    ],
  };
}

function macText(mac: number): string {
  return mac.toString(16).padStart(12, '0').match(/../g)!.join(':');
}
