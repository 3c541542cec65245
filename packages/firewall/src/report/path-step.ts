// The way of a packet as JSON: what each rule did to it, where that rule stands, and whose it is.
import {
  formatAddress,
  type Owner,
  ownerOfChain,
  ownerOfRule,
  type Rule,
  type Ruleset,
  type StepVerdict,
  type Table,
  type WalkReason,
  type WalkStep,
  type WalkUnknown,
} from '@moat/netfilter';

/** One step, as `moat explain` tells it to programs. */
export interface PathStep {
  readonly owner: string;
  /** `ip`, `ip6`, `inet`. */
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** Counted from 1 in its chain; `policy`: that of the base chain. */
  readonly rule: number | 'policy';
  /** accept, drop, reject, return, jump, goto, dnat, snat, masquerade, redirect, netmap, set, notrack, tproxy, queue, unknown. */
  readonly verdict: string;
  /** The chain that a jump or goto leads to. */
  readonly target?: string;
  /** With `set`: what was written, and the value where it is known. */
  readonly field?: string;
  readonly value?: string;
  readonly handle?: number;
  readonly line?: number;
}

/** Why nobody knows, and where. `rule` null: whether the packet opens a flow, which decides if the nat chains see it. */
export interface UnknownJson extends Partial<Omit<PathStep, 'verdict' | 'rule'>> {
  readonly rule: number | null;
  readonly why: string;
}

export interface PathTeller {
  step(step: WalkStep): PathStep;
  unknown(unknown: WalkUnknown): UnknownJson;
  owner(step: Pick<WalkStep, 'table' | 'chain' | 'rule'>): Owner;
}

type Place = Omit<PathStep, 'verdict'>;

/** For the rules of one ruleset. What does not differ from packet to packet is found out once. */
export function pathTeller(ruleset: Ruleset): PathTeller {
  const rules = new Map<Rule, Place>();
  const policies = new Map<Table, Map<string, Place>>();
  const owners = new Map<Rule, Owner>();
  for (const table of ruleset.tables) {
    const ofTable = new Map<string, Place>();
    policies.set(table, ofTable);
    const { family, name } = table;
    for (const chain of table.chains) {
      const owner = ownerOfChain(ruleset, table, chain).name;
      ofTable.set(chain.name, { owner, family, table: name, chain: chain.name, rule: 'policy' });
      for (const [i, rule] of chain.rules.entries()) {
        const ofRule = ownerOfRule(ruleset, table, chain, rule);
        owners.set(rule, ofRule);
        const handle = rule.handle ?? rule.origin?.handle;
        const line = rule.origin?.line;
        rules.set(rule, {
          ...{ owner: ofRule.name, family, table: name, chain: chain.name, rule: i + 1 },
          ...(handle === undefined ? {} : { handle }),
          ...(line === undefined ? {} : { line }),
        });
      }
    }
  }
  const place = (table: Table, chain: string, rule: Rule | undefined): Place => {
    const found = rule === undefined ? policies.get(table)?.get(chain) : rules.get(rule);
    if (found === undefined) throw new Error(`no such rule in ${table.family} ${table.name} ${chain}`);
    return found;
  };
  return {
    step: ({ table, chain, rule, verdict }) => ({ ...place(table, chain, rule), ...verdictOf(verdict) }),
    unknown: ({ table, chain, rule, why }) => {
      if (table === undefined || chain === undefined || rule === undefined)
        return { rule: null, why: reasonWords(why) };
      const { rule: number, ...rest } = place(table, chain, rule);
      return { ...rest, rule: number as number, why: reasonWords(why) };
    },
    owner: ({ table, chain, rule }) => {
      const known = rule === undefined ? undefined : owners.get(rule);
      return known ?? ownerOfChain(ruleset, table, table.chains.find(({ name }) => name === chain)!);
    },
  };
}

function verdictOf(verdict: StepVerdict): Pick<PathStep, 'verdict' | 'target' | 'field' | 'value'> {
  switch (verdict.kind) {
    case 'jump':
    case 'goto':
      return { verdict: verdict.kind, target: verdict.chain };
    case 'nat':
      return { verdict: verdict.type };
    case 'set': {
      const { field, value } = verdict;
      return { verdict: 'set', field, ...(value === undefined ? {} : { value: setText(field, value) }) };
    }
    default:
      return { verdict: verdict.kind };
  }
}

/** Numbers of more than 53 bits cannot stand in JSON as such. */
function setText(field: string, value: number | bigint | string): string {
  if (field !== 'src' && field !== 'dst') return String(value);
  const wide = typeof value === 'bigint';
  return formatAddress({ family: wide ? 'ipv6' : 'ipv4', value: BigInt(value) });
}

/** Why it is not known whether a condition holds. */
export function reasonWords(why: WalkReason): string {
  switch (why.kind) {
    case 'free':
      return REASONS[why.reason];
    case 'field':
      return `it depends on ${FIELDS[why.field] ?? why.field}, which is not known`;
    case 'not understood':
      return 'moat does not understand it';
    default:
      throw new Error(why satisfies never);
  }
}

const REASONS: Readonly<Record<Extract<WalkReason, { kind: 'free' }>['reason'], string>> = {
  rate: 'it depends on how much came before (a rate)',
  memory: 'it depends on which addresses came before',
  chance: 'it is drawn by lot',
  connections: 'it depends on how many connections there are',
  traffic: 'it depends on what the connection has carried so far',
  clock: 'it depends on the time',
  content: 'it depends on what the packet carries',
  socket: 'it depends on which program sends or listens',
  ipsec: 'it depends on IPsec',
  host: 'it depends on more of this host than moat reads',
  'set contents': 'what its set holds is not known',
  redacted: 'it was made unreadable',
};

const FIELDS: Readonly<Record<string, string>> = {
  iif: 'the interface by which it comes in (--in)',
  oif: 'the interface by which it goes out (--out)',
  src: 'its source',
  dst: 'its destination (--to)',
  sport: 'its source port (--sport)',
  dport: 'its port',
  state: 'the state of its connection (--state)',
  tcpflags: 'its TCP flags',
  proto: 'its protocol',
  daddrtype: 'whether its destination is an address of this host',
  saddrtype: 'what kind of address its source is',
  mark: 'the mark that something else put on it',
  smac: 'the hardware address of its sender',
  uid: 'the user whose process sends it',
  gid: 'the group whose process sends it',
  icmptype: 'its ICMP type',
  icmpcode: 'its ICMP code',
  ttl: 'its hop limit',
  length: 'its length',
};
