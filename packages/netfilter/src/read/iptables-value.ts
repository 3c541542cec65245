// Numbers, ports, protocols and addresses as iptables writes them.
import type { Expression } from '../model/expression.ts';
import { named } from '../model/names.ts';
import { match, type Statement } from '../model/statement.ts';
import { number, symbol, type Value } from '../model/value.ts';
import { bitsOf, parseAddress } from '../net/address.ts';
import { prefixOf } from '../net/prefix.ts';
import { PROTOCOLS } from '../net/protocol.ts';

/** Decimal, 0x hexadecimal or 0 octal (strtoul), at most 32 bits. */
export function parseNumber(text: string): number | undefined {
  if (!/^(?:0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)$/i.test(text)) return undefined;
  const value = /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text);
  return value <= 0xffff_ffff ? value : undefined;
}

/** `VALUE` or `VALUE/MASK`. */
export function parseMasked(text: string): { value: number; mask: number } | undefined {
  const [first = '', second, ...rest] = text.split('/');
  const value = parseNumber(first);
  const mask = second === undefined ? 0xffff_ffff : parseNumber(second);
  return value === undefined || mask === undefined || rest.length > 0 ? undefined : { value, mask };
}

/** `expression & mask == value`; without the mask when it covers everything. */
export function maskedMatch(
  of: Expression,
  text: string,
  negated: boolean,
  full = 0xffff_ffff,
): readonly Statement[] | undefined {
  const masked = parseMasked(text);
  if (masked === undefined) return undefined;
  const left: Expression =
    (masked.mask & full) >>> 0 === full ? of : { kind: 'mask', of, mask: number(masked.mask) };
  return [match(left, number(masked.value), negated ? '!=' : '==')];
}

/** `N`, `N:M`, `N:` or `:M`. */
export function parseNumberRange(text: string, most: number): Value | undefined {
  return rangeOf(text, most, (word) => {
    const value = parseNumber(word);
    return value !== undefined && value <= most ? value : undefined;
  });
}

function rangeOf(
  text: string,
  most: number,
  parse: (word: string) => number | undefined,
  mark = ':',
): Value | undefined {
  const [first = '', last, ...rest] = text.split(mark);
  if (rest.length > 0) return undefined;
  if (last === undefined) {
    const single = parse(first);
    return single === undefined ? undefined : number(single);
  }
  const from = first === '' ? 0 : parse(first);
  const to = last === '' ? most : parse(last);
  // A range that ends before it starts is loaded, and holds nothing.
  if (from === undefined || to === undefined) return undefined;
  return from === to ? number(from) : { kind: 'range', first: number(from), last: number(to) };
}

/** Names that rulesets use although iptables-save writes numbers (IANA "Service Names and Port Numbers"). */
const PORTS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    'ftp-data': 20,
    ftp: 21,
    ssh: 22,
    telnet: 23,
    smtp: 25,
    domain: 53,
    bootps: 67,
    bootpc: 68,
    tftp: 69,
    http: 80,
    www: 80,
    pop3: 110,
    sunrpc: 111,
    ntp: 123,
    'netbios-ns': 137,
    'netbios-dgm': 138,
    'netbios-ssn': 139,
    imap: 143,
    imap2: 143,
    snmp: 161,
    ldap: 389,
    https: 443,
    'microsoft-ds': 445,
    submission: 587,
    ldaps: 636,
    imaps: 993,
    pop3s: 995,
    openvpn: 1194,
    mysql: 3306,
    postgresql: 5432,
  }),
);

/** A port, or a range of ports with `mark` between. */
export function parsePorts(text: string, mark: ':' | '-' = ':'): Value | undefined {
  const parse = (word: string) => {
    const value = PORTS.get(word) ?? parseNumber(word);
    return value !== undefined && value <= 65535 ? value : undefined;
  };
  // A name may have a dash of its own.
  const single = parse(text);
  return single === undefined ? rangeOf(text, 65535, parse, mark) : number(single);
}

/** `22,80:90`. */
export function parsePortList(text: string): readonly Value[] | undefined {
  const ports = text.split(',').map((each) => parsePorts(each));
  return ports.every((each) => each !== undefined) ? ports : undefined;
}

/** A protocol by nft's name where it has one; undefined: any protocol. */
export function parseProtocol(text: string): Value | undefined {
  const lower = text.toLowerCase();
  if (lower === 'all') return undefined;
  const value = PROTOCOLS.get(lower) ?? parseNumber(lower);
  if (value === undefined) return symbol(lower);
  return value === 0 ? undefined : named(PROTOCOLS, value);
}

/** `ADDRESS`, `ADDRESS/LENGTH` or `ADDRESS/MASK`; the mask is apart where no prefix can say it. */
export function parseNetwork(text: string, family: 'ip' | 'ip6'): { value: Value; mask?: Value } | undefined {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined || address.family !== (family === 'ip' ? 'ipv4' : 'ipv6')) return undefined;
  const bits = bitsOf(address.family);
  if (slash < 0) return { value: { kind: 'address', address } };
  const after = text.slice(slash + 1);
  const mask = parseAddress(after);
  const length = mask === undefined ? plainLength(after, bits) : maskLength(mask.value, bits);
  if (length === bits) return { value: { kind: 'address', address } };
  if (length !== undefined) return { value: { kind: 'prefix', prefix: prefixOf(address, length) } };
  if (mask === undefined || mask.family !== address.family) return undefined;
  const masked = { family: address.family, value: address.value & mask.value };
  return { value: { kind: 'address', address: masked }, mask: { kind: 'address', address: mask } };
}

function plainLength(text: string, bits: number): number | undefined {
  const length = /^[0-9]{1,3}$/.test(text) ? Number(text) : undefined;
  return length !== undefined && length <= bits ? length : undefined;
}

/** undefined: the ones do not all stand at the front. */
function maskLength(mask: bigint, bits: number): number | undefined {
  const zeros = (1n << BigInt(bits)) - 1n - mask;
  if ((zeros & (zeros + 1n)) !== 0n) return undefined;
  return bits - zeros.toString(2).replace(/^0$/, '').length;
}

/** `FIRST-LAST`, or a single address. */
export function parseAddressRange(text: string): Value | undefined {
  const [first = '', last, ...rest] = text.split('-');
  const from = parseAddress(first);
  const to = last === undefined ? from : parseAddress(last);
  if (from === undefined || to === undefined || rest.length > 0 || from.family !== to.family)
    return undefined;
  if (from.value === to.value) return { kind: 'address', address: from };
  return { kind: 'range', first: { kind: 'address', address: from }, last: { kind: 'address', address: to } };
}
