// What may take packets past netfilter's rules: XDP, tc, BPF programs, flowtables, IPVS.
import { readFileSync } from 'node:fs';
import type { SnapshotBypass, SnapshotMissing } from '@moat/netfilter';
import type { HostLinks } from './host-links.ts';
import { askFor } from './tool.ts';

export interface Bypasses {
  readonly bypasses: readonly SnapshotBypass[];
  readonly missing: readonly SnapshotMissing[];
}

/** Filters of tc and BPF programs, which programs of their own tell of. */
export async function readAttached(): Promise<Bypasses> {
  const missing: SnapshotMissing[] = [];
  const seen = async (what: string, reading: Promise<SnapshotBypass[]>): Promise<SnapshotBypass[]> => {
    try {
      return await reading;
    } catch (error) {
      missing.push({ what, why: (error as Error).message });
      return [];
    }
  };
  const bypasses = await Promise.all([
    seen('filters of tc', readTc()),
    // Those at tcx and netkit hooks, which tc does not list, and those that hang into netfilter itself.
    seen('BPF programs at tcx and netfilter hooks', askFor('bpftool', ['-j', 'net', 'show'], parseBpfNet)),
  ]);
  return { bypasses: bypasses.flat(), missing };
}

/** All of them. `nft`: the parsed listing, for its flowtables. */
export function bypassesOf(
  attached: Bypasses,
  xdp: HostLinks['xdp'],
  nft: unknown,
  proc = '/proc',
): SnapshotBypass[] {
  return [
    ...xdp.map(({ device, program }) => ({
      kind: 'xdp' as const,
      device,
      detail: program === undefined ? 'program' : `program ${program}`,
    })),
    ...attached.bypasses,
    ...flowtables(nft),
    ...parseIpvs(readIfThere(`${proc}/self/net/ip_vs`)),
  ];
}

/** Filters exist only at an ingress or clsact qdisc, which few interfaces have. */
async function readTc(): Promise<SnapshotBypass[]> {
  type Qdisc = { readonly kind: string; readonly dev: string };
  const qdiscs = await askFor('tc', ['-j', 'qdisc', 'show'], (text) => JSON.parse(text || '[]') as Qdisc[]);
  const doors = qdiscs
    .filter(({ kind }) => kind === 'ingress' || kind === 'clsact')
    .flatMap(({ kind, dev }) =>
      (kind === 'clsact' ? ['ingress', 'egress'] : ['ingress']).map((side) => [dev, side] as const),
    );
  const told = await Promise.all(
    doors.map(([dev, side]) =>
      askFor('tc', ['-j', 'filter', 'show', 'dev', dev, side], (text) => parseTcFilters(text, dev, side)),
    ),
  );
  return told.flat();
}

/** One for each kind of filter at that place: `ingress: matchall, drop`. */
export function parseTcFilters(json: string, device: string, side: string): SnapshotBypass[] {
  type Filter = {
    readonly kind?: string;
    readonly options?: {
      readonly bpf_name?: string;
      readonly actions?: readonly { readonly kind?: string; readonly control_action?: { type?: string } }[];
    };
  };
  const details = (JSON.parse(json || '[]') as Filter[]).flatMap(({ kind, options }) => {
    if (kind === undefined || options === undefined) return [];
    const deeds = (options.actions ?? []).map(
      ({ kind: action, control_action }) => `${action} ${control_action?.type ?? ''}`,
    );
    return [`${side}: ${[kind, options.bpf_name, ...deeds].filter(Boolean).join(', ').trim()}`];
  });
  return [...new Set(details)].map((detail) => ({ kind: 'tc', device, detail }));
}

export function parseBpfNet(json: string): SnapshotBypass[] {
  type Program = {
    readonly devname?: string;
    readonly kind?: string;
    readonly name?: string;
    readonly prog_id?: number;
    readonly id?: number;
  };
  type Answer = { readonly tc?: readonly Program[]; readonly netfilter?: readonly Program[] };
  return (JSON.parse(json || '[]') as Answer[]).flatMap(({ tc = [], netfilter = [] }) => [
    ...tc
      .filter(({ kind }) => /^(?:tcx|netkit)\//.test(kind ?? ''))
      .map(({ devname, kind, name, prog_id }) => ({
        kind: 'tc' as const,
        ...(devname === undefined ? {} : { device: devname }),
        detail: [kind, name, `program ${prog_id}`].filter(Boolean).join(', '),
      })),
    ...netfilter.map(({ prog_id, id }) => ({
      kind: 'netfilter program' as const,
      detail: `program ${prog_id ?? id}`,
    })),
  ]);
}

function flowtables(nft: unknown): SnapshotBypass[] {
  type Flowtable = { family: string; table: string; name: string; dev?: string | readonly string[] };
  const items = (nft as { nftables?: readonly { flowtable?: Flowtable }[] } | undefined)?.nftables ?? [];
  return items.flatMap(({ flowtable }) => {
    if (flowtable === undefined) return [];
    const { family, table, name, dev = [] } = flowtable;
    return [{ kind: 'flowtable', detail: `${family} ${table} ${name} (${[dev].flat().join(', ')})` }];
  });
}

/** Virtual services: `TCP  C0000201:0050 rr`, `UDP  [2001:0db8:…]:0035 wlc`, `FWM  00000001 rr` (ip_vs_ctl.c). */
export function parseIpvs(text: string): SnapshotBypass[] {
  return text.split('\n').flatMap((line) => {
    const [, protocol, place] = /^(TCP|UDP|SCTP|FWM)\s+(\S+)/.exec(line) ?? [];
    if (protocol === undefined || place === undefined) return [];
    if (protocol === 'FWM') return [{ kind: 'ipvs', detail: `mark ${Number.parseInt(place, 16)}` }];
    const [, ipv4, ipv6, port = ''] = /^(?:([0-9A-F]{8})|\[(.*)\]):([0-9A-F]{4})$/.exec(place) ?? [];
    const octets = ipv4?.match(/../g)?.map((octet) => Number.parseInt(octet, 16));
    const address = octets?.join('.') ?? `[${ipv6}]`;
    const detail = `${protocol.toLowerCase()} ${address}:${Number.parseInt(port, 16)}`;
    return [{ kind: 'ipvs', detail }];
  });
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
