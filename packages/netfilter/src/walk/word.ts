// Word fields as the kernel's numbers for the words.
import { ADDRESS_TYPES, CT_STATES, PACKET_TYPES } from '../model/names.ts';

const STATES: ReadonlySet<string> = new Set(['state', 'early state']);

/** The words of the field, or undefined where it has none. */
export function wordsOf(field: string): ReadonlyMap<string, number> | undefined {
  if (STATES.has(field)) return CT_STATES;
  if (field === 'pkttype') return PACKET_TYPES;
  return /^(?:[ds]addrtype$|type of )/.test(field) ? ADDRESS_TYPES : undefined;
}

/** Bits that hold every number of a word field. */
export const WORD_BITS = 8;

/** Fields of which rules ask for single bits. */
export function hasBits(field: string): boolean {
  return STATES.has(field) || field === 'tcpflags' || field === 'status' || field === 'label';
}
