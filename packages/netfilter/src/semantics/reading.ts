// Which field of a packet an expression reads, and what must be so that it can be read at all.
import type { Expression } from '../model/expression.ts';
import type { FreeReason } from '../model/extension.ts';
import type { Hook } from '../model/ruleset.ts';
import type { Statement } from '../model/statement.ts';
import type { IpFamily } from '../net/address.ts';
import { HEADER_FIELDS } from './header-fields.ts';

/** Where a packet is when a rule looks at it. */
export interface Place {
  readonly family: IpFamily;
  readonly hook: Hook;
  /** Before connection tracking (priority -200) has looked at the packet. */
  readonly early: boolean;
  /** At postrouting: the packet was made on this host, so that it came in by no interface. */
  readonly madeHere?: boolean;
}

/** Every kind of place of both families, for questions about any of them. */
export const PLACES: readonly Place[] = (['ipv4', 'ipv6'] as const).flatMap((family) =>
  (['prerouting', 'input', 'forward', 'output', 'postrouting'] as const).flatMap((hook) => [
    { family, hook, early: false },
    { family, hook, early: true },
  ]),
);

/**
 * What must be so that there is something to read. A packet that lacks it does not match, and neither does it match the
 * negation (nft_payload.c, nft_ct.c: NFT_BREAK); `otherwise` `free`: it reads something that is not modelled.
 */
export type Need = {
  readonly field: string;
  readonly bits: number;
  /** The values of the field with which there is something to read, in binary, or words of a word field. */
  readonly values: readonly (number | string)[];
  readonly otherwise: 'no match' | 'free';
};

/**
 * What is read. `number`: `bits` bits of a field of `of` bits, of which `low` stand below. `words`: one of a few words.
 * `name`: the name of an interface, where NO_INTERFACE is the empty name. `constant`: the same for all packets here.
 * `nothing`: this can never be read here, so the rule never matches. `free`: nobody can know.
 */
export type Reading =
  | {
      readonly kind: 'number';
      readonly field: string;
      readonly of: number;
      readonly bits: number;
      readonly low: number;
      readonly needs: readonly Need[];
    }
  | { readonly kind: 'words'; readonly field: string; readonly needs: readonly Need[] }
  | { readonly kind: 'name'; readonly field: string; readonly needs: readonly Need[] }
  | { readonly kind: 'constant'; readonly value: bigint; readonly bits: number }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'free'; readonly reason: FreeReason }
  | { readonly kind: 'unknown'; readonly raw: unknown };

/**
 * What a rejection asks for that its listing leaves out: nft puts the conditions before it and hides them again. `nothing`:
 * there is none for packets of this family.
 */
export function rejectNeeds(
  { type }: Statement & { readonly kind: 'reject' },
  { family }: Place,
): readonly Need[] | 'nothing' {
  if (type === 'tcp reset') return [protocolIs(6)];
  return type === 'icmpx' || (type === 'icmp') === (family === 'ipv4') ? [] : 'nothing';
}

/** Protocols whose header begins with a source and a destination port. */
export const PORT_PROTOCOLS: readonly number[] = [6, 17, 33, 132, 136];

const protocolIs = (...values: readonly number[]): Need => ({
  field: 'proto',
  bits: 8,
  values,
  otherwise: 'no match',
});

/** `ct mark` and the like: an invalid or untracked packet has no entry to look into. */
const TRACKED: Need = {
  field: 'state',
  bits: 0,
  values: ['new', 'established', 'related'],
  otherwise: 'no match',
};

/**
 * nft hides that it asks for this before a link address, and xt_mac.c does too: ARPHRD_ETHER of if_arp.h, which loopback
 * is not.
 */
const ETHERNET: Need = { field: 'iiftype', bits: 16, values: [1], otherwise: 'no match' };

const HEADERS: Readonly<Record<string, readonly number[]>> = {
  tcp: [6],
  udp: [17],
  udplite: [136],
  sctp: [132],
  dccp: [33],
  ah: [51],
  esp: [50],
  comp: [108],
  igmp: [2],
  gre: [47],
};

const number = (field: string, bits: number, needs: readonly Need[] = [], low = 0, of = bits): Reading => ({
  kind: 'number',
  field,
  of,
  bits,
  low,
  needs,
});

const words = (field: string, needs: readonly Need[] = []): Reading => ({ kind: 'words', field, needs });
const free = (reason: FreeReason): Reading => ({ kind: 'free', reason });
const NOTHING: Reading = { kind: 'nothing' };

/** What an expression that is no operation on others reads, seen from `place`. */
export function readingOf(expression: Expression, place: Place): Reading {
  switch (expression.kind) {
    case 'payload':
      return readPayload(expression.protocol, expression.field, place);
    case 'raw payload':
      return readRaw(expression.base, expression.offset, expression.bits, place);
    case 'meta':
      return readMeta(expression.key, place);
    case 'ct':
      // nft_ct.c: an entry of the other family has no such addresses.
      if (expression.family !== undefined && (expression.family === 'ip') !== (place.family === 'ipv4'))
        return NOTHING;
      return readCt(expression.key, expression.direction, place);
    case 'fib':
      return readFib(expression.result, expression.flags, place);
    case 'exthdr':
    case 'tcp option':
    case 'ip option':
    case 'sctp chunk':
    case 'dccp option':
      return readOption(expression.kind, expression.name, expression.field, place);
    case 'rt':
      return expression.key === 'ipsec' ? number('ipsec', 1) : free('host');
    case 'socket':
      return free('socket');
    case 'osf':
      return free('content');
    case 'ipsec':
      return free('ipsec');
    case 'numgen':
    case 'hash':
      return free('chance');
    case 'unknown':
      return { kind: 'unknown', raw: expression.raw };
    case 'concat':
    case 'mask':
    case 'bits':
    case 'map':
    case 'constant':
      throw new Error(`${expression.kind} is made of other expressions`);
    default:
      throw new Error(expression satisfies never);
  }
}

function readPayload(protocol: string, field: string, place: Place): Reading {
  const v4 = place.family === 'ipv4';
  if (protocol === 'ip' || protocol === 'ip6') {
    if ((protocol === 'ip') !== v4) return NOTHING;
    return readNetwork(protocol, field, v4);
  }
  if (protocol === 'icmp' || protocol === 'icmpv6') {
    // nft adds the family to the rule, and does not list it.
    if ((protocol === 'icmp') !== v4) return NOTHING;
    const needs = [protocolIs(protocol === 'icmp' ? 1 : 58)];
    if (field === 'type') return number('icmptype', 8, needs);
    if (field === 'code') return number('icmpcode', 8, needs);
    return ofHeader(`${protocol} ${field}`, needs);
  }
  if (protocol === 'th') {
    const needs: Need[] = [{ field: 'proto', bits: 8, values: PORT_PROTOCOLS, otherwise: 'free' }];
    return field === 'sport' || field === 'dport' ? number(field, 16, needs) : ofHeader(`th ${field}`, needs);
  }
  if (protocol === 'ether') {
    if (field === 'type') return { kind: 'constant', value: v4 ? 0x800n : 0x86ddn, bits: 16 };
    // There is a link header only on packets that came in.
    if (place.hook === 'output' || (place.hook === 'postrouting' && place.madeHere === true)) return NOTHING;
    return number(field === 'saddr' ? 'smac' : 'dmac', 48, [ETHERNET]);
  }
  const protocols = HEADERS[protocol];
  if (protocols === undefined) return ofHeader(`${protocol} ${field}`, []);
  const needs = [protocolIs(...protocols)];
  if (field === 'sport' || field === 'dport') return number(field, 16, needs);
  if (protocol === 'tcp' && field === 'flags') return number('tcpflags', 8, needs);
  return ofHeader(`${protocol} ${field}`, needs);
}

function readNetwork(protocol: 'ip' | 'ip6', field: string, v4: boolean): Reading {
  switch (field) {
    case 'saddr':
      return number('src', v4 ? 32 : 128);
    case 'daddr':
      return number('dst', v4 ? 32 : 128);
    case 'protocol':
      return number('proto', 8);
    // The first header, which is the transport's only where no extension header stands before it.
    case 'nexthdr':
      return number('proto', 8, [{ field: 'exthdr', bits: 1, values: [0], otherwise: 'free' }]);
    case 'ttl':
    case 'hoplimit':
      return number('ttl', 8);
    case 'dscp':
      return number('dscp', 6);
    case 'ecn':
      return number('ecn', 2);
    case 'length':
      return v4 ? number('length', 32, [], 0, 32) : ofHeader('ip6 length', []);
    case 'version':
      return { kind: 'constant', value: v4 ? 4n : 6n, bits: 4 };
    default:
      return ofHeader(`${protocol} ${field}`, []);
  }
}

/** A header field with no name of its own among the packet fields: nft's words are its name. */
function ofHeader(name: string, needs: readonly Need[]): Reading {
  const bits = HEADER_FIELDS[name];
  return bits === undefined ? free('content') : number(name, bits, needs);
}

function readRaw(base: string, offset: number, bits: number, place: Place): Reading {
  const at = `${offset},${bits}`;
  if (base === 'th') {
    if (at === '0,16') return readPayload('th', 'sport', place);
    if (at === '16,16') return readPayload('th', 'dport', place);
  } else if (base === 'nh') {
    const v4 = place.family === 'ipv4';
    if (at === (v4 ? '96,32' : '64,128')) return number('src', v4 ? 32 : 128);
    if (at === (v4 ? '128,32' : '192,128')) return number('dst', v4 ? 32 : 128);
    if (at === (v4 ? '72,8' : '48,8')) return readNetwork(v4 ? 'ip' : 'ip6', v4 ? 'protocol' : 'nexthdr', v4);
    if (at === (v4 ? '64,8' : '56,8')) return number('ttl', 8);
  }
  return bits > 128 ? free('content') : number(`@${base},${at}`, bits);
}

function readMeta(key: string, place: Place): Reading {
  const v4 = place.family === 'ipv4';
  const arrived = place.hook !== 'output' && place.madeHere !== true;
  const leaves = place.hook === 'forward' || place.hook === 'output' || place.hook === 'postrouting';
  switch (key) {
    case 'iif':
    case 'iifname':
      return { kind: 'name', field: arrived ? 'iif' : 'no interface', needs: [] };
    case 'oif':
    case 'oifname':
      return { kind: 'name', field: leaves ? 'oif' : 'no interface', needs: [] };
    case 'iifgroup':
    case 'iiftype':
      return arrived ? number(key, key === 'iifgroup' ? 32 : 16) : NOTHING;
    case 'oifgroup':
    case 'oiftype':
      return leaves ? number(key, key === 'oifgroup' ? 32 : 16) : NOTHING;
    case 'l4proto':
      return number('proto', 8);
    case 'nfproto':
      return { kind: 'constant', value: v4 ? 2n : 10n, bits: 8 };
    case 'protocol':
      return { kind: 'constant', value: v4 ? 0x800n : 0x86ddn, bits: 16 };
    case 'length':
      return number('length', 32);
    case 'mark':
      return number('mark', 32);
    case 'priority':
      return number('priority', 32);
    case 'pkttype':
      return words('pkttype');
    case 'skuid':
    case 'skgid':
      return number(key === 'skuid' ? 'uid' : 'gid', 32, [
        { field: 'socket', bits: 1, values: [1], otherwise: 'no match' },
      ]);
    case 'socket':
      return number('socket', 1);
    case 'ipsec':
    case 'secpath':
      return number('ipsec', 1);
    case 'physdev-in':
    case 'physdev-out':
      return { kind: 'name', field: key, needs: [] };
    case 'physdev-is-in':
    case 'physdev-is-out':
    case 'physdev-is-bridged':
      return number(key, 1);
    case 'time':
    case 'day':
    case 'hour':
      return free('clock');
    case 'random':
      return free('chance');
    case 'cgroup':
      return free('socket');
    default:
      return free('host');
  }
}

function readCt(key: string, direction: string | undefined, place: Place): Reading {
  if (key === 'state') return words(place.early ? 'early state' : 'state');
  // No entry has been looked up yet.
  if (place.early) return NOTHING;
  const address = place.family === 'ipv4' ? 32 : 128;
  if (direction === 'original' || direction === 'reply') {
    const of = direction === 'original' ? '' : 'reply ';
    const names: Readonly<Record<string, readonly [string, number]>> = {
      saddr: [`${of}osrc`, address],
      ip: ['', 0],
      daddr: [`${of}odst`, address],
      'proto-src': [`${of}osport`, 16],
      'proto-dst': [`${of}odport`, 16],
      protocol: ['oproto', 8],
    };
    const found = names[key];
    if (key === 'l3proto') return { kind: 'constant', value: place.family === 'ipv4' ? 2n : 10n, bits: 8 };
    if (key === 'zone') return number('zone', 16, [TRACKED]);
    return found === undefined || found[1] === 0 ? free('traffic') : number(found[0], found[1], [TRACKED]);
  }
  switch (key) {
    case 'mark':
      return number('ctmark', 32, [TRACKED]);
    case 'status':
      return number('status', 16, [TRACKED]);
    case 'direction':
      return number('ctdir', 1, [TRACKED]);
    case 'label':
      return number('label', 128, [TRACKED]);
    case 'zone':
      return number('zone', 16, [TRACKED]);
    case 'protocol':
      return number('oproto', 8, [TRACKED]);
    case 'l3proto':
      return { kind: 'constant', value: place.family === 'ipv4' ? 2n : 10n, bits: 8 };
    case 'helper':
      return free('host');
    default:
      return free('traffic');
  }
}

/** Address types are functions of the address where the host's routes are known; see `fib.ts`. */
function readFib(result: string, flags: readonly string[], place: Place): Reading {
  const key = [...flags].sort().join(' ');
  if (result === 'type') {
    if (key === 'daddr' || key === 'saddr') return words(`${key}type`);
    return words(`type of ${key}`);
  }
  return { kind: 'name', field: `route by ${key}${place.hook === 'output' ? ' out' : ''}`, needs: [] };
}

function readOption(kind: string, name: string, field: string | undefined, place: Place): Reading {
  const v4 = place.family === 'ipv4';
  if ((kind === 'exthdr' && v4) || (kind === 'ip option' && !v4)) return NOTHING;
  const needs =
    kind === 'tcp option'
      ? [protocolIs(6)]
      : kind === 'sctp chunk'
        ? [protocolIs(132)]
        : kind === 'dccp option'
          ? [protocolIs(33)]
          : [];
  const there = `${kind} ${name}`;
  if (field === undefined) return number(there, 1, needs);
  const bits = HEADER_FIELDS[`${there} ${field}`];
  if (bits === undefined) return free('content');
  return number(`${there} ${field}`, bits, [
    ...needs,
    { field: there, bits: 1, values: [1], otherwise: 'no match' },
  ]);
}
