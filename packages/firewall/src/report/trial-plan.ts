// A packet and the host that it is for → the links, addresses and routes of a small copy of it, around the packet.
import {
  type Address,
  bitsOf,
  formatAddress,
  formatPrefix,
  type Host,
  type IpFamily,
  routePacket,
} from '@moat/netfilter';
import type { Trial } from '../kernel/rule-trial.ts';
import type { Question } from './question.ts';
import { TRACE_TABLE } from './trace.ts';

/** What is loaded there comes from the snapshot. */
export interface TrialPlan extends Omit<Trial, 'rules'> {
  /** The question with everything in it that a packet has to have. */
  readonly question: Question;
}

/** A packet's source port where nobody asks for another. */
const SPORT = 50_000;
const MACS = { near: '02:00:00:00:00:01', far: '02:00:00:00:00:02' } as const;
const MAIN_TABLE = 254;
const ANYWHERE: Readonly<Record<IpFamily, string>> = { ipv4: '0.0.0.0/0', ipv6: '::/0' };

/** `question` is complete as far as the host tells; why there can be no such packet, in words. */
export function planTrial(question: Question, host: Host | undefined): TrialPlan | { readonly why: string } {
  const { family, hook, fields } = question;
  const protocol = fields['proto'] === 6 ? 'tcp' : fields['proto'] === 17 ? 'udp' : undefined;
  if (protocol === undefined) return { why: '--live sends packets of tcp and udp only' };
  if (fields['state'] !== 'new')
    return { why: '--live sends the first packet of a connection: no --state but new' };
  const {
    src,
    dst,
    dport,
    sport = SPORT,
  } = fields as { src?: Address; dst?: Address; dport?: number; sport?: number };
  const outgoing = hook === 'output';
  if (src === undefined || dst === undefined || dport === undefined) {
    const missing = src === undefined ? (outgoing ? '--from' : 'a source that is one address') : '--to';
    return { why: `--live sends one packet: give ${missing}` };
  }
  const side = outgoing ? 'oif' : 'iif';
  const near = typeof fields[side] === 'string' && fields[side] !== '-' ? fields[side] : 'eth0';
  const local = near === 'lo';
  const whole: Question = { family, hook, fields: { ...fields, sport, [side]: near } };
  const here = outgoing ? src : dst;
  const there = outgoing ? dst : src;
  const forwarded =
    hook === 'forward' ||
    (!outgoing && host !== undefined && routePacket(host, { family, dst }).kind === 'out');
  return {
    question: whole,
    links: nearLines(host, family, {
      near,
      local,
      here: forwarded ? undefined : here,
      there,
      oif: fields['oif'],
    }),
    peer: [
      'link set lo up',
      ...otherLinks(host, near, fields['oif']).map((_, i) => `link set ${farName(i)} up`),
      ...(local ? [] : farLines(family, there, here)),
    ],
    sysctls: sysctls(host),
    trace: traceRules(outgoing, whole, protocol),
    from: outgoing || local ? 'here' : 'peer',
    protocol,
    src: formatAddress(src),
    sport,
    dst: formatAddress(dst),
    dport,
  };
}

interface Near {
  readonly near: string;
  readonly local: boolean;
  /** The address of the host that takes part. */
  readonly here: Address | undefined;
  readonly there: Address;
  readonly oif: unknown;
}

function nearLines(
  host: Host | undefined,
  family: IpFamily,
  { near, local, here, there, oif }: Near,
): string[] {
  const others = otherLinks(host, near, oif);
  const names = local ? others : [...others, near];
  const lines = [
    'link set lo up',
    ...others.map((name, i) => `link add name ${name} type veth peer name ${farName(i)} netns @PEER@`),
    ...(local
      ? []
      : [
          `link add name ${near} address ${MACS.near} type veth peer name peer address ${MACS.far} netns @PEER@`,
        ]),
    ...names.map((name) => `link set ${name} up`),
  ];
  const given = new Set<string>();
  for (const link of host?.links ?? []) {
    for (const { address, prefix } of link.addresses) {
      const text = formatAddress(address);
      if (!names.includes(link.name) || given.has(text) || isLinkLocal(address)) continue;
      given.add(text);
      lines.push(
        `addr add ${text}/${prefix.length} dev ${link.name}${address.family === 'ipv6' ? ' nodad' : ''}`,
      );
    }
  }
  if (here !== undefined && !given.has(formatAddress(here)) && !isLoopback(here))
    lines.push(
      `addr add ${formatAddress(here)}/${bitsOf(family)} dev ${local ? 'lo' : near}${family === 'ipv6' ? ' nodad' : ''}`,
    );
  for (const route of host?.routes ?? []) {
    const device = route.nextHops[0]?.device;
    if (route.table !== MAIN_TABLE || route.type !== 'unicast' || device === undefined) continue;
    if (!names.includes(device) || (route.family === 'ipv6' && route.prefix.value >> 118n === 0x3fan))
      continue;
    // Written out, since `default` would be that of IPv4.
    const to = route.prefix.length === 0 ? ANYWHERE[route.family] : formatPrefix(route.prefix);
    lines.push(`route replace ${to} dev ${device}`);
  }
  if (!local) {
    lines.push(`route replace ${formatAddress(there)} dev ${near}`);
    lines.push(`neigh replace ${formatAddress(there)} lladdr ${MACS.far} dev ${near}`);
  }
  if (typeof oif === 'string' && oif !== '-' && oif !== near)
    lines.push(`route replace ${ANYWHERE[family]} dev ${oif}`);
  return lines;
}

/** Those that packets may go out by; ports of bridges are behind them. All are pairs, since what is no pair has no carrier. */
function otherLinks(host: Host | undefined, near: string, oif: unknown): string[] {
  const names = new Set(
    (host?.links ?? []).flatMap(({ name, loopback, master, addresses }) =>
      loopback || (master !== undefined && addresses.length === 0) ? [] : [name],
    ),
  );
  if (typeof oif === 'string' && oif !== '-') names.add(oif);
  names.delete(near);
  return [...names];
}

function farName(i: number): string {
  return `far${i}`;
}

function farLines(family: IpFamily, there: Address, here: Address): string[] {
  return [
    'link set peer up',
    `addr add ${formatAddress(there)}/${bitsOf(family)} dev peer${family === 'ipv6' ? ' nodad' : ''}`,
    `route replace ${formatAddress(here)} dev peer`,
    `neigh replace ${formatAddress(here)} lladdr ${MACS.near} dev peer`,
  ];
}

/** What of the host's switches decides here; a copy of it has no other senders to be afraid of. */
function sysctls(host: Host | undefined): Readonly<Record<string, string>> {
  const of = (path: string): string => host?.sysctls[path] ?? '1';
  return {
    'net/ipv4/conf/all/rp_filter': '0',
    'net/ipv4/conf/default/rp_filter': '0',
    'net/ipv6/conf/default/accept_dad': '0',
    'net/ipv4/ip_forward': of('net/ipv4/ip_forward'),
    'net/ipv6/conf/all/forwarding': of('net/ipv6/conf/all/forwarding'),
  };
}

function traceRules(outgoing: boolean, { family, fields }: Question, protocol: 'tcp' | 'udp'): string {
  const ip = family === 'ipv4' ? 'ip' : 'ip6';
  const [src, dst] = ['src', 'dst'].map((name) => formatAddress(fields[name] as Address));
  const ports = `${protocol} sport ${String(fields['sport'])} ${protocol} dport ${String(fields['dport'])}`;
  return `table inet ${TRACE_TABLE} { chain on { type filter hook ${outgoing ? 'output' : 'prerouting'} priority -1000; ${ip} saddr ${src} ${ip} daddr ${dst} ${ports} meta nftrace set 1; }; }\n`;
}

function isLinkLocal({ family, value }: Address): boolean {
  return family === 'ipv6' && value >> 118n === 0x3fan;
}

function isLoopback({ family, value }: Address): boolean {
  return family === 'ipv4' ? value >> 24n === 127n : value === 1n;
}
