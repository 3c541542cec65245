// What `ipset save` prints → the sets that iptables rules ask for.
import type { Ipset, IpsetEntry } from '../model/ipset.ts';
import { ICMP_TYPES, ICMPV6_TYPES } from '../model/names.ts';
import { number, symbol, type Value } from '../model/value.ts';
import type { IpFamily } from '../net/address.ts';
import { parseAddress } from '../net/address.ts';
import { prefixOf } from '../net/prefix.ts';
import { PROTOCOLS } from '../net/protocol.ts';
import { ICMP_NAMES, ICMP6_NAMES } from './iptables-icmp.ts';
import { parseAddressRange, parseNetwork, parseNumber, parsePorts } from './iptables-value.ts';
import { splitWords } from './iptables-words.ts';

interface Draft {
  readonly name: string;
  readonly method: string;
  readonly dimensions: readonly string[];
  readonly family: IpFamily;
  readonly options: ReadonlyMap<string, string>;
  readonly entries: IpsetEntry[];
  readonly unknown: string[];
}

/** Words after `create` and `add` that have no value behind them. */
const ALONE: ReadonlySet<string> = new Set([
  'counters',
  'comment',
  'skbinfo',
  'forceadd',
  'nomatch',
  'wildcard',
]);

/** Reads `ipset save` (ipset(8)). A line that is not understood is kept with its set. */
export function readIpsetSave(text: string): readonly Ipset[] {
  const drafts = new Map<string, Draft>();
  for (const line of text.split('\n')) {
    const [command, name = '', what = '', ...rest] = splitWords(line.trim());
    if (command === 'create') drafts.set(name, createSet(name, what, rest));
    else if (command === 'add') {
      const draft = drafts.get(name);
      const entry = draft === undefined ? undefined : readEntry(draft, what, rest);
      if (entry === undefined) draft?.unknown.push(line.trim());
      else draft!.entries.push(entry);
    }
  }
  return [...drafts.values()].map(finish);
}

function createSet(name: string, type: string, words: readonly string[]): Draft {
  const [method = '', dimensions = ''] = type.split(':');
  const options = optionsOf(words);
  return {
    name,
    method,
    dimensions: dimensions.split(','),
    family: options.get('family') === 'inet6' ? 'ipv6' : 'ipv4',
    options,
    entries: [],
    unknown: [],
  };
}

function optionsOf(words: readonly string[]): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (ALONE.has(word)) options.set(word, '');
    else options.set(word, words[++i] ?? '');
  }
  return options;
}

function finish({ name, method, dimensions, family, options, entries, unknown }: Draft): Ipset {
  const markMask = parseNumber(options.get('markmask') ?? '');
  return {
    name,
    method,
    dimensions,
    family,
    ...(markMask === undefined ? {} : { markMask }),
    entries,
    // A mask for addresses that is no prefix: nobody here knows what such a set holds.
    unknown: options.has('bitmask') ? [`bitmask ${options.get('bitmask')}`, ...unknown] : unknown,
  };
}

function readEntry(set: Draft, text: string, words: readonly string[]): IpsetEntry | undefined {
  const texts = text.split(',');
  if (texts.length > set.dimensions.length) return undefined;
  const comment = words.indexOf('comment');
  const options = optionsOf(comment < 0 ? words : words.slice(0, comment));
  const parts: Value[] = [];
  for (const [i, dimension] of set.dimensions.entries()) {
    const part = readPart(set, dimension, texts[i], options.has('wildcard'));
    if (part === undefined) return undefined;
    parts.push(part);
  }
  const timeout = parseNumber(options.get('timeout') ?? '');
  return {
    parts,
    nomatch: options.has('nomatch'),
    ...(timeout === undefined || timeout === 0 ? {} : { timeout }),
  };
}

function readPart(
  set: Draft,
  dimension: string,
  text: string | undefined,
  wildcard: boolean,
): Value | undefined {
  // bitmap:ip,mac: an address whose MAC is not known yet takes any.
  if (text === undefined) return dimension === 'mac' ? { kind: 'any' } : undefined;
  switch (dimension) {
    case 'ip':
    case 'net':
      return readNetwork(set, text);
    case 'port':
      return set.method === 'bitmap' ? parsePorts(text, '-') : readPort(text);
    case 'mac':
      return symbol(text.toLowerCase());
    case 'iface':
      if (text.startsWith('physdev:')) return undefined;
      return symbol(wildcard ? `${text}*` : text);
    case 'mark': {
      const mark = parseNumber(text);
      return mark === undefined ? undefined : number(mark);
    }
    case 'set':
      return symbol(text);
    default:
      return undefined;
  }
}

function readNetwork(set: Draft, text: string): Value | undefined {
  if (text.includes('-')) return parseAddressRange(text);
  const length = parseNumber(set.options.get('netmask') ?? '');
  const address = parseAddress(text);
  // In a set with a netmask an address stands for its network.
  if (length !== undefined && address !== undefined) {
    return { kind: 'prefix', prefix: prefixOf(address, length) };
  }
  const network = parseNetwork(text, set.family === 'ipv4' ? 'ip' : 'ip6');
  return network?.mask === undefined ? network?.value : undefined;
}

/** `tcp:80`, `udp:1-10`, `icmp:echo-request`, `icmp:8/0`, `gre:0`; tcp where no protocol is written. */
function readPort(text: string): Value | undefined {
  const colon = text.indexOf(':');
  const word = colon < 0 ? 'tcp' : text.slice(0, colon);
  const name = word === 'icmpv6' ? 'ipv6-icmp' : word;
  if (!PROTOCOLS.has(name)) return undefined;
  const rest = text.slice(colon + 1);
  const port =
    name === 'icmp'
      ? readIcmp(rest, ICMP_NAMES, ICMP_TYPES)
      : name === 'ipv6-icmp'
        ? readIcmp(rest, ICMP6_NAMES, ICMPV6_TYPES)
        : parsePorts(rest, '-');
  return port === undefined ? undefined : { kind: 'concat', parts: [symbol(name), port] };
}

function readIcmp(
  text: string,
  names: ReadonlyMap<string, string>,
  types: ReadonlyMap<string, number>,
): Value | undefined {
  const spelled = names.get(text) ?? String(types.get(text) ?? text);
  const [type, code = 0] = spelled.split('/').map(parseNumber);
  return type === undefined || code === undefined ? undefined : number(type * 256 + code);
}
