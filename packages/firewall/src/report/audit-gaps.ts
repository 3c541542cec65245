// What an audit could not find out: rules that were not understood, and what cannot be seen from this machine.
import { isDeepStrictEqual } from 'node:util';
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
  tableDifferences,
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
  list.push(...judgesElsewhere({ ruleset, snapshot }));
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

/** What may decide on packets at places that no answer looks at. */
export function judgesElsewhere({
  ruleset,
  snapshot,
}: {
  readonly ruleset: Ruleset;
  readonly snapshot: Snapshot | undefined;
}): NotSeen[] {
  return [
    ...(snapshot?.bypasses ?? []).map(({ kind, device, detail }) => ({
      what: `${BYPASSES[kind]}${device === undefined ? '' : ` on ${device}`}: ${detail}`,
      why: 'it may drop, answer or pass on packets before any rule sees them',
    })),
    ...ruleset.tables.filter(filtersElsewhere).map(({ family, name }) => ({
      what: `table ${family} ${name}`,
      why:
        family === 'bridge'
          ? 'it filters frames between ports of a bridge'
          : 'it filters at an interface, outside of all other rules',
    })),
  ];
}

/** Tables that do not say the same before and after, at places where nothing is compared. */
export function differentElsewhere(before: Ruleset, after: Ruleset): NotSeen[] {
  const name = (table: Table): string => `${table.family} ${table.name}`;
  const [old, young] = [before, after].map(
    ({ tables }) => new Map(tables.filter(filtersElsewhere).map((table) => [name(table), table])),
  );
  return [...new Set([...old!.keys(), ...young!.keys()])].flatMap((key) => {
    const [a, b] = [old!.get(key), young!.get(key)];
    if (a !== undefined && b !== undefined && sameTable(a, b)) return [];
    return { what: `table ${key}`, why: 'what it filters is not compared' };
  });
}

function sameTable(a: Table, b: Table): boolean {
  return tableDifferences(a, b).length === 0 && isDeepStrictEqual(otherParts(a), otherParts(b));
}

/** What `tableDifferences` does not compare, without what counts and numbers it. */
function otherParts({ maps, objects = [], chains }: Table): unknown {
  const settled = objects.map(({ type, name, settings }) => {
    const { handle, packets, bytes, used, ...rest } = settings as Record<string, unknown>;
    return [type, name, rest];
  });
  return [maps, settled, chains.map(({ name, base }) => [name, base?.devices])];
}

/** Rules, or a policy that drops, at places that the analysis does not go through. */
function filtersElsewhere({ family, dormant, chains }: Table): boolean {
  if (dormant === true) return false;
  return chains.some(
    ({ base, rules }) =>
      base !== undefined &&
      (family === 'bridge' || base.hook === 'ingress' || base.hook === 'egress') &&
      (rules.length > 0 || base.policy === 'drop'),
  );
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
