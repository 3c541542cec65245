// An audit as one JSON value: docs/JSON.md says what its fields mean.
import {
  type Address,
  type Exposure,
  formatAddress,
  type IntervalSet,
  type IpFamily,
  networksOf,
  type Opener,
  type OtherExposure,
  type PacketFields,
  type Passage,
  type Places,
  protocolName,
  type Reaches,
} from '@moat/netfilter';
import type { Audit } from './audit.ts';
import { doubtWords, type Unknown } from './audit-gaps.ts';
import { type RulePlace, rulePlace } from './rule-place.ts';

/** The answer of `moat audit --json`. */
export function auditJson(audit: Audit): object {
  const place = placing(audit);
  return {
    exposures: audit.exposures.map((each) => exposureJson(audit, each)),
    direct: audit.direct.map((each) => exposureJson(audit, each)),
    others: audit.others.map((each) => ({ ...passageJson(each, place), ...otherJson(each) })),
    closed: audit.closed.map(({ family, socket, reaches, why }) => ({
      family,
      proto: socket.protocol,
      port: socket.port,
      address: socket.address,
      reaches: reachesJson(reaches),
      why,
    })),
    findings: audit.findings.map(({ from, families, ...finding }) => ({ ...finding, families })),
    unknown: audit.unknown.map(unknownJson),
    notSeen: audit.notSeen,
  };
}

/** Where the rule stands that an opener is; without any chain only the owner is told. */
export function openerPlace({ ruleset }: Pick<Audit, 'ruleset'>, { owner, at, rule }: Opener): RulePlace {
  if (at !== undefined) return rulePlace(ruleset, owner, at.table, at.chain, rule);
  return {
    owner,
    family: null,
    table: null,
    chain: null,
    rule: null,
    text: 'no rules stand in the way',
    program: null,
  };
}

function placing(audit: Pick<Audit, 'ruleset'>): (opener: Opener) => RulePlace {
  return (opener) => openerPlace(audit, opener);
}

/** One row of `exposures`. */
export function exposureJson(audit: Pick<Audit, 'ruleset'>, exposure: Exposure): object {
  const { proto, ports, reaches } = exposure;
  const { family, ...rest } = passageJson(exposure, placing(audit));
  return { family, proto, port: portJson(ports), ...rest, reaches: reachesJson(reaches) };
}

function portJson({ first, last }: Exposure['ports']): number | string {
  return first === last ? first : `${first}-${last}`;
}

function passageJson(passage: Passage, place: (opener: Opener) => RulePlace) {
  const { family, from, to, certainty, doubts, openedBy, example } = passage;
  return {
    family,
    sources: sourcesJson(family, from),
    ...(from.interfaces === undefined ? {} : { interfaces: from.interfaces }),
    ...(to === undefined ? {} : { to: prefixes(family, to) }),
    openedBy: openedBy.map(place),
    certainty,
    ...(doubts.length === 0 ? {} : { why: [...new Set(doubts.map(({ reason }) => doubtWords(reason)))] }),
    example: exampleJson(example.fields),
  };
}

function sourcesJson(family: IpFamily, { addresses }: Places): readonly string[] {
  return prefixes(family, addresses);
}

/** Always with a length. */
function prefixes(family: IpFamily, addresses: IntervalSet<bigint>): readonly string[] {
  return networksOf(family, addresses).map((prefix) => `${formatAddress(prefix)}/${prefix.length}`);
}

function exampleJson(fields: PacketFields): object {
  const told = ['iif', 'src', 'sport', 'dst', 'dport', 'proto'].flatMap((name) => {
    const value = fields[name];
    if (value === undefined) return [];
    return [
      [name === 'iif' ? 'in' : name, typeof value === 'object' ? formatAddress(value as Address) : value],
    ];
  });
  return Object.fromEntries(told);
}

function otherJson({ what, family }: OtherExposure): object {
  if (what === 'echo') return { what: 'echo', proto: [family === 'ipv4' ? 'icmp' : 'icmpv6'] };
  return { what: 'protocol', proto: protocolNames(what) };
}

/** `gre`, `4`, `61-87`: names where there is one for each number. */
export function protocolNames(numbers: IntervalSet<bigint>): readonly string[] {
  return numbers.flatMap(({ first, last }) => {
    if (last - first > 8n) return [`${first}-${last}`];
    const list: string[] = [];
    for (let n = first; n <= last; n++) list.push(protocolName(Number(n)) ?? String(n));
    return list;
  });
}

function reachesJson(reaches: Reaches): object {
  switch (reaches.kind) {
    case 'process': {
      const { kind, name, unit, pid, uid } = reaches;
      return { kind, name: name ?? null, unit: unit ?? null, pid: pid ?? null, uid };
    }
    case 'container':
      return { ...reaches, port: reaches.port ?? null };
    case 'none':
      return {
        kind: 'none',
        name: null,
        ...(reaches.forwardedTo === undefined ? {} : { forwardedTo: reaches.forwardedTo }),
        ...(reaches.unseen ? { unseen: true } : {}),
      };
    default:
      return reaches satisfies never;
  }
}

function unknownJson(unknown: Unknown): object {
  switch (unknown.kind) {
    case 'rule':
      return { kind: 'rule', ...unknown.place, raw: unknown.raw };
    case 'reader':
    case 'too large':
      return unknown;
    default:
      return unknown satisfies never;
  }
}
