// Which rule decided about a packet before, and which one decides about it after.
import type { Host } from '../model/host.ts';
import type { Ruleset } from '../model/ruleset.ts';
import { prefixInterval } from '../net/prefix.ts';
import { addressTypes, longestFirst } from '../semantics/address-types.ts';
import { NO_INTERFACE } from '../space/fields.ts';
import type { PacketFields } from '../space/packet-set.ts';
import type { WalkStep } from '../walk/step.ts';
import {
  prepareWalk,
  type WalkFunction,
  type WalkPacket,
  type WalkResult,
  type WalkVerdict,
} from '../walk/walk.ts';
import type { DifferenceBox } from './difference-boxes.ts';

/** What happens to the example of a difference. */
export interface Fate {
  readonly verdict: WalkVerdict;
  /** The rule that decides, or the policy; absent: nothing decides, or nobody knows. */
  readonly step?: WalkStep;
}

export interface DifferenceCause {
  readonly packet: WalkPacket;
  readonly before: Fate;
  readonly after: Fate;
}

/** Fields that others than the sender write, and that a first packet has not. */
const LATER: ReadonlySet<string> = new Set([
  'status',
  'ctmark',
  'label',
  'ctdir',
  'osrc',
  'odst',
  'osport',
  'odport',
]);

/** A function that walks the example of a difference through both rulesets, which are prepared once. */
export function differenceCauses(
  before: Ruleset,
  after: Ruleset,
  family: WalkPacket['family'],
  host?: Host,
): (difference: Pick<DifferenceBox, 'road' | 'example'>) => DifferenceCause {
  const walks = [prepareWalk(before, host), prepareWalk(after, host)] as const;
  return ({ road, example }) => {
    const kept = Object.entries(example).filter(
      ([name, value]) =>
        !name.startsWith('free ') &&
        name !== 'early state' &&
        name !== 'mark' &&
        !(name === 'daddrtype' && host !== undefined) &&
        !(LATER.has(name) && example['state'] === 'new') &&
        !((name === 'iif' || name === 'oif') && value === NO_INTERFACE),
    );
    const fields: PacketFields = Object.fromEntries(kept);
    const hook = road === 'forward' || example['iif'] === NO_INTERFACE ? roadHook(road) : 'input';
    const packet: WalkPacket = { family, hook, fields };
    const was = throughOne(walks[0], packet, host);
    const is = throughOne(walks[1], packet, host);
    return { packet, before: fateOf(was, is), after: fateOf(is, was) };
  };
}

function roadHook(road: DifferenceBox['road']): WalkPacket['hook'] {
  return road === 'forward' ? 'forward' : 'output';
}

/** A rule may send it to another machine; then it goes the way of what is passed on. */
function throughOne(walk: WalkFunction, packet: WalkPacket, host: Host | undefined): WalkResult {
  const result = walk(packet);
  if (packet.hook !== 'input') return result;
  const moved = result.path.findLast(({ verdict }) => verdict.kind === 'nat');
  if (moved?.verdict.kind !== 'nat' || moved.hook !== 'prerouting' || moved.verdict.type === 'redirect')
    return result;
  const { dst } = result.fields;
  if (typeof dst !== 'object') return result;
  const own = (host && addressTypes(host, packet.family)?.['local']) ?? [];
  if (own.some(({ first, last }) => first <= dst.value && dst.value <= last)) return result;
  const oif = wayOut(host, packet.family, dst.value) ?? packet.fields['oif'];
  const { oif: _, ...fields } = packet.fields;
  return walk({ ...packet, hook: 'forward', fields: oif === undefined ? fields : { ...fields, oif } });
}

function wayOut(host: Host | undefined, family: WalkPacket['family'], to: bigint): string | undefined {
  const routes = host?.routes.filter((each) => each.family === family && each.type === 'unicast') ?? [];
  const route = longestFirst(routes).find(({ prefix }) => {
    const { first, last } = prefixInterval(prefix);
    return first <= to && to <= last;
  });
  return route?.nextHops.find(({ dead }) => !dead)?.device;
}

/**
 * The last step refuses. What lets a packet in are all chains together: named is the first rule that the other ruleset
 * does not have, else the last rule that accepts.
 */
function fateOf({ verdict, path }: WalkResult, other: WalkResult): Fate {
  if (verdict === 'unknown') return { verdict };
  if (verdict !== 'accept') {
    const step = path.at(-1);
    return step === undefined ? { verdict } : { verdict, step };
  }
  const accepting = path.filter((step) => step.verdict.kind === 'accept');
  const elsewhere = new Set(other.path.map(placeOf));
  const own = accepting.filter((step) => step.rule !== undefined);
  const step = own.find((each) => !elsewhere.has(placeOf(each))) ?? own.at(-1) ?? accepting.at(-1);
  return step === undefined ? { verdict } : { verdict, step };
}

function placeOf({ table, chain, rule }: WalkStep): string {
  const text = JSON.stringify(rule?.statements ?? null, (key, value: unknown) =>
    key === 'packets' || key === 'bytes' ? 0 : typeof value === 'bigint' ? String(value) : value,
  );
  return `${table.family} ${table.name} ${chain} ${text}`;
}
