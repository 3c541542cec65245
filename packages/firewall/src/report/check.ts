// What is odd about the rules of everybody: rules that never decide anything, ports that are open in one family only.
import {
  beginAnalysis,
  calledChains,
  exposures,
  type Host,
  type IdleRule,
  type IpFamily,
  idleRules,
  inSomeOrder,
  type Rule,
  type RuleAt,
  type Ruleset,
  type Snapshot,
  spaceFor,
} from '@moat/netfilter';
import { type RuleTold, tellRule } from './rule-words.ts';

export interface RuleFinding {
  readonly kind: IdleRule['kind'];
  readonly rule: RuleTold;
  /** The rules that hide it. */
  readonly by: readonly RuleTold[];
  readonly families: readonly IpFamily[];
}

/** A port that can be reached in one family only. */
export interface OneFamilyPort {
  readonly proto: string;
  readonly ports: string;
  readonly openIn: IpFamily;
}

export interface Check {
  readonly rules: readonly RuleFinding[];
  /** Found, and of a kind that programs make on purpose: told with `all`. */
  readonly scaffolding: number;
  readonly oneFamily: readonly OneFamilyPort[];
  readonly tooLarge: readonly IpFamily[];
}

export interface CheckInput {
  readonly ruleset: Ruleset;
  readonly host?: Host | undefined;
  readonly snapshot?: Snapshot | undefined;
}

const FAMILIES: readonly IpFamily[] = ['ipv4', 'ipv6'];

/** `all`: also what programs keep ready and do not use. */
export function checkRules(input: CheckInput, { all = false }: { readonly all?: boolean } = {}): Check {
  const { ruleset, host } = input;
  const found = new Map<Rule, { at: IdleRule; families: IpFamily[] }>();
  const tooLarge: IpFamily[] = [];
  for (const family of FAMILIES) {
    const analysed = { family, rulesets: [ruleset], host };
    const options = { ...spaceFor(analysed), effort: 40_000_000 };
    const done = inSomeOrder(options, (space) => idleRules(beginAnalysis(space, analysed), ruleset));
    if (done.kind !== 'done') tooLarge.push(family);
    for (const at of done.kind === 'done' ? done.value : []) {
      const known = found.get(at.rule);
      if (known === undefined) found.set(at.rule, { at, families: [family] });
      else {
        known.families.push(family);
        if (rank(at) > rank(known.at)) known.at = at;
      }
    }
  }
  const tell = ({ table, chain, rule }: RuleAt): RuleTold => tellRule(ruleset, table, chain.name, rule)!;
  // A rule of a table for both families is idle where it is so in both.
  const idle = [...found.values()].filter(
    ({ at, families }) => at.table.family !== 'inet' || families.length + tooLarge.length >= FAMILIES.length,
  );
  const told = idle.filter(({ at }) => all || isTold(at, tell(at)));
  return {
    rules: told.map(({ at, families }) => ({
      kind: at.kind,
      rule: tell(at),
      by: at.kind === 'hidden' ? at.by.map(tell) : [],
      families,
    })),
    scaffolding: idle.length - told.length,
    oneFamily: oneFamilyPorts(input),
    tooLarge,
  };
}

/** Where the families differ: the one in which the rule is about something tells why it is idle. */
function rank({ kind }: IdleRule): number {
  return ['contradiction', 'not reached', 'no difference', 'hidden'].indexOf(kind);
}

/** Programs keep chains ready, and end them as the policy would; moat's own rules are told as sentences. */
function isTold(at: IdleRule, { owner }: RuleTold): boolean {
  if (owner === 'moat') return false;
  if (calledChains(at.rule, at.table).length > 0) return false;
  const byHand = owner.endsWith('(by hand)');
  return byHand || at.kind === 'contradiction' || at.kind === 'hidden';
}

/** Empty where only one family is told of, or the host has no address in one of them. */
function oneFamilyPorts({ ruleset, host, snapshot }: CheckInput): OneFamilyPort[] {
  if (host === undefined || !FAMILIES.every((family) => hasAddress(host, family))) return [];
  const { sockets, containers, networks } = snapshot ?? {};
  const { families, tooLarge } = exposures({ ruleset, host, sockets, containers, networks });
  if (tooLarge.length > 0) return [];
  const openIn = new Map<string, Set<IpFamily>>();
  for (const { family, exposures: open } of families)
    for (const { proto, ports, reaches, direct } of open) {
      // Where nothing answers it does no harm, and shows when something does.
      if (direct || reaches.kind === 'none') continue;
      const key = `${proto} ${ports.first === ports.last ? ports.first : `${ports.first}-${ports.last}`}`;
      openIn.set(key, (openIn.get(key) ?? new Set()).add(family));
    }
  return [...openIn].flatMap(([key, open]) => {
    const [only, more] = [...open];
    const [proto = '', ports = ''] = key.split(' ');
    return only === undefined || more !== undefined ? [] : [{ proto, ports, openIn: only }];
  });
}

function hasAddress({ links }: Host, family: IpFamily): boolean {
  return links.some(
    ({ loopback, addresses }) =>
      !loopback &&
      addresses.some(
        ({ address }) =>
          address.family === family && !(family === 'ipv6' && address.value >> 118n === 0x3fan),
      ),
  );
}
