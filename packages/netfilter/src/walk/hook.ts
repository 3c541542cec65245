// The way of one packet through one table at one hook: what this table alone has to say.
import { CT_STATUS, ICMP_TYPES, ICMPV6_TYPES } from '../model/names.ts';
import type { Hook, Rule, Table } from '../model/ruleset.ts';
import type { Address, IpFamily } from '../net/address.ts';
import type { FieldValue } from '../space/field-match.ts';
import { NO_INTERFACE } from '../space/fields.ts';
import type { Slots } from './cell.ts';
import { packetCells } from './packet.ts';
import type { WalkVerdict } from './position.ts';
import { compiler } from './program.ts';
import { runStages } from './run.ts';
import { type Stage, stagesOf } from './stages.ts';
import { coreSlots, resultOf } from './walk.ts';

/** A packet with what the kernel knows about it. Ports are absent in protocols without them. */
export interface Packet {
  /** A name as nft prints it: `tcp`, `udp`, `icmp`, `ipv6-icmp`, `esp`… */
  readonly protocol: string;
  readonly source: Address;
  readonly destination: Address;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** ICMP type by nft's name. */
  readonly icmpType?: string;
  readonly hopLimit?: number;
  readonly inInterface?: string;
  readonly outInterface?: string;
  readonly state: 'new' | 'established' | 'related' | 'invalid' | 'untracked';
  /** What `fib daddr type` answers on the host. */
  readonly destinationType: 'local' | 'broadcast' | 'multicast' | 'anycast' | 'unicast';
  /** Words of `ct status` that hold for the flow (`dnat`, `snat`, …). */
  readonly statuses?: ReadonlySet<string>;
  /** Bits of the flow's conntrack label; a walk returns those that the rules set on the way. */
  readonly labels: ReadonlySet<number>;
}

export interface Walk {
  /** `unknown`: it depends on a rule that was not understood, or on what the packet does not say. */
  readonly verdict: WalkVerdict;
  /** The rules that acted on the packet, the deciding one last; without a rule: the base chain's policy. */
  readonly path: readonly { readonly chain: string; readonly rule: Rule | undefined }[];
  readonly labels: ReadonlySet<number>;
}

interface Prepared {
  readonly stages: readonly Stage[];
  readonly slots: Slots;
}

const prepared = new WeakMap<Table, Map<string, Prepared>>();

function prepare(table: Table, hook: Hook, family: IpFamily): Prepared {
  const ofTable = prepared.get(table) ?? new Map<string, Prepared>();
  prepared.set(table, ofTable);
  const key = `${family} ${hook}`;
  const known = ofTable.get(key);
  if (known !== undefined) return known;
  const slots = coreSlots();
  const compile = compiler({ slots, host: undefined, ipsets: undefined, withinLimits: true });
  const made = { stages: stagesOf({ tables: [table] }, family, [hook], compile, slots, true), slots };
  ofTable.set(key, made);
  return made;
}

/**
 * Sends the packet through the table's base chains at `hook`, by priority. Rates and quotas count as not exceeded.
 * Tables of other owners at the same hook may still drop what is accepted here.
 */
export function walkHook(table: Table, hook: Hook, packet: Packet): Walk {
  const { family } = packet.source;
  const { stages, slots } = prepare(table, hook, family);
  const way = hook === 'forward' || hook === 'output' ? hook : 'input';
  const cells = packetCells({ family, hook: way, fields: fieldsOfPacket(packet) }, slots);
  const result = resultOf(runStages(stages, cells, true), slots, family, true);
  const path = result.path.flatMap(({ chain, rule, verdict: { kind } }) =>
    kind === 'set' || kind === 'return' ? [] : [{ chain, rule }],
  );
  const [unknown] = result.unknowns;
  if (result.verdict === 'unknown' && unknown?.chain !== undefined) {
    path.push({ chain: unknown.chain, rule: unknown.rule });
  }
  return { verdict: result.verdict, path, labels: labelsOf(result.fields['label']) ?? packet.labels };
}

function fieldsOfPacket(packet: Packet): Readonly<Record<string, FieldValue>> {
  const type = packet.icmpType;
  const types = packet.source.family === 'ipv4' ? ICMP_TYPES : ICMPV6_TYPES;
  return defined({
    proto: packet.protocol,
    src: packet.source,
    dst: packet.destination,
    sport: packet.sourcePort,
    dport: packet.destinationPort,
    icmptype: type === undefined ? undefined : types.get(type),
    ttl: packet.hopLimit,
    iif: packet.inInterface ?? NO_INTERFACE,
    oif: packet.outInterface ?? NO_INTERFACE,
    state: packet.state,
    daddrtype: packet.destinationType,
    status: [...(packet.statuses ?? [])].reduce((bits, word) => bits | (CT_STATUS.get(word) ?? 0), 0),
    label: [...packet.labels].reduce((bits, label) => bits | (1n << BigInt(label)), 0n),
  });
}

function defined(fields: Record<string, FieldValue | undefined>): Record<string, FieldValue> {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Record<string, FieldValue>;
}

/** undefined: no rule looks at labels. */
function labelsOf(label: FieldValue | undefined): ReadonlySet<number> | undefined {
  if (typeof label !== 'bigint') return undefined;
  const labels = new Set<number>();
  for (let bit = 0; bit < 128; bit++) if ((label >> BigInt(bit)) & 1n) labels.add(bit);
  return labels;
}
