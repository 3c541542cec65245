// Who can reach what on this host from outside: for each address, protocol and port dialled the sources that get there,
// and where they get.
import type { Host } from '../model/host.ts';
import type { Nat } from '../model/nat.ts';
import type { Rule, Ruleset, Table } from '../model/ruleset.ts';
import type { IpFamily } from '../net/address.ts';
import { type IntervalSet, subtractIntervals } from '../net/interval.ts';
import { addressTypes } from '../semantics/address-types.ts';
import { always, decide, decisionLeaves, LEAF, packetsDecided } from '../space/decision.ts';
import { NO_INTERFACE, type WordField } from '../space/fields.ts';
import { forEvery, forSome } from '../space/packet-fields.ts';
import {
  intersectPackets,
  isEmpty,
  type PacketMatch,
  packetsWhere,
  samePackets,
  unionPackets,
} from '../space/packet-set.ts';
import { type Decision, hold, type PacketSet, type PacketSpace } from '../space/packet-space.ts';
import { splitByField } from '../space/split.ts';
import { type Analysis, beginAnalysis, spaceFor } from '../symbolic/analysis.ts';
import { routedForward } from '../symbolic/forward-routes.ts';
import { hookDecision, startDecision } from '../symbolic/road.ts';
import { viewOf } from '../symbolic/scope.ts';

/** A rule that sends packets elsewhere than they were addressed. */
export interface Mapping {
  readonly rule: Rule;
  readonly nat: Nat;
}

/** Where packets from outside end, before anything is asked about them. */
export interface Arrivals {
  readonly analysis: Analysis;
  readonly ruleset: Ruleset;
  /** LEAF.accept: a process of this host; MAPPED + n: by `mappings[n]`; others as in LEAF. */
  readonly decision: Decision;
  /** First packets of flows that come from outside to this host. */
  readonly asked: PacketSet;
  readonly mappings: readonly Mapping[];
  /** What comes for addresses behind this host, where `beyond` asked for some; LEAF.accept: it is passed on to them. */
  readonly direct?: { readonly decision: Decision; readonly asked: PacketSet };
}

/** The leaf of the first mapping. */
export const MAPPED = 16;

export interface ArrivalsInput {
  readonly family: IpFamily;
  readonly ruleset: Ruleset;
  readonly host?: Host | undefined;
  /** Whether what comes in by this interface comes from outside; default: all but loopback and links of containers. */
  readonly isOutside?: (interfaceName: string) => boolean;
  /** Addresses behind this host, of containers: whether they can be dialled from outside without any translation. */
  readonly beyond?: IntervalSet<bigint>;
}

/** How interfaces of container engines and virtual machines are named when nobody says otherwise. */
const INSIDE =
  /^(?:lo|docker\d+|docker_gwbridge|br-[0-9a-f]{12}|veth.*|podman\d+|cni-?\w*|cali\w*|flannel\S*|virbr\d+|vnet\d+|lxcbr\d+|lxdbr\d+|incusbr\d+|tap\d+)$/;

export function isOutsideByName(name: string): boolean {
  return !INSIDE.test(name);
}

/** The options of the space in which `arrivals` work. */
export function arrivalsSpace({ family, ruleset, host }: ArrivalsInput) {
  return {
    ...spaceFor({ family, rulesets: [ruleset], host }),
    leaves: MAPPED + destinationRules(ruleset).length,
  };
}

function destinationRules(ruleset: Ruleset): Mapping[] {
  return ruleset.tables.flatMap((table) =>
    table.chains.flatMap((chain) =>
      chain.rules.flatMap((rule) =>
        rule.statements.flatMap((statement) => (statement.kind === 'nat' ? [{ rule, nat: statement }] : [])),
      ),
    ),
  );
}

/** Runs the ruleset for packets that come in by any interface for an address of this host. */
export function arrivals(space: PacketSpace, input: ArrivalsInput): Arrivals {
  const { family, ruleset, host, isOutside = isOutsideByName, beyond: others = [] } = input;
  const analysis = beginAnalysis(space, { family, rulesets: [ruleset], host });
  const mappings = destinationRules(ruleset);
  const leaves = new Map(mappings.map(({ nat }, n) => [nat, MAPPED + n]));
  const view = viewOf(analysis, ruleset, { mappedLeaf: (_, nat) => leaves.get(nat) });
  const accepted = always(space, LEAF.accept);
  const here = hold(hookDecision(view, 'input', accepted, false));
  const left = sourcesOnly(ruleset, family) ? accepted : hookDecision(view, 'postrouting', accepted, false);
  const beyond = hookDecision(view, 'forward', left, false);
  const elsewhere = hold(routedForward(analysis, beyond, here));
  const prerouted = hookDecision(view, 'prerouting', { plain: here, mapped: { elsewhere, here } }, false);
  const decision = hold(startDecision(view, prerouted));
  const passing =
    others.length === 0
      ? undefined
      : hold(startDecision(view, hookDecision(view, 'prerouting', elsewhere, false)));
  const { words } = space.layout.fields.find(({ name }) => name === 'iif') as WordField;
  const outside = words.filter((word) => word !== NO_INTERFACE && isOutside(word));
  // Nobody outside can dial a loopback address: martian (fib_validate_source, ip6_rcv).
  const loopback = family === 'ipv4' ? { first: 0x7f00_0000n, last: 0x7fff_ffffn } : { first: 1n, last: 1n };
  const types = host === undefined ? undefined : addressTypes(host, family);
  const dst = types === undefined ? unicast(family) : subtractIntervals(types['local'] ?? [], [loopback]);
  const fromOutside = packetsWhere(space, { state: 'new', iif: outside });
  const first = intersectPackets(fromOutside, packetsWhere(space, { dst }));
  // Frames to more than this host are no use: TCP drops them (tcp_v4_rcv, tcp_v6_rcv), and what passes packets on (ip_forward).
  const toThisHost = space.layout.fields.some(({ name }) => name === 'pkttype') ? { pkttype: ['host'] } : {};
  // A TCP connection begins with SYN alone.
  const begins = unionPackets(space, [
    packetsWhere(space, { proto: 'tcp', tcpflags: 2, ...toThisHost }),
    packetsWhere(space, {
      proto: [
        { first: 0, last: 5 },
        { first: 7, last: 255 },
      ],
    }),
  ]);
  const typed = types === undefined && analysis.read.has('daddrtype') ? packetsLocal(space) : undefined;
  const asked = intersectPackets(intersectPackets(first, begins), typed ?? first);
  const these = { analysis, ruleset, decision, asked: hold(asked), mappings };
  if (passing === undefined) return these;
  const behind = intersectPackets(
    intersectPackets(fromOutside, begins),
    packetsWhere(space, { dst: others, ...toThisHost }),
  );
  return { ...these, direct: { decision: passing, asked: hold(behind) } };
}

/** Whether all that happens at postrouting is that sources are rewritten: then nothing is decided there. */
function sourcesOnly({ tables }: Ruleset, family: IpFamily): boolean {
  const own = tables.filter(
    (table) => table.family === 'inet' || (table.family === 'ip') === (family === 'ipv4'),
  );
  const isNat = ({ chains }: Table): boolean =>
    chains.every(
      ({ base }) => base?.hook !== 'postrouting' || (base.type === 'nat' && base.policy === 'accept'),
    );
  const denies = ({ statements }: Rule): boolean =>
    statements.some(
      (statement) =>
        (statement.kind === 'verdict' && statement.verdict.kind === 'drop') ||
        statement.kind === 'reject' ||
        statement.kind === 'vmap' ||
        statement.kind === 'unknown',
    );
  const leaving = own.filter(({ chains }) => chains.some(({ base }) => base?.hook === 'postrouting'));
  // A chain that is called from there may stand anywhere in its table.
  return own.every(isNat) && leaving.every(({ chains }) => !chains.some(({ rules }) => rules.some(denies)));
}

/** Every address that one machine alone may have and others can dial, for hosts whose addresses are not known. */
export function unicast(family: IpFamily): IntervalSet<bigint> {
  if (family === 'ipv6') return [{ first: 2n, last: (0xffn << 120n) - 1n }];
  return [
    { first: 0x100_0000n, last: 0x7eff_ffffn },
    { first: 0x8000_0000n, last: 0xdfff_ffffn },
  ];
}

/** Without routes the question itself says that the packet is for this host. */
function packetsLocal(space: PacketSpace): PacketSet | undefined {
  return space.layout.fields.some(({ name }) => name === 'daddrtype')
    ? packetsWhere(space, { daddrtype: 'local' })
    : undefined;
}

/** From where something can be reached: `certain` however the unknown turns out, `possible` if it turns out so. */
export interface Sources {
  readonly possible: PacketSet;
  readonly certain: PacketSet;
}

/** The sources (`iif` and `src`) from which packets like these reach `leaf`. */
export function sourcesOf(from: Arrivals, where: PacketMatch, leaf: number): Sources {
  const { space } = from.analysis;
  const these = packetsWhere(space, where);
  const others = otherFields(from.analysis, ['iif', 'src']);
  const { possible, certain } = reaching(from, leaf);
  const among = (set: PacketSet): PacketSet => forSome(intersectPackets(set, these), others);
  const sources = among(possible);
  return { possible: sources, certain: samePackets(possible, certain) ? sources : among(certain) };
}

/** The packets that are asked about and reach the leaf; free bits are gone. */
function reaching({ analysis, decision, asked }: Arrivals, leaf: number): Sources {
  const free = [...analysis.free.keys()];
  // What could not be understood may be an accept.
  const may = packetsDecided(decision, ...(leaf === LEAF.accept ? [leaf, LEAF.unknown] : [leaf]));
  const possible = forSome(intersectPackets(asked, may), free);
  if (free.length === 0 && !decisionLeaves(decision).includes(LEAF.unknown))
    return { possible, certain: possible };
  return { possible, certain: intersectPackets(asked, forEvery(packetsDecided(decision, leaf), free)) };
}

/** Ports of one protocol that are open to the same sources. */
export interface PortClass {
  readonly ports: IntervalSet<bigint>;
  readonly sources: Sources;
}

/** All ports of a protocol at which anybody reaches `leaf`, those with equal sources together. */
export function portClasses(
  from: Arrivals,
  proto: number,
  leaf: number,
  where: PacketMatch = {},
): PortClass[] {
  const { space } = from.analysis;
  const these = packetsWhere(space, { ...where, proto });
  const others = otherFields(from.analysis, ['iif', 'src', 'dport']);
  const { possible, certain } = reaching(from, leaf);
  const among = (set: PacketSet): PacketSet => forSome(intersectPackets(set, these), others);
  const open = among(possible);
  if (samePackets(possible, certain)) {
    return splitByField(open, 'dport').flatMap(({ values, rest }) =>
      isEmpty(rest) ? [] : [{ ports: values, sources: { possible: rest, certain: rest } }],
    );
  }
  const both = decide(among(certain), always(space, 2), decide(open, always(space, 1), always(space, 0)));
  return splitByField(both, 'dport').flatMap(({ values, rest }) => {
    const sources = { possible: packetsDecided(rest, 1, 2), certain: packetsDecided(rest, 2) };
    return isEmpty(sources.possible) ? [] : [{ ports: values, sources }];
  });
}

function otherFields({ space, free }: Analysis, wanted: readonly string[]): string[] {
  return space.layout.fields
    .map(({ name }) => name)
    .filter((name) => !wanted.includes(name) && !free.has(name));
}
