// Everything of one machine that decides who can reach what, as one JSON value: texts and facts, nothing computed.
import type { IpFamily } from '../net/address.ts';
import type { RouteType } from './host.ts';

export const SNAPSHOT_FORMAT = 'moat-snapshot';
/** Goes up when a reader of the version before could misunderstand the value; new fields alone do not change it. */
export const SNAPSHOT_VERSION = 1;

/** What the programs that list rules said. Absent: not read, or there was nothing to read; `missing` tells which. */
export interface SnapshotRulesets {
  /** The parsed JSON of `nft -j list ruleset`: tables of nft and of iptables-nft. */
  readonly nft?: unknown;
  /** `nft list ruleset`, for people; left out where only the analysis is wanted. */
  readonly nftText?: string;
  /** `iptables-save` of the nf_tables backend; it has what `nft` leaves out of iptables' extensions. */
  readonly iptables?: string;
  readonly ip6tables?: string;
  /** `iptables-save -c` of the legacy backend; absent where it has no tables. */
  readonly iptablesLegacy?: string;
  readonly ip6tablesLegacy?: string;
  /** `ipset save`. */
  readonly ipset?: string;
}

export interface SnapshotAddress {
  readonly family: IpFamily;
  readonly address: string;
  /** Of the on-link network, in bits. */
  readonly prefixLength: number;
  readonly broadcast?: string;
  /** The other end of a point-to-point link. */
  readonly peer?: string;
}

export interface SnapshotLink {
  readonly name: string;
  readonly index: number;
  /** `bridge`, `veth`, `wireguard`, …; absent for hardware and `lo`. */
  readonly kind?: string;
  readonly loopback: boolean;
  readonly up: boolean;
  /** The bridge, bond or VRF that it is a port of. */
  readonly master?: string;
  readonly mac?: string;
  readonly group: number;
  readonly addresses: readonly SnapshotAddress[];
}

export interface SnapshotNextHop {
  readonly device?: string;
  readonly gateway?: string;
  /** Not used now. */
  readonly dead?: true;
}

export interface SnapshotRoute {
  readonly family: IpFamily;
  /** The number: 255 is local, 254 main. */
  readonly table: number;
  readonly type: RouteType;
  /** `default` is written `0.0.0.0/0` or `::/0`; a single address stands without a length. */
  readonly destination: string;
  readonly from?: string;
  readonly tos?: number;
  readonly nextHops: readonly SnapshotNextHop[];
  readonly preferredSource?: string;
  readonly metric?: number;
}

export interface SnapshotRule {
  readonly family: IpFamily;
  readonly priority: number;
  readonly inverted?: true;
  readonly from?: string;
  readonly to?: string;
  readonly iif?: string;
  readonly oif?: string;
  readonly mark?: number;
  /** All bits where it is left out. */
  readonly markMask?: number;
  readonly tos?: number;
  /** The number. */
  readonly protocol?: number;
  /** `80` or `80-90`. */
  readonly sport?: string;
  readonly dport?: string;
  readonly uid?: string;
  readonly action: 'lookup' | 'l3mdev' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit';
  /** With `lookup`. */
  readonly table?: number;
  readonly suppressPrefixLength?: number;
  readonly suppressGroup?: number;
  /** With `goto`: the priority to go on at. */
  readonly goto?: number;
  /** Conditions that were not understood, as `ip -j rule` has them: `"NAME": VALUE`. */
  readonly unknown?: readonly string[];
}

export interface SnapshotProcess {
  readonly pid: number;
  /** As the kernel has it: at most 15 bytes. */
  readonly name: string;
  readonly args: readonly string[];
  /** The systemd service or scope. */
  readonly unit?: string;
  /** The container that it runs in: 64 hexadecimal digits. */
  readonly container?: string;
}

/** A socket that takes from anybody: TCP in LISTEN, UDP without a peer. */
export interface SnapshotSocket {
  readonly protocol: 'tcp' | 'udp';
  /** Those in which it can be reached; both for most sockets bound to `::`. */
  readonly families: readonly IpFamily[];
  /** `0.0.0.0` and `::` stand for all. */
  readonly address: string;
  readonly port: number;
  /** User id of its maker. */
  readonly uid: number;
  /** Lowest pid first; none for the kernel's own sockets and those of processes that may not be looked at. */
  readonly processes: readonly SnapshotProcess[];
}

export type SnapshotEngine = 'docker' | 'podman';

export interface SnapshotContainer {
  readonly engine: SnapshotEngine;
  readonly id: string;
  readonly names: readonly string[];
  readonly image: string;
  readonly networks: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  /** Published ports: `address` and `port` are the host's. */
  readonly ports: readonly {
    readonly protocol: 'tcp' | 'udp' | 'sctp';
    readonly address: string;
    readonly port: number;
    readonly containerPort: number;
  }[];
}

export interface SnapshotNetwork {
  readonly engine: SnapshotEngine;
  readonly id: string;
  readonly name: string;
  /** The host's interface for it. */
  readonly bridge: string;
}

export interface SnapshotEnd {
  readonly src: string;
  readonly dst: string;
  /** Absent for protocols without ports. */
  readonly sport?: number;
  readonly dport?: number;
}

/** A flow that conntrack knows. */
export interface SnapshotFlow {
  readonly family: IpFamily;
  /** The number. */
  readonly protocol: number;
  /** Of TCP and its like: `ESTABLISHED`, … */
  readonly state?: string;
  /** What the first packet said. */
  readonly original: SnapshotEnd;
  /** What an answer says: other ends than the original's where NAT is at work. */
  readonly reply: SnapshotEnd;
  /** `UNREPLIED`, `ASSURED`, `OFFLOAD`, … */
  readonly flags: readonly string[];
  readonly mark?: number;
  readonly zone?: number;
  /** Seconds until it is forgotten. */
  readonly timeout?: number;
}

/** Something that may take packets past the rules, or drop them before. */
export interface SnapshotBypass {
  readonly kind: 'xdp' | 'tc' | 'netfilter program' | 'flowtable' | 'ipvs';
  readonly device?: string;
  /** What it is, in words of the program that told it. */
  readonly detail: string;
}

/** What could not be read, and why, in words: a snapshot with any of these is not the whole truth. */
export interface SnapshotMissing {
  readonly what: string;
  readonly why: string;
}

/**
 * One machine at one time. Lists that could not be read are absent, empty lists are known to be empty. Addresses and
 * prefixes are canonical text. A reader passes over fields that it does not know.
 */
export interface Snapshot {
  readonly format: typeof SNAPSHOT_FORMAT;
  readonly version: typeof SNAPSHOT_VERSION;
  /** ISO 8601, UTC. */
  readonly taken: string;
  readonly hostname: string;
  /** `uname -r`. */
  readonly kernel: string;
  /** Names and addresses were replaced: `moat snapshot --redact`. */
  readonly redacted?: true;
  /** The rules stood still while they were read. */
  readonly consistent: boolean;
  readonly rulesets: SnapshotRulesets;
  readonly links?: readonly SnapshotLink[];
  readonly routes?: readonly SnapshotRoute[];
  readonly rules?: readonly SnapshotRule[];
  /** By path under /proc/sys: `net/ipv4/ip_forward`. */
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly sockets?: readonly SnapshotSocket[];
  readonly containers?: readonly SnapshotContainer[];
  readonly networks?: readonly SnapshotNetwork[];
  /** Only on request. */
  readonly flows?: readonly SnapshotFlow[];
  readonly bypasses?: readonly SnapshotBypass[];
  readonly missing: readonly SnapshotMissing[];
}
