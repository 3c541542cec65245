// What decides besides the rules: interfaces, addresses, routes, policy routing and the kernel's switches.
import type { Address, IpFamily } from '../net/address.ts';
import type { Interval } from '../net/interval.ts';
import type { Prefix } from '../net/prefix.ts';

/** One address of an interface. */
export interface HostAddress {
  readonly address: Address;
  /** The network that is reached over the interface by this address. */
  readonly prefix: Prefix;
  readonly broadcast?: Address;
  /** The other end, on a point-to-point link; then `prefix` is the network of the other end. */
  readonly peer?: Address;
}

export interface HostLink {
  readonly name: string;
  readonly index: number;
  /** What the kernel calls the kind: `bridge`, `veth`, `vrf`, …; absent for hardware and `lo`. */
  readonly kind?: string;
  readonly loopback: boolean;
  /** Switched on by the admin; says nothing about a cable. */
  readonly up: boolean;
  /** Name of the bridge, bond or VRF that it is a port of. */
  readonly master?: string;
  /** Six octets in lower case, `00:00:5e:00:53:01`; absent where the link layer has no such addresses. */
  readonly mac?: string;
  /** The number that `meta iifgroup` compares. */
  readonly group: number;
  readonly addresses: readonly HostAddress[];
}

/** ip-route(8) "TYPE"; `throw` ends the search in this table. */
export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'
  | 'nat';

/** One of the ways that a route offers. */
export interface NextHop {
  /** Name of the interface. */
  readonly device?: string;
  /** May be of the other family (RFC 5549). */
  readonly gateway?: Address;
  /** The kernel does not use it now: the interface is down. */
  readonly dead: boolean;
}

export interface HostRoute {
  readonly family: IpFamily;
  /** rt_tables: 255 is local, 254 main, 253 default. */
  readonly table: number;
  readonly type: RouteType;
  /** Length 0 for a default route. */
  readonly prefix: Prefix;
  /** Only for packets from there (IPv6 only). */
  readonly from?: Prefix;
  /** Only for packets with this type of service (IPv4 only). */
  readonly tos?: number;
  /** One for a plain route, several for a multipath route, none where the packet goes nowhere. */
  readonly nextHops: readonly NextHop[];
  /** The source that packets of this host get. */
  readonly preferredSource?: Address;
  /** The lower one of two equal routes counts; 0 where none was given. */
  readonly metric: number;
}

/** What an ip rule does with a packet that it matches: FR_ACT_* of include/uapi/linux/fib_rules.h. */
export type RuleAction =
  | {
      readonly kind: 'lookup';
      readonly table: number;
      /** A route found with a prefix of this length or shorter does not count. */
      readonly suppressPrefixLength?: number;
      /** Nor one that leads to a device of this group. */
      readonly suppressGroup?: number;
    }
  /** Looks into the table of the VRF that the packet came by or goes to. */
  | { readonly kind: 'l3mdev' }
  /** Goes on at the rule of that priority. */
  | { readonly kind: 'goto'; readonly priority: number }
  | { readonly kind: 'nop' | 'blackhole' | 'unreachable' | 'prohibit' };

/** One rule of policy routing (ip-rule(8)); they are asked in order of priority until a table has a route. */
export interface HostRule {
  readonly family: IpFamily;
  readonly priority: number;
  /** It is for packets that do not match. */
  readonly inverted: boolean;
  readonly from?: Prefix;
  readonly to?: Prefix;
  /** `lo` stands for packets that start on this host. */
  readonly iif?: string;
  readonly oif?: string;
  readonly mark?: { readonly value: number; readonly mask: number };
  readonly tos?: number;
  readonly protocol?: number;
  readonly sport?: Interval<number>;
  readonly dport?: Interval<number>;
  readonly uid?: Interval<number>;
  readonly action: RuleAction;
  /** Conditions that were not understood: whether they hold is unknown. */
  readonly unknown: readonly string[];
}

/** A part of Host that could not be read: then its list is empty and says nothing. */
export type HostPart = 'links' | 'routes' | 'rules' | 'sysctls';

export interface Host {
  readonly links: readonly HostLink[];
  /** In no order that means anything. */
  readonly routes: readonly HostRoute[];
  /** By family and then by priority, in the order in which the kernel asks them. */
  readonly rules: readonly HostRule[];
  /** By path under /proc/sys, as `net/ipv4/ip_forward`: names of interfaces may hold dots. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** What nobody could read; none on a complete snapshot. */
  readonly missing: readonly HostPart[];
}
