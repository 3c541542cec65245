// What an audit could not find out: rules that were not understood, and what cannot be seen from this machine.
import {
  type Exposures,
  type FamilyExposures,
  type freeReasons,
  type Host,
  ownerOfRule,
  type Rule,
  type Ruleset,
  type RulesetProblem,
  type Snapshot,
  type Table,
  unknownParts,
} from '@moat/netfilter';
import { type RulePlace, rulePlace } from './rule-place.ts';

/** What `readInput` gives. */
export interface AuditInput {
  readonly ruleset: Ruleset;
  readonly host?: Host;
  readonly snapshot?: Snapshot;
  readonly problems: readonly RulesetProblem[];
}

/** Something on which an answer depends and that was not understood. */
export type Unknown =
  | { readonly kind: 'rule'; readonly place: RulePlace; readonly raw: readonly unknown[] }
  | { readonly kind: 'reader'; readonly in: string; readonly message: string }
  | { readonly kind: 'too large'; readonly family: FamilyExposures['family'] };

/** Something outside of what was looked at. */
export interface NotSeen {
  readonly what: string;
  readonly why: string;
}

export function unknownOf(
  { ruleset, problems }: AuditInput,
  { families, tooLarge }: Exposures,
): readonly Unknown[] {
  const rules = new Set(families.flatMap(({ notUnderstood }) => notUnderstood));
  return [
    ...tooLarge.map((family): Unknown => ({ kind: 'too large', family })),
    ...[...rules].flatMap((rule): Unknown[] => {
      const place = placeOf(ruleset, rule);
      return place === undefined ? [] : [{ kind: 'rule', place, raw: unknownParts(rule) }];
    }),
    ...problems.map(({ in: text, message }): Unknown => ({ kind: 'reader', in: text, message })),
  ];
}

function placeOf(ruleset: Ruleset, rule: Rule): RulePlace | undefined {
  for (const table of ruleset.tables)
    for (const chain of table.chains) {
      const at = chain.rules.indexOf(rule);
      if (at >= 0)
        return rulePlace(ruleset, ownerOfRule(ruleset, table, chain, rule).name, table, chain.name, {
          rule,
          number: at + 1,
        });
    }
  return undefined;
}

const BYPASSES = {
  xdp: 'XDP program',
  tc: 'tc program',
  'netfilter program': 'BPF program at a netfilter hook',
  flowtable: 'flowtable',
  ipvs: 'IPVS service',
} as const;

export function notSeen(
  { ruleset, host, snapshot }: AuditInput,
  { families }: Exposures,
): readonly NotSeen[] {
  const list: NotSeen[] = [
    {
      what: 'firewalls outside this machine',
      why: 'a cloud provider, a router or a load balancer may close what is open here',
    },
  ];
  for (const { kind, device, detail } of snapshot?.bypasses ?? []) {
    list.push({
      what: `${BYPASSES[kind]}${device === undefined ? '' : ` on ${device}`}: ${detail}`,
      why: 'it may drop, answer or pass on packets before any rule sees them',
    });
  }
  for (const table of ruleset.tables.filter(filtersElsewhere)) {
    list.push({
      what: `table ${table.family} ${table.name}`,
      why:
        table.family === 'bridge'
          ? 'it filters frames between ports of a bridge'
          : 'it filters at an interface, before all other rules',
    });
  }
  for (const { what, why } of snapshot?.missing ?? []) list.push({ what, why });
  if (snapshot !== undefined && !snapshot.consistent)
    list.push({ what: 'rules at one moment', why: 'they changed while they were read' });
  if (host === undefined) {
    list.push({
      what: 'interfaces, addresses, routes, sockets and containers',
      why: 'a dump of rules does not have them: every port is told that the rules let through',
    });
    for (const family of ['ipv4', 'ipv6'] as const) {
      if (!families.some((each) => each.family === family) && families.length > 0)
        list.push({ what: family === 'ipv4' ? 'IPv4' : 'IPv6', why: 'the dump has no rules for it' });
    }
  }
  return list;
}

/** Rules at places that the analysis does not go through. */
function filtersElsewhere({ family, chains }: Table): boolean {
  const early = chains.some(({ base, rules }) => base?.hook === 'ingress' && rules.length > 0);
  const bridge =
    family === 'bridge' && chains.some(({ base, rules }) => base !== undefined && rules.length > 0);
  return early || bridge;
}

/** In words: what makes it uncertain whether a rule lets a packet through. */
export function doubtWords(reason: string): string {
  return DOUBTS[reason as ReturnType<typeof freeReasons>[number]] ?? reason;
}

const DOUBTS: Readonly<Record<string, string>> = {
  rate: 'limited in rate',
  memory: 'as far as earlier packets allow it',
  chance: 'by chance',
  connections: 'limited in number of connections',
  traffic: 'up to an amount of traffic',
  clock: 'at some times',
  content: 'with some contents',
  socket: 'where a socket takes it',
  ipsec: 'with IPsec',
  host: 'as this host is set up',
  'set contents': 'for the members of a set that was not read',
  redacted: 'by something that was redacted',
  'not understood': 'by a rule that was not understood',
};
