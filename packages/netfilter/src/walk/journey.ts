// The whole way of one packet through a host: the rules before routing, where routing takes it, and the rules there.
import type { Host } from '../model/host.ts';
import type { Ruleset } from '../model/ruleset.ts';
import { type Address, formatAddress, type IpFamily } from '../net/address.ts';
import { type Routing, routePacket } from '../semantics/route-lookup.ts';
import type { FieldValue } from '../space/field-match.ts';
import { NO_INTERFACE } from '../space/fields.ts';
import type { PacketFields } from '../space/packet-set.ts';
import { plainPacket } from './plain-packet.ts';
import type { WalkHook } from './stages.ts';
import { type PrepareOptions, prepareWalk, type WalkPacket, type WalkResult } from './walk.ts';

/** A packet as it comes to the host, or as a process of the host sends it. */
export interface JourneyPacket {
  readonly family: IpFamily;
  /** Where it goes; left out for what comes in: routing decides. */
  readonly hook?: WalkHook | undefined;
  /** What is left out is not known. */
  readonly fields: PacketFields;
}

export interface Journey {
  /** As it was walked, with what `plainPacket` adds. */
  readonly packet: WalkPacket;
  readonly result: WalkResult;
  /** A rule sent it to another destination: where to, as far as that is known for sure. */
  readonly translated?: { readonly dst: Address | undefined; readonly dport: number | undefined };
  /** The rules let it pass, and routing ends it all the same. */
  readonly ended?: 'no route' | 'blackhole' | 'unreachable' | 'prohibit' | 'forwarding is off';
  /** Where it would go depends on what is not known. */
  readonly divided?: boolean;
}

/** A function that plays packets from their beginning to their end on this host. */
export function prepareJourney(
  ruleset: Ruleset,
  host?: Host,
  options: PrepareOptions = {},
): (packet: JourneyPacket) => Journey {
  const walk = prepareWalk(ruleset, host, options);
  const at = (family: IpFamily, hook: WalkHook, fields: PacketFields): Journey => {
    const packet = plainPacket({ family, hook, fields }, host);
    const result = walk(packet);
    const turned = result.path.some(({ verdict }) => verdict.kind === 'nat' && TURNS.has(verdict.type));
    if (!turned) return { packet, result };
    const { dst, dport } = result.fields;
    const translated = {
      dst: typeof dst === 'object' ? (dst as Address) : undefined,
      dport: typeof dport === 'number' ? dport : undefined,
    };
    return { packet, result, translated };
  };
  return ({ family, hook, fields }) => {
    if (hook !== undefined) return at(family, hook, fields);
    const input = at(family, 'input', fields);
    if (input.result.path.at(-1)?.hook === 'prerouting' && isFinal(input.result)) return input;
    const routing = routingFor(input, host);
    switch (routing.kind) {
      case 'here':
        return input;
      case 'nowhere':
        return endedBy(input, routing.why);
      case 'out': {
        const { device } = routing;
        const oif: PacketFields = device === undefined ? {} : { oif: device };
        const forward = at(family, 'forward', { ...fields, ...dialled(input), ...oif });
        return forwards(host, family) ? forward : endedBy(forward, 'forwarding is off');
      }
      case 'unknown': {
        const forward = at(family, 'forward', { ...fields, ...dialled(input) });
        if (forward.result.verdict === input.result.verdict) return { ...input, divided: true };
        return { ...input, divided: true, result: { ...input.result, verdict: 'unknown' } };
      }
      default:
        throw new Error(routing satisfies never);
    }
  };
}

const TURNS: ReadonlySet<string> = new Set(['dnat', 'redirect', 'netmap']);

function isFinal({ verdict }: WalkResult): boolean {
  return verdict === 'drop' || verdict === 'reject';
}

/** Where it goes with the destination that the rules before routing left it. */
function routingFor({ packet, result, translated }: Journey, host: Host | undefined): Routing {
  const { family, fields } = packet;
  const redirected = result.path.some(({ verdict }) => verdict.kind === 'nat' && verdict.type === 'redirect');
  if (redirected) return { kind: 'here' };
  if (translated === undefined && fields['state'] === 'new' && result.fields['status'] === undefined)
    return { kind: 'unknown' };
  const given = fields['dst'] as Address | undefined;
  // Unless told otherwise it is dialled at an address of this host.
  const dst = translated === undefined ? given : translated.dst;
  if (dst === undefined) return { kind: translated === undefined ? 'here' : 'unknown' };
  if (host === undefined) {
    if (translated === undefined || (given !== undefined && formatAddress(given) === formatAddress(dst)))
      return { kind: 'here' };
    return { kind: 'out' };
  }
  const { src, iif, proto, sport, dport } = fields;
  return routePacket(host, {
    family,
    dst,
    src: src as Address | undefined,
    iif: typeof iif === 'string' && iif !== NO_INTERFACE ? iif : undefined,
    proto: numberOf(proto),
    sport: numberOf(sport),
    dport: numberOf(dport),
    mark: numberOf(result.fields['mark']),
  });
}

function numberOf(value: FieldValue | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

/** What was taken for an address of this host is one on the way to another host as well. */
function dialled({ packet }: Journey): PacketFields {
  const { daddrtype } = packet.fields;
  return daddrtype === undefined ? {} : { daddrtype };
}

/** Only the rules before routing saw it. */
function endedBy(journey: Journey, why: NonNullable<Journey['ended']>): Journey {
  const { result } = journey;
  const path = result.path.filter(({ hook }) => hook === 'prerouting');
  return { ...journey, ended: why, result: { ...result, verdict: 'drop', path } };
}

/** What could not be read may be on. */
function forwards(host: Host | undefined, family: IpFamily): boolean {
  const path = family === 'ipv4' ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding';
  return host?.sysctls[path] !== '0';
}
