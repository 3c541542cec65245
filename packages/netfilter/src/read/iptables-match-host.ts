// iptables matches that ask the host: marks, interfaces, routes, sockets, sets.

import { type Expression, meta, payload } from '../model/expression.ts';
import type { XtOption } from '../model/extension.ts';
import { ADDRESS_TYPES, PACKET_TYPES } from '../model/names.ts';
import { match, oneOf, type Statement } from '../model/statement.ts';
import { boolean, number, symbol, type Value } from '../model/value.ts';
import { prefixOf } from '../net/prefix.ts';
import { type Extension, extensionOf, optionOf, type RuleContext } from './iptables-extension.ts';
import { maskedMatch, parseNumber } from './iptables-value.ts';

/** `eth+` stands for any ending; undefined: any interface. A star in a name is no wildcard here, but it is in nft. */
export function interfaceValue(text: string): Value | undefined {
  if (text === '+') return undefined;
  if (text.endsWith('*')) return { kind: 'unknown', raw: text };
  return symbol(text.endsWith('+') ? `${text.slice(0, -1)}*` : text);
}

/**
 * xt_addrtype.c match_type6: UNICAST, MULTICAST and UNSPEC are about the address alone, and what is asked of the routes
 * (LOCAL, ANYCAST, UNREACHABLE) has to hold besides.
 */
function addressTypesV6(side: 'saddr' | 'daddr', words: readonly string[], fib: Expression): Statement[] {
  const address = payload('ip6', side);
  const routes = words.filter((word) => OF_ROUTES.includes(word));
  return [
    ...(words.includes('multicast') ? [match(address, MULTICAST)] : []),
    ...(words.includes('unicast') ? [match(address, oneOf([MULTICAST, UNSPECIFIED, MAPPED]), '!=')] : []),
    ...(words.includes('unspec') ? [match(address, UNSPECIFIED)] : []),
    ...(routes.length === 0 ? [] : [match(fib, oneOf(routes.map(symbol)))]),
  ];
}

const OF_ROUTES: readonly string[] = ['local', 'anycast', 'unreachable'];
const prefix = (value: bigint, length: number): Value => ({
  kind: 'prefix',
  prefix: prefixOf({ family: 'ipv6', value }, length),
});
const MULTICAST = prefix(0xffn << 120n, 8);
const UNSPECIFIED = prefix(0n, 128);
/** ipv6_addr_type: neither one nor the other. */
const MAPPED = prefix(0xffff_0000_0000n, 96);

/** All of the conditions hold, or (`negated`) one of them does not. */
function together(conditions: readonly Statement[], negated: boolean): readonly Statement[] {
  if (!negated || conditions.length === 0) return conditions;
  const opposites = conditions.map((each) => (each.kind === 'match' ? [opposite(each)] : [each]));
  const [only, ...more] = opposites;
  return more.length === 0 ? only! : [{ kind: 'or', branches: opposites }];
}

function opposite(of: Statement & { readonly kind: 'match' }): Statement {
  return { ...of, operator: of.operator === '==' ? '!=' : '==' };
}

function readAddrtype(
  options: readonly XtOption[],
  { family }: RuleContext,
): readonly Statement[] | undefined {
  const limits = ['--limit-iface-in', '--limit-iface-out'].filter((name) => optionOf(options, name));
  const device = limits[0] === '--limit-iface-in' ? ['iif'] : limits[0] === undefined ? [] : ['oif'];
  const statements: Statement[] = [];
  for (const { name, negated, values } of options) {
    if (name !== '--src-type' && name !== '--dst-type') continue;
    const words = (values[0] ?? '').toLowerCase().split(',');
    if (words.some((word) => !ADDRESS_TYPES.has(word))) return undefined;
    const left: Expression = {
      kind: 'fib',
      result: 'type',
      flags: [name === '--src-type' ? 'saddr' : 'daddr', ...device],
    };
    const side = name === '--src-type' ? 'saddr' : 'daddr';
    const conditions =
      family === 'ip' ? [match(left, oneOf(words.map(symbol)))] : addressTypesV6(side, words, left);
    if (conditions.length === 0) return undefined;
    statements.push(...together(conditions, negated));
  }
  return limits.length > 1 ? undefined : statements;
}

/** A user or group: a number, a range, or a name that only the host knows. */
function identity(text: string): Value | undefined {
  const [first = '', last, ...rest] = text.split('-');
  const from = parseNumber(first);
  if (from === undefined) return text === '' ? undefined : symbol(text);
  if (last === undefined) return number(from);
  const to = parseNumber(last);
  if (to === undefined || rest.length > 0) return undefined;
  return { kind: 'range', first: number(from), last: number(to) };
}

const SOCKET = meta('socket');

/**
 * xt_owner.c owner_mt: a packet without a socket matches if every option is negated. (nft's `skuid !=` never matches
 * such a packet.)
 */
function readOwner(options: readonly XtOption[]): readonly Statement[] | undefined {
  const statements: Statement[] = [];
  for (const { name, negated, values } of options) {
    if (name === '--socket-exists') {
      statements.push(match(SOCKET, boolean(!negated)));
      continue;
    }
    const key = name === '--uid-owner' ? 'skuid' : name === '--gid-owner' ? 'skgid' : undefined;
    const value = identity(values[0] ?? '');
    if (key === undefined || value === undefined) return undefined;
    statements.push(match(meta(key), value, negated ? '!=' : '=='));
  }
  if (!options.every(({ negated }) => negated)) return statements;
  return [{ kind: 'or', branches: [[match(SOCKET, boolean(false))], statements] }];
}

const physdevName =
  (key: string) =>
  (text: string, { negated }: XtOption): readonly Statement[] | undefined => {
    const value = interfaceValue(text);
    return value === undefined ? undefined : [match(meta(key), value, negated ? '!=' : '==')];
  };

const physdevBit = (key: string) =>
  [0, (_: string, { negated }: XtOption) => [match(meta(key), boolean(!negated))]] as const;

/** The route back: `--loose` asks for any, else it has to lead out where the packet came in. */
function readRpfilter(options: readonly XtOption[]): readonly Statement[] | undefined {
  const has = (name: string): boolean => optionOf(options, name) !== undefined;
  if (has('--accept-local')) return undefined;
  const flags = ['saddr', ...(has('--validmark') ? ['mark'] : []), ...(has('--loose') ? [] : ['iif'])];
  return [match({ kind: 'fib', result: 'oif', flags }, boolean(!has('--invert')))];
}

function readSet(options: readonly XtOption[]): readonly Statement[] | undefined {
  const asked = optionOf(options, '--match-set');
  // Whether the set's own counters go on decides nothing; a condition on them does.
  const conditions = options.filter(({ name }) => /^--(?:packets|bytes)-/.test(name));
  if (asked === undefined || conditions.length > 0) return undefined;
  const directions = (asked.values[1] ?? '').split(',');
  if (!directions.every((each) => each === 'src' || each === 'dst')) return undefined;
  return [
    {
      kind: 'ipset',
      set: asked.values[0] ?? '',
      directions,
      inverted: asked.negated,
      ...(optionOf(options, '--return-nomatch') === undefined ? {} : { returnNomatch: true as const }),
    },
  ];
}

export const HOST_MATCHES: Readonly<Record<string, Extension>> = {
  mark: extensionOf({ '--mark': (text, { negated }) => maskedMatch(meta('mark'), text, negated) }),
  addrtype: {
    options: { '--src-type': 1, '--dst-type': 1, '--limit-iface-in': 0, '--limit-iface-out': 0 },
    read: readAddrtype,
  },
  pkttype: extensionOf({
    '--pkt-type': (text, { negated }) => {
      const name = text.toLowerCase() === 'unicast' ? 'host' : text.toLowerCase();
      return PACKET_TYPES.has(name)
        ? [match(meta('pkttype'), symbol(name), negated ? '!=' : '==')]
        : undefined;
    },
  }),
  owner: {
    options: { '--uid-owner': 1, '--gid-owner': 1, '--socket-exists': 0, '--suppl-groups': 0 },
    read: readOwner,
  },
  physdev: extensionOf({
    '--physdev-in': physdevName('physdev-in'),
    '--physdev-out': physdevName('physdev-out'),
    '--physdev-is-in': physdevBit('physdev-is-in'),
    '--physdev-is-out': physdevBit('physdev-is-out'),
    '--physdev-is-bridged': physdevBit('physdev-is-bridged'),
  }),
  rpfilter: {
    options: { '--loose': 0, '--validmark': 0, '--accept-local': 0, '--invert': 0 },
    read: readRpfilter,
  },
  set: {
    options: {
      '--match-set': 2,
      '--return-nomatch': 0,
      '--update-counters': 0,
      '--update-subcounters': 0,
      '--packets-eq': 1,
      '--packets-lt': 1,
      '--packets-gt': 1,
      '--bytes-eq': 1,
      '--bytes-lt': 1,
      '--bytes-gt': 1,
    },
    aliases: { '--set': '--match-set' },
    read: readSet,
  },
  devgroup: extensionOf({
    '--src-group': (text, { negated }) => maskedMatch(meta('iifgroup'), text, negated),
    '--dst-group': (text, { negated }) => maskedMatch(meta('oifgroup'), text, negated),
  }),
  realm: extensionOf({
    '--realm': (text, { negated }) => maskedMatch({ kind: 'rt', key: 'classid' }, text, negated),
  }),
  cpu: extensionOf({
    '--cpu': (text, { negated }) => maskedMatch(meta('cpu'), text, negated),
  }),
};
