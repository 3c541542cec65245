// What may take packets past netfilter's rules: XDP, tc, BPF programs, flowtables, IPVS.
import { readFileSync } from 'node:fs';
import type { SnapshotBypass, SnapshotMissing } from '@moat/netfilter';
import type { HostLinks } from './host-links.ts';
import { ask } from './tool.ts';

export interface Bypasses {
  readonly bypasses: readonly SnapshotBypass[];
  readonly missing: readonly SnapshotMissing[];
}

/** `nft`: the parsed listing, for its flowtables. */
export async function readBypasses(xdp: HostLinks['xdp'], nft: unknown, proc = '/proc'): Promise<Bypasses> {
  const [filters, programs] = await Promise.all([readTc(), readPrograms()]);
  return {
    bypasses: [
      ...xdp.map(({ device, program }) => ({
        kind: 'xdp' as const,
        device,
        detail: program === undefined ? 'program' : `program ${program}`,
      })),
      ...filters.bypasses,
      ...programs.bypasses,
      ...flowtables(nft),
      ...parseIpvs(readIfThere(`${proc}/self/net/ip_vs`)),
    ],
    missing: [...filters.missing, ...programs.missing],
  };
}

/** Filters exist only at an ingress or clsact qdisc, which few interfaces have. */
async function readTc(): Promise<Bypasses> {
  const what = 'filters of tc';
  const listed = await ask('tc', ['-j', 'qdisc', 'show']);
  if (!listed.ok) return { bypasses: [], missing: [{ what, why: listed.why }] };
  const doors = (JSON.parse(listed.text || '[]') as { readonly kind: string; readonly dev: string }[])
    .filter(({ kind }) => kind === 'ingress' || kind === 'clsact')
    .flatMap(({ kind, dev }) => [
      { device: dev, side: 'ingress' },
      ...(kind === 'clsact' ? [{ device: dev, side: 'egress' }] : []),
    ]);
  const told = await Promise.all(
    doors.map(async ({ device, side }): Promise<Bypasses> => {
      const filters = await ask('tc', ['-j', 'filter', 'show', 'dev', device, side]);
      if (!filters.ok) return { bypasses: [], missing: [{ what, why: filters.why }] };
      return { bypasses: parseTcFilters(filters.text, device, side), missing: [] };
    }),
  );
  return {
    bypasses: told.flatMap(({ bypasses }) => bypasses),
    missing: told.flatMap(({ missing }) => missing),
  };
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

/** Programs at tcx and netkit hooks, which tc does not list, and those that hang into netfilter itself. */
async function readPrograms(): Promise<Bypasses> {
  const told = await ask('bpftool', ['-j', 'net', 'show']);
  if (told.ok) return { bypasses: parseBpfNet(told.text), missing: [] };
  return { bypasses: [], missing: [{ what: 'BPF programs at tcx and netfilter hooks', why: told.why }] };
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
