// Connection tracking on the way: what it knows of a packet, and how rules keep it away.
import { CT_STATES } from '../model/names.ts';
import type { Ruleset } from '../model/ruleset.ts';
import { bitsOf, type IpFamily } from '../net/address.ts';
import type { Cell, Slots } from './cell.ts';
import { type Context, NEXT, type Part } from './step.ts';
import { WORD_BITS } from './word.ts';

const state = (name: string): number => CT_STATES.get(name)!;
const [INVALID, NEW, UNTRACKED] = [state('invalid'), state('new'), state('untracked')];
const RELATED = state('related');

/** nft_ct.c nft_notrack_eval: a packet that has its entry keeps it. */
export function compileNotrack({ place, slots }: Context): Part {
  const slot = slots.of(place.early ? 'early state' : 'state', WORD_BITS);
  return {
    effect: true,
    step: ({ cells, did }) => {
      if (place.early || cells[slot] === INVALID) cells[slot] = UNTRACKED;
      did?.push({ kind: 'notrack' });
      return NEXT;
    },
  };
}

/**
 * What happens at priority -200: the packet becomes untracked if a rule said so, and a new flow gets its entry, with the
 * packet's addresses as its tuple.
 */
export function tracking(slots: Slots, family: IpFamily): (cells: Cell[]) => void {
  const early = slots.of('early state', WORD_BITS);
  const now = slots.of('state', WORD_BITS);
  const address = bitsOf(family);
  const fields: readonly (readonly [string, string, number])[] = [
    ['osrc', 'src', address],
    ['odst', 'dst', address],
    ['osport', 'sport', 16],
    ['odport', 'dport', 16],
    ['reply osrc', 'dst', address],
    ['reply odst', 'src', address],
    ['reply osport', 'dport', 16],
    ['reply odport', 'sport', 16],
  ];
  const tuple = fields.map(([to, from, bits]) => [slots.of(to, bits), slots.of(from, bits)] as const);
  const zeros = ['ctmark', 'status', 'ctdir', 'zone'].map((field) =>
    slots.of(field, { ctmark: 32, status: 16, ctdir: 1, zone: 16 }[field]!),
  );
  const label = slots.of('label', 128);
  const protocol = slots.of('proto', 8);
  // An error is told of by another protocol than that of its flow.
  const ofFlow = slots.of('oproto', 8);
  return (cells) => {
    if (cells[early] === UNTRACKED) cells[now] = UNTRACKED;
    const isError = cells[now] === RELATED && (cells[protocol] === 1 || cells[protocol] === 58);
    if (!isError) cells[ofFlow] ??= cells[protocol];
    if (cells[now] !== NEW) return;
    for (const [to, from] of tuple) cells[to] ??= cells[from];
    for (const slot of zeros) cells[slot] ??= 0;
    cells[label] ??= 0n;
  };
}

/**
 * Whether anything switches connection tracking on. Without it a chain of type nat is never called, since that has
 * nothing to do for packets without an entry.
 */
export function usesConntrack({ tables }: Ruleset): boolean {
  const asks = (node: unknown): boolean => {
    if (typeof node !== 'object' || node === null) return false;
    if (Array.isArray(node)) return node.some(asks);
    const { kind } = node as { kind?: unknown };
    if (typeof kind === 'string' && TRACKING.has(kind)) return true;
    return Object.values(node).some(asks);
  };
  return tables.some(({ chains, maps }) =>
    asks([chains.map(({ rules }) => rules.map(({ statements }) => statements)), maps ?? []]),
  );
}

/** What is not understood may use it. */
const TRACKING: ReadonlySet<string> = new Set([
  'ct',
  'nat',
  'notrack',
  'ct count',
  'synproxy',
  'flow',
  'object',
  'unknown',
]);
