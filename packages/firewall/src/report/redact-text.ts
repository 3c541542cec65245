// Addresses, hardware addresses and remarks inside texts, wherever they stand, and others in their place.
import { createHmac } from 'node:crypto';
import { type Address, formatAddress, parseAddress, parsePrefix, prefixInterval } from '@moat/netfilter';
import type { AddressRange } from './redact-address.ts';

const MAC = '(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![0-9a-f:])';
const IPV4 = '\\d{1,3}(?:\\.\\d{1,3}){3}(?![0-9]|\\.[0-9])';
const IPV6 = `(?=[0-9a-f]*:[0-9a-f:])[0-9a-f:]{2,39}(?:\\.\\d{1,3}){0,3}(?![\\w])`;
/** A digit, a dot or a colon before it would make it the rest of something else. */
const TOKEN = new RegExp(`(?<![0-9a-f:.])${MAC}|(?<![\\w:.])${IPV6}|(?<![0-9.])${IPV4}`, 'gi');

/** Every network (`ADDRESS/LENGTH`) and range (`ADDRESS-ADDRESS`) that stands in the text, and single addresses. */
export function addressesIn(text: string): { ranges: AddressRange[]; addresses: Address[] } {
  const ranges: AddressRange[] = [];
  const addresses: Address[] = [];
  let before: { readonly address: Address; readonly end: number } | undefined;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    const address = parseAddress(token);
    if (address === undefined) continue;
    const end = index + token.length;
    const { family, value } = address;
    const [slash] = /^\/\d{1,3}(?![\d.])/.exec(text.slice(end, end + 5)) ?? [];
    const network = slash === undefined ? undefined : parsePrefix(token + slash);
    if (network !== undefined && 'prefix' in network) {
      ranges.push({ family, ...prefixInterval(network.prefix) });
    } else addresses.push(address);
    if (before !== undefined && text[before.end] === '-' && before.end + 1 === index) {
      const { family: other, value: first } = before.address;
      if (other === family && first < value) ranges.push({ family, first, last: value });
    }
    before = { address, end };
  }
  return { ranges, addresses };
}

/** Functions that put one thing in the place of another, the same for the same. */
export interface Veil {
  readonly address: (address: Address) => Address;
  readonly key: Uint8Array;
}

/** The text with other addresses and hardware addresses; everything else as it was. */
export function veilText(text: string, veil: Veil): string {
  return text.replace(TOKEN, (token) => {
    if (/^[^:]{2}(?::[^:]{2}){5}$/.test(token)) return veilMac(token, veil);
    const address = parseAddress(token);
    if (address !== undefined) return veilAddress(address, token, veil);
    // `2001:db8::1: words`
    const cut = token.endsWith(':') ? parseAddress(token.slice(0, -1)) : undefined;
    return cut === undefined ? token : `${veilAddress(cut, token.slice(0, -1), veil)}:`;
  });
}

const MAPPED = 0xffffn;
const NAT64 = 0x64_ff9b_0000_0000_0000_0000n;

function veilAddress(address: Address, token: string, veil: Veil): string {
  const { family, value } = address;
  const front = value >> 32n;
  let other = veil.address(address);
  if (family === 'ipv6' && (front === MAPPED || front === NAT64)) {
    // An IPv4 address inside an IPv6 one (RFC 4291, RFC 6052).
    const inner = veil.address({ family: 'ipv4', value: value & 0xffff_ffffn });
    other = { family, value: (front << 32n) | inner.value };
  } else if (family === 'ipv6' && other.value === value)
    other = { family, value: veilIdentifier(value, veil) };
  // As it was spelled, unless it is another.
  return other.value === value ? token : formatAddress(other);
}

/** In fe80::/10 and fc00::/7 a hardware address may stand in the last 64 bits (RFC 4291, appendix A). */
function veilIdentifier(value: bigint, veil: Veil): bigint {
  const local = value >> 118n === 0x3fan || value >> 121n === 0x7en;
  if (!local || ((value >> 24n) & 0xffffn) !== 0xfffen) return value;
  const hex = (value & 0xffff_ffff_ffff_ffffn).toString(16).padStart(16, '0');
  const mac = `${hex.slice(0, 6)}${hex.slice(10)}`;
  const other = veilMac(turned(mac).match(/../g)!.join(':'), veil).replaceAll(':', '');
  const identifier = BigInt(`0x${turned(`${other.slice(0, 6)}fffe${other.slice(6)}`)}`);
  return ((value >> 64n) << 64n) | identifier;
}

/** With the bit "locally administered" the other way round. */
function turned(hex: string): string {
  return (Number.parseInt(hex.slice(0, 2), 16) ^ 2).toString(16).padStart(2, '0') + hex.slice(2);
}

/** Those of groups, of nobody and of documentation stay; others become locally administered ones. */
function veilMac(mac: string, { key }: Veil): string {
  const isGroup = (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
  if (isGroup || /^(?:00:){5}00$|^00:00:5e:/i.test(mac)) return mac;
  return ['02', ...digest(`mac ${mac.toLowerCase()}`, key).match(/../g)!.slice(0, 5)].join(':');
}

/** `arg-1a2b3c4d` in place of a word: the same word, the same digits. */
export function veilWord(kind: string, word: string, { key }: Veil): string {
  return `${kind}-${digest(`${kind} ${word}`, key).slice(0, 8)}`;
}

/** moat's own remarks are names of sentences and tell nothing. */
export function veilComment(comment: string, veil: Veil): string {
  return /^moat:[0-9a-f]{8}(?:\+\d+)?$/.test(comment) ? comment : veilWord('comment', comment, veil);
}

/** Remarks as iptables-save (`--comment "…"`), nft and ipset (`comment "…"`) print them. */
export function veilComments(text: string, veil: Veil): string {
  return text
    .replace(/( --comment )("(?:\\.|[^"\\\n])*"|\S+)/g, (_, before: string, remark: string) => {
      const plain = remark.startsWith('"') ? remark.slice(1, -1) : remark;
      return `${before}${veilComment(plain, veil)}`;
    })
    .replace(/( comment )"([^"\n]*)"/g, (_, before: string, remark: string) => {
      return `${before}"${veilComment(remark, veil)}"`;
    });
}

function digest(text: string, key: Uint8Array): string {
  return createHmac('sha256', key).update(text).digest('hex');
}
