// The kernel's switches that decide which packets pass, from /proc/sys/net (ip-sysctl.rst of the kernel).
import { readdirSync, readFileSync } from 'node:fs';

const SINGLE = [
  'net/ipv4/ip_forward',
  'net/ipv4/ip_nonlocal_bind',
  'net/ipv4/ip_local_port_range',
  'net/ipv4/icmp_echo_ignore_all',
  'net/ipv4/icmp_echo_ignore_broadcasts',
  'net/ipv4/fwmark_reflect',
  'net/ipv4/tcp_l3mdev_accept',
  'net/ipv4/udp_l3mdev_accept',
  'net/ipv6/bindv6only',
  'net/ipv6/fwmark_reflect',
  'net/ipv6/icmp/echo_ignore_all',
  'net/ipv6/ip_nonlocal_bind',
  'net/bridge/bridge-nf-call-iptables',
  'net/bridge/bridge-nf-call-ip6tables',
  'net/bridge/bridge-nf-call-arptables',
  'net/bridge/bridge-nf-filter-vlan-tagged',
  'net/netfilter/nf_conntrack_tcp_loose',
  'net/netfilter/nf_conntrack_tcp_be_liberal',
  'net/netfilter/nf_conntrack_helper',
  'net/netfilter/nf_conntrack_max',
];

/** One file for each interface, besides `all` and `default`. */
const EACH_INTERFACE: Readonly<Record<string, readonly string[]>> = {
  'net/ipv4/conf': [
    'forwarding',
    'rp_filter',
    'route_localnet',
    'accept_local',
    'accept_source_route',
    'src_valid_mark',
    'bc_forwarding',
    'ignore_routes_with_linkdown',
  ],
  'net/ipv6/conf': ['forwarding', 'disable_ipv6', 'accept_source_route', 'ignore_routes_with_linkdown'],
};

/** Values by path under /proc/sys. What a kernel does not have, or does not tell, is left out. */
export function readSysctls(proc = '/proc'): Record<string, string> {
  const paths = [...SINGLE];
  for (const [folder, names] of Object.entries(EACH_INTERFACE)) {
    for (const link of entries(`${proc}/sys/${folder}`)) {
      paths.push(...names.map((name) => `${folder}/${link}/${name}`));
    }
  }
  const values: Record<string, string> = {};
  for (const path of paths) {
    try {
      values[path] = readFileSync(`${proc}/sys/${path}`, 'latin1').trim();
    } catch {
      // Not in this kernel (a module that is not loaded), or root's alone.
    }
  }
  return values;
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
