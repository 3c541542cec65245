// One packet out of a set, sent through the rules: who lets it through, where it ends, and what remains unknown about it.
import type { Address } from '../net/address.ts';
import { parsePrefix, prefixInterval } from '../net/prefix.ts';
import { addressTypes, longestFirst } from '../semantics/address-types.ts';
import { fixFields } from '../space/packet-fields.ts';
import {
  examplePacket,
  fieldsOf,
  intersectPackets,
  type PacketFields,
  type PacketMatch,
  packetsWhere,
} from '../space/packet-set.ts';
import type { PacketSet } from '../space/packet-space.ts';
import type { Analysis, FreeBit } from '../symbolic/analysis.ts';
import type { WalkFunction, WalkPacket, WalkResult } from '../walk/walk.ts';

export interface Example {
  readonly packet: WalkPacket;
  readonly result: WalkResult;
  /** The destination after translation; undefined where nobody knows. */
  readonly address: Address | undefined;
  readonly port: number | undefined;
  /** It ends on this host. */
  readonly here: boolean;
  /** What decides about it and cannot be known. */
  readonly doubts: readonly FreeBit[];
}

/** Fields that say how a packet fares, not how it comes. */
const OF_THE_WAY: ReadonlySet<string> = new Set([
  'oif',
  'mark',
  'ctmark',
  'status',
  'label',
  'ctdir',
  'early state',
  'osrc',
  'odst',
  'osport',
  'odport',
]);

/** Sources for examples, if they get through: out of networks for documentation, else no private ones. */
const STRANGERS = {
  ipv4: ['198.51.100.0/24', '203.0.113.0/24', '8.0.0.0/7', '64.0.0.0/3'],
  ipv6: ['2001:db8::/32', '2000::/3'],
} as const;

/** Walks an example out of `among` with these values; undefined: there is none. `unsure`: what decides about it is wanted. */
export function exampleOf(
  analysis: Analysis,
  walk: WalkFunction,
  among: PacketSet,
  where: PacketMatch,
  unsure: boolean,
): Example | undefined {
  const { space, family, host, free } = analysis;
  const set = intersectPackets(among, packetsWhere(space, where));
  const fields = examplePacket(set, likely(analysis));
  if (fields === undefined) return undefined;
  const kept = Object.entries(fields).filter(
    ([name]) => !OF_THE_WAY.has(name) && !free.has(name) && !(name === 'daddrtype' && host !== undefined),
  );
  const known: PacketFields = Object.fromEntries(kept);
  const first = walk({ family, hook: 'input', fields: known });
  const { dst, dport } = first.fields;
  const address = typeof dst === 'object' ? dst : undefined;
  const port = typeof dport === 'number' ? dport : undefined;
  const redirected = first.path.some(({ verdict }) => verdict.kind === 'nat' && verdict.type === 'redirect');
  const moved = first.path.some(({ verdict, hook }) => verdict.kind === 'nat' && hook === 'prerouting');
  const here =
    host === undefined
      ? redirected || !moved
      : redirected || (address !== undefined && isOwn(analysis, address));
  const doubts = unsure ? doubtsOf(analysis, among, fields) : [];
  const packet: WalkPacket = here
    ? { family, hook: 'input', fields: known }
    : { family, hook: 'forward', fields: { ...known, ...wayOut(analysis, fields, address) } };
  return { packet, result: here ? first : walk(packet), address, port, here, doubts };
}

const wishes = new WeakMap<Analysis, readonly PacketSet[]>();

/** What an example should be like if it can. */
function likely(analysis: Analysis): readonly PacketSet[] {
  const { space, family } = analysis;
  const known = wishes.get(analysis);
  if (known !== undefined) return known;
  const made = [
    ...STRANGERS[family].map((text) => packetsWhere(space, { src: prefixInterval(networkOf(text)) })),
    packetsWhere(space, { sport: { first: 32768, last: 60999 } }),
  ];
  wishes.set(analysis, made);
  return made;
}

/** The unknowns that still decide once all that can be known of the packet is known. */
function doubtsOf({ free }: Analysis, among: PacketSet, fields: PacketFields): readonly FreeBit[] {
  const known = Object.fromEntries(Object.entries(fields).filter(([name]) => !free.has(name)));
  return fieldsOf(fixFields(among, known)).flatMap((name) => free.get(name) ?? []);
}

function networkOf(text: string) {
  const parsed = parsePrefix(text);
  if (!('prefix' in parsed)) throw new Error(`not a network: ${text}`);
  return parsed.prefix;
}

function isOwn({ host, family }: Analysis, { value }: Address): boolean {
  const own = (host && addressTypes(host, family)?.['local']) ?? [];
  return own.some(({ first, last }) => first <= value && value <= last);
}

/** By the routes where they are known, else as the set has it. */
function wayOut(
  { host, family }: Analysis,
  fields: PacketFields,
  address: Address | undefined,
): PacketFields {
  if (host === undefined || host.missing.includes('routes'))
    return fields['oif'] === undefined ? {} : { oif: fields['oif'] };
  if (address === undefined) return {};
  const route = longestFirst(
    host.routes.filter((each) => each.family === family && each.type === 'unicast'),
  ).find(({ prefix }) => {
    const { first, last } = prefixInterval(prefix);
    return first <= address.value && address.value <= last;
  });
  const device = route?.nextHops.find(({ dead }) => !dead)?.device;
  return device === undefined ? {} : { oif: device };
}
