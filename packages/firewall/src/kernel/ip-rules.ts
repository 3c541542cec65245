// Rules of policy routing, from `ip -N -j rule` (ip-rule(8)).
import { type IpFamily, parseAddress, type SnapshotRule } from '@moat/netfilter';
import { tableNumber } from './routes.ts';

type IpRule = Readonly<Record<string, string | number | null | undefined>>;

/** FR_ACT_* of include/uapi/linux/fib_rules.h, of those that `ip` prints as an action. */
const ACTIONS: Readonly<Record<string, SnapshotRule['action']>> = {
  '6': 'blackhole',
  '7': 'unreachable',
  '8': 'prohibit',
  blackhole: 'blackhole',
  unreachable: 'unreachable',
  prohibit: 'prohibit',
};

/** What `readRule` reads, and what has no part in the decision. */
const KNOWN: ReadonlySet<string> = new Set(
  (
    'priority not src srclen dst dstlen tos fwmark fwmask iif oif uid_start uid_end ipproto sport sport_start ' +
    'sport_end dport dport_start dport_end table l3mdev goto nop action suppress_prefixlen suppress_ifgroup ' +
    'protocol flow_from flow_to unresolved iif_detached oif_detached'
  ).split(' '),
);

/** Parses the output for one family; a condition that is not known is kept in `unknown`. */
export function parseIpRules(json: string, family: IpFamily): SnapshotRule[] {
  return (JSON.parse(json || '[]') as IpRule[])
    .filter((rule) => rule['priority'] !== undefined)
    .map((rule) => readRule(rule, family));
}

function readRule(rule: IpRule, family: IpFamily): SnapshotRule {
  const unknown = Object.entries(rule).flatMap(([key, value]) => (KNOWN.has(key) ? [] : [told(key, value)]));
  const unread = (key: string): undefined => {
    if (rule[key] !== undefined) unknown.push(told(key, rule[key]));
  };
  const number = (key: string): number | undefined => {
    const value = Number(rule[key] ?? Number.NaN);
    return Number.isNaN(value) ? unread(key) : value;
  };
  const network = (key: string): string | undefined => {
    if (rule[key] === 'all') return undefined;
    if (parseAddress(String(rule[key])) === undefined) return unread(key);
    return rule[`${key}len`] === undefined ? String(rule[key]) : `${rule[key]}/${rule[`${key}len`]}`;
  };
  const range = (key: string): string | undefined => {
    const [first, last] = [rule[`${key}_start`] ?? rule[key], rule[`${key}_end`]];
    return first === undefined ? undefined : last === undefined ? String(first) : `${first}-${last}`;
  };
  // `ipproto-6` with -N.
  const protocol = /^(?:ipproto-)?(\d+)$/.exec(String(rule['ipproto']))?.[1];
  if (protocol === undefined) unread('ipproto');
  const read = {
    ...('not' in rule ? { inverted: true as const } : {}),
    from: network('src'),
    to: network('dst'),
    iif: rule['iif'] as string | undefined,
    oif: rule['oif'] as string | undefined,
    mark: number('fwmark'),
    markMask: number('fwmask'),
    tos: number('tos'),
    protocol: protocol === undefined ? undefined : Number(protocol),
    sport: range('sport'),
    dport: range('dport'),
    uid: range('uid'),
    ...actionOf(rule, number),
  };
  return {
    family,
    priority: Number(rule['priority']),
    ...(Object.fromEntries(Object.entries(read).filter(([, value]) => value !== undefined)) as typeof read &
      Pick<SnapshotRule, 'action'>),
    ...(unknown.length === 0 ? {} : { unknown }),
  } as SnapshotRule;
}

function actionOf(
  rule: IpRule,
  number: (key: string) => number | undefined,
): Pick<SnapshotRule, 'action' | 'table' | 'goto' | 'suppressPrefixLength' | 'suppressGroup'> {
  if ('goto' in rule) return { action: 'goto', goto: Number(rule['goto']) };
  if ('nop' in rule) return { action: 'nop' };
  if ('l3mdev' in rule) return { action: 'l3mdev' };
  const action = ACTIONS[String(rule['action'])];
  if (action !== undefined) return { action };
  const table = tableNumber(rule['table'] === undefined ? undefined : String(rule['table']));
  if (table === undefined || rule['action'] !== undefined) {
    throw new Error(`not a rule that moat understands: ${JSON.stringify(rule)}`);
  }
  const length = number('suppress_prefixlen');
  const group = number('suppress_ifgroup');
  return {
    action: 'lookup',
    table,
    ...(length === undefined ? {} : { suppressPrefixLength: length }),
    ...(group === undefined ? {} : { suppressGroup: group }),
  };
}

function told(key: string, value: unknown): string {
  return `${JSON.stringify(key)}: ${JSON.stringify(value)}`;
}
