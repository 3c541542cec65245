// iptables matches that look into headers.

import { type Expression, meta, payload } from '../model/expression.ts';
import type { FreeStatement, XtOption } from '../model/extension.ts';
import {
  DSCP,
  ICMP_CODES,
  ICMP_TYPES,
  ICMPV6_CODES,
  ICMPV6_TYPES,
  named,
  TCP_FLAGS,
} from '../model/names.ts';
import { match, oneOf, type Statement } from '../model/statement.ts';
import { boolean, flags, number, symbol, type Value } from '../model/value.ts';
import { type Extension, extensionOf, type OptionReader } from './iptables-extension.ts';
import { ICMP_NAMES, ICMP6_NAMES } from './iptables-icmp.ts';
import {
  maskedMatch,
  parseAddressRange,
  parseNumber,
  parseNumberRange,
  parsePortList,
  parsePorts,
} from './iptables-value.ts';

/** `left == value`, negated as the option is; undefined: the value is not understood. */
function compare(
  left: Expression,
  value: Value | undefined,
  { negated }: XtOption,
): readonly Statement[] | undefined {
  return value === undefined ? undefined : [match(left, value, negated ? '!=' : '==')];
}

const PORT_ALIASES = { '--source-port': '--sport', '--destination-port': '--dport' };

function portsOf(protocol: string): Readonly<Record<string, OptionReader>> {
  return {
    '--sport': (text, option) => compare(payload(protocol, 'sport'), parsePorts(text), option),
    '--dport': (text, option) => compare(payload(protocol, 'dport'), parsePorts(text), option),
  };
}

/** A list of flags in the order of their bits; undefined: one has no such name. */
function tcpFlags(text: string): readonly string[] | undefined {
  const six = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg'];
  if (text === 'ALL') return six;
  if (text === 'NONE') return [];
  const wanted = text.toLowerCase().split(',');
  if (wanted.some((flag) => !six.includes(flag))) return undefined;
  return [...TCP_FLAGS.keys()].filter((flag) => wanted.includes(flag));
}

function flagsValue(names: readonly string[]): Value {
  if (names.length === 0) return number(0);
  return names.length === 1 ? symbol(names[0]!) : flags(names);
}

function readTcpFlags(mask: string, set: string, option: XtOption): readonly Statement[] | undefined {
  const looked = tcpFlags(mask);
  const wanted = tcpFlags(set);
  if (looked === undefined || wanted === undefined) return undefined;
  const left: Expression = { kind: 'mask', of: payload('tcp', 'flags'), mask: flagsValue(looked) };
  return compare(left, flagsValue(wanted), option);
}

/** Numbers of TCP options that nft has names for (tcpopt.c). */
const TCP_OPTIONS: ReadonlyMap<number, string> = new Map([
  [0, 'eol'],
  [1, 'nop'],
  [2, 'maxseg'],
  [3, 'window'],
  [4, 'sack-perm'],
  [5, 'sack'],
  [8, 'timestamp'],
]);

const tcp = extensionOf(
  {
    ...portsOf('tcp'),
    '--tcp-flags': [2, (mask, option) => readTcpFlags(mask, option.values[1] ?? '', option)],
    '--syn': [0, (_, option) => readTcpFlags('SYN,RST,ACK,FIN', 'SYN', option)],
    '--tcp-option': (text, { negated }) => {
      const kind = parseNumber(text);
      if (kind === undefined) return undefined;
      const option: Expression = { kind: 'tcp option', name: TCP_OPTIONS.get(kind) ?? String(kind) };
      return [match(option, boolean(!negated))];
    },
  },
  PORT_ALIASES,
);

/** Ports in one or either place. xt_multiport looks at them only in the protocol that `-p` names. */
const multiport = extensionOf(
  {
    '--sports': (text, option) => comparePorts('sport', text, option),
    '--dports': (text, option) => comparePorts('dport', text, option),
    '--ports': (text, option) => {
      const source = comparePorts('sport', text, option);
      const destination = comparePorts('dport', text, option);
      if (source === undefined || destination === undefined) return undefined;
      return option.negated ? [...source, ...destination] : [{ kind: 'or', branches: [source, destination] }];
    },
  },
  { '--source-ports': '--sports', '--destination-ports': '--dports' },
);

function comparePorts(field: string, text: string, option: XtOption): readonly Statement[] | undefined {
  const ports = parsePortList(text);
  if (ports === undefined) return undefined;
  return [match(payload('th', field), oneOf(ports), option.negated ? '!=' : '==')];
}

/** `TYPE`, `TYPE/CODE` or a name for one of the two. */
function icmpReader(protocol: 'icmp' | 'icmpv6'): OptionReader {
  const [types, codes, texts] =
    protocol === 'icmp' ? [ICMP_TYPES, ICMP_CODES, ICMP_NAMES] : [ICMPV6_TYPES, ICMPV6_CODES, ICMP6_NAMES];
  return (text, option) => {
    const [typeText = '', codeText, ...rest] = (texts.get(text.toLowerCase()) ?? text).split('/');
    const type = parseNumber(typeText);
    const code = codeText === undefined ? undefined : parseNumber(codeText);
    if (type === undefined || type > 255 || rest.length > 0) return undefined;
    if (codeText !== undefined && code === undefined) return undefined;
    // 255 is any type, for icmp only (xt_icmp.c icmp_type_code_match).
    if (protocol === 'icmp' && type === 255) return option.negated ? undefined : [];
    const typeMatch = match(payload(protocol, 'type'), named(types, type));
    if (code === undefined) return compare(payload(protocol, 'type'), named(types, type), option);
    const codeMatch = match(payload(protocol, 'code'), named(codes, code));
    if (!option.negated) return [typeMatch, codeMatch];
    const other = (statement: Statement): Statement =>
      statement.kind === 'match' ? { ...statement, operator: '!=' } : statement;
    return [{ kind: 'or', branches: [[other(typeMatch)], [other(codeMatch)]] }];
  };
}

const ttl = (left: Expression, name: string): Extension =>
  extensionOf({
    [`--${name}-eq`]: (text, option) => compare(left, optional(parseNumber(text)), option),
    [`--${name}-lt`]: (text) => order(left, text, '<'),
    [`--${name}-gt`]: (text) => order(left, text, '>'),
  });

function optional(value: number | undefined): Value | undefined {
  return value === undefined ? undefined : number(value);
}

function order(left: Expression, text: string, operator: '<' | '>'): readonly Statement[] | undefined {
  const value = parseNumber(text);
  return value === undefined ? undefined : [match(left, number(value), operator)];
}

const range = (left: Expression, most: number): OptionReader => {
  return (text, option) => compare(left, parseNumberRange(text, most), option);
};

/** The byte with DSCP and ECN, for which nft has no name of its own. */
export function trafficClass(family: 'ip' | 'ip6'): Expression {
  return { kind: 'raw payload', base: 'nh', offset: family === 'ip' ? 8 : 4, bits: 8 };
}

/** TOS by the names of RFC 1349. */
export const TOS_NAMES: ReadonlyMap<string, string> = new Map([
  ['minimize-delay', '0x10/0x3f'],
  ['maximize-throughput', '0x08/0x3f'],
  ['maximize-reliability', '0x04/0x3f'],
  ['minimize-cost', '0x02/0x3f'],
  ['normal-service', '0x00/0x3f'],
]);

const MAC = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;

const header = (name: string): Expression => ({ kind: 'exthdr', name });
const headerField = (name: string, field: string): Expression => ({ kind: 'exthdr', name, field });

export const HEADER_MATCHES: Readonly<Record<string, Extension>> = {
  tcp,
  udp: extensionOf(portsOf('udp'), PORT_ALIASES),
  udplite: extensionOf(portsOf('udplite'), PORT_ALIASES),
  sctp: extensionOf(
    {
      ...portsOf('sctp'),
      '--chunk-types': [2, (_, option) => [free('sctp', option)]],
    },
    PORT_ALIASES,
  ),
  multiport,
  icmp: extensionOf({ '--icmp-type': icmpReader('icmp') }),
  icmp6: extensionOf({ '--icmpv6-type': icmpReader('icmpv6') }, { '--icmp-type': '--icmpv6-type' }),
  ttl: ttl(payload('ip', 'ttl'), 'ttl'),
  hl: ttl(payload('ip6', 'hoplimit'), 'hl'),
  length: extensionOf({ '--length': range(meta('length'), 65535) }),
  iprange: extensionOf({
    '--src-range': (text, option, { family }) =>
      compare(payload(family, 'saddr'), parseAddressRange(text), option),
    '--dst-range': (text, option, { family }) =>
      compare(payload(family, 'daddr'), parseAddressRange(text), option),
  }),
  mac: extensionOf({
    '--mac-source': (text, option) => {
      const address = text.toLowerCase();
      if (MAC.test(address)) return compare(payload('ether', 'saddr'), symbol(address), option);
      // Dumps that people show to others often have these blacked out.
      return /^[x*]{2}(?::[0-9a-fx*]{2}){5}$/.test(address)
        ? [{ ...free('mac', option), reason: 'redacted' }]
        : undefined;
    },
  }),
  dscp: extensionOf({
    '--dscp': (text, option, { family }) => {
      const value = parseNumber(text);
      return compare(payload(family, 'dscp'), value === undefined ? undefined : named(DSCP, value), option);
    },
    '--dscp-class': (text, option, { family }) => {
      const value = DSCP.get(text.toLowerCase());
      return compare(payload(family, 'dscp'), value === undefined ? undefined : named(DSCP, value), option);
    },
  }),
  tos: extensionOf({
    '--tos': (text, { negated }, { family }) =>
      maskedMatch(trafficClass(family), TOS_NAMES.get(text.toLowerCase()) ?? text, negated, 0xff),
  }),
  ecn: extensionOf({
    '--ecn-ip-ect': (text, option, { family }) => {
      const value = parseNumber(text);
      const name = ['not-ect', 'ect1', 'ect0', 'ce'][value ?? -1];
      return compare(payload(family, 'ecn'), name === undefined ? undefined : symbol(name), option);
    },
    '--ecn-tcp-cwr': [0, (_, { negated }) => [bit('cwr', negated)]],
    '--ecn-tcp-ece': [0, (_, { negated }) => [bit('ecn', negated)]],
  }),
  esp: extensionOf({ '--espspi': range(payload('esp', 'spi'), 0xffff_ffff) }),
  ipcomp: extensionOf({ '--ipcompspi': range(payload('comp', 'cpi'), 0xffff) }),
  ah: extensionOf({
    '--ahspi': range(payload('ah', 'spi'), 0xffff_ffff),
    '--ahlen': () => undefined,
    '--ahres': [0, () => undefined],
  }),
  rt: extensionOf({
    '--rt-type': range(headerField('rt', 'type'), 255),
    '--rt-segsleft': range(headerField('rt', 'seg-left'), 255),
    '--rt-len': () => undefined,
  }),
  frag: extensionOf({
    '--fragid': range(headerField('frag', 'id'), 0xffff_ffff),
    '--fraglast': [0, () => [match(headerField('frag', 'more-fragments'), number(0))]],
    '--fragmore': [0, () => [match(headerField('frag', 'more-fragments'), number(1))]],
    '--fragfirst': [0, () => [match(headerField('frag', 'frag-off'), number(0))]],
    '--fragres': [0, () => undefined],
    '--fraglen': () => undefined,
  }),
  mh: extensionOf({
    '--mh-type': range(headerField('mh', 'type'), 255),
  }),
  hbh: presence('hbh', 'hbh'),
  dst: presence('dst', 'dst'),
};

/** Present or not, without its options. */
function presence(name: string, option: string): Extension {
  return {
    options: { [`--${option}-len`]: 1, [`--${option}-opts`]: 1 },
    read: (options) => (options.length === 0 ? [match(header(name), boolean(true))] : undefined),
  };
}

function free(extension: string, option: XtOption): FreeStatement {
  return { kind: 'free', reason: 'content', extension, options: [option] };
}

function bit(flag: string, negated: boolean): Statement {
  return match(payload('tcp', 'flags'), symbol(flag), negated ? '!' : 'in');
}
