// A packet as it is given → what a walk knows of it, and back.

import { CT_STATES } from '../model/names.ts';
import type { Address, IpFamily } from '../net/address.ts';
import { protocolNumber } from '../net/protocol.ts';
import type { FieldValue } from '../space/field-match.ts';
import { NO_INTERFACE } from '../space/fields.ts';
import type { PacketFields } from '../space/packet-set.ts';
import { type Cell, type Slots, scalar } from './cell.ts';
import type { WalkHook } from './stages.ts';
import { wordsOf } from './word.ts';

/** A packet before the first hook, with what is known of it. */
export interface WalkPacket {
  readonly family: IpFamily;
  /** Where it is going: to this host, through it, or out of it. */
  readonly hook: WalkHook;
  /** By the names that packet sets have for them; what is left out is not known. */
  readonly fields: PacketFields;
}

const ICMP: readonly Cell[] = [1, 58];

/** The cells of a packet, for fields that rules read. */
export function packetCells({ hook, fields }: WalkPacket, slots: Slots): Cell[] {
  const cells: Cell[] = slots.names.map((name, slot) => {
    const value = fields[name];
    return value === undefined ? usual(name, hook, fields) : cellFrom(name, value, slots.bits[slot]!);
  });
  fillIcmp(fields, cells, slots);
  const traffic = slots.names.findIndex((name) => name === '@nh,8,8' || name === '@nh,4,8');
  if (traffic >= 0 && typeof fields['dscp'] === 'number' && typeof fields['ecn'] === 'number') {
    cells[traffic] ??= fields['dscp'] * 4 + fields['ecn'];
  }
  return cells;
}

function cellFrom(name: string, value: FieldValue, bits: number): Cell {
  if (typeof value === 'object') return scalar((value as Address).value, bits);
  if (typeof value !== 'string') return scalar(BigInt(value), bits);
  if (bits === 0) return value === NO_INTERFACE ? '' : value;
  return wordsOf(name)?.get(value) ?? (name === 'proto' ? protocolNumber(value) : undefined);
}

const STATES: Cell = {
  among: [...CT_STATES.values()].sort((a, b) => a - b).map((state) => ({ first: state, last: state })),
};

/** What is so on every host, or as good as: the mark is for the host itself to set. */
function usual(name: string, hook: WalkHook, fields: PacketFields): Cell {
  switch (name) {
    case 'early state':
      // What starts untracked has been given up by somebody before.
      return CT_STATES.get(fields['state'] === 'untracked' ? 'untracked' : 'invalid');
    case 'state':
      return STATES;
    case 'no interface':
      return '';
    case 'mark':
      return 0;
    case 'socket':
      if (fields['uid'] !== undefined || fields['gid'] !== undefined) return 1;
      return hook === 'forward' ? 0 : undefined;
    default:
      return undefined;
  }
}

/** Type and code stand where other protocols have their port. */
function fillIcmp(fields: PacketFields, cells: Cell[], slots: Slots): void {
  const port = fields['dport'];
  if (typeof port !== 'number' || !ICMP.includes(cells[slots.of('proto', 8)])) return;
  cells[slots.of('icmptype', 8)] ??= port >> 8;
  cells[slots.of('icmpcode', 8)] ??= port & 255;
}

/** What is known for sure, by field. Words are words again. */
export function fieldsOf(cells: readonly Cell[], slots: Slots, family: IpFamily): PacketFields {
  const fields: Record<string, FieldValue> = {};
  for (const [slot, name] of slots.names.entries()) {
    const value = cells[slot];
    if (value === undefined || typeof value === 'object' || name === 'early state' || name === 'no interface')
      continue;
    fields[name] = wordOrNumber(name, value, family);
  }
  return fields;
}

const ADDRESSES: ReadonlySet<string> = new Set(['src', 'dst', 'osrc', 'odst', 'reply osrc', 'reply odst']);

function wordOrNumber(name: string, value: number | bigint | string, family: IpFamily): FieldValue {
  if (typeof value === 'string') return value === '' ? NO_INTERFACE : value;
  if (ADDRESSES.has(name)) return { family, value: BigInt(value) };
  const words = wordsOf(name);
  if (words === undefined) return value;
  for (const [word, number] of words) if (number === value) return word;
  return value;
}
