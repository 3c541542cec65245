// Other addresses in place of the public ones, such that what lay in a network or a range still lies in it.
import { createHmac } from 'node:crypto';
import {
  type Address,
  bitsOf,
  type IpFamily,
  type Prefix,
  parsePrefix,
  prefixInterval,
} from '@moat/netfilter';

/** Addresses from `first` to `last`; a network is one of these. */
export interface AddressRange {
  readonly family: IpFamily;
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * What stays as it is, since it tells of nobody, and means something to the kernel or to every reader: private, shared,
 * loopback, link-local, documentation, benchmark, multicast and reserved addresses (RFC 6890), and all of IPv6 but 2000::/3.
 */
const KEPT: Readonly<Record<IpFamily, readonly Prefix[]>> = {
  ipv4: prefixes(
    '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 ' +
      '192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3',
  ),
  ipv6: prefixes('::/3 4000::/2 8000::/1 2001::/23 2001:db8::/32 3fff::/20'),
};

function prefixes(text: string): Prefix[] {
  return text.split(' ').map((word) => {
    const read = parsePrefix(word);
    if ('problem' in read) throw new Error(`not a network: ${word}`);
    return read.prefix;
  });
}

/**
 * A one-to-one map of addresses onto addresses of the same family. Two addresses have as many leading bits in common
 * afterwards as before (as in Crypto-PAn, Xu et al. 2002): each bit is turned or not, by a keyed hash of the bits
 * before it. Not turned are the bits that lead to what is kept, and those by which one tells whether an address lies
 * before or behind an end of one of `ranges`: so every network and range given holds the same addresses as before.
 */
export function addressMap(key: Uint8Array, ranges: Iterable<AddressRange>): (address: Address) => Address {
  const pins: Record<IpFamily, Pins> = { ipv4: emptyPins(), ipv6: emptyPins() };
  for (const family of ['ipv4', 'ipv6'] as const) {
    for (const { value, length } of KEPT[family])
      pin(pins[family], bitText(value, family).slice(0, length), 0);
  }
  for (const { family, first, last } of ranges) {
    const [from, to] = [bitText(first, family), bitText(last, family)];
    const shared = sharedLength(from, to);
    for (const end of [from, to]) pin(pins[family], end, shared);
  }
  const turns = keyedBits(key);
  return (address) => {
    const { family, value } = address;
    if (isKept(address)) return address;
    const bits = bitText(value, family);
    const { next, pinned } = pins[family];
    let node: number | undefined = 0;
    let turned = '';
    for (let depth = 0; depth < bits.length; depth++) {
      const one = bits[depth] === '1';
      const stays = node !== undefined && pinned[node] === true;
      turned += one !== (!stays && turns(family, bits, depth)) ? '1' : '0';
      node = node === undefined ? undefined : next[2 * node + Number(one)];
    }
    return { family, value: BigInt(`0b${turned}`) };
  };
}

/** Whether the map leaves it as it is, whatever the key. */
export function isKept({ family, value }: Address): boolean {
  return KEPT[family].some((prefix) => {
    const { first, last } = prefixInterval(prefix);
    return first <= value && value <= last;
  });
}

/** A network in which an address that ends in zeros may be the first: masks are not always written beside it. */
export function likelyNetwork({ family, value }: Address): AddressRange | undefined {
  const bits = bitsOf(family);
  const step = family === 'ipv4' ? 8 : 16;
  const zeros = bits - bitText(value, family).replace(/0+$/, '').length;
  const free = zeros - (zeros % step);
  if (free === 0 || free === bits) return undefined;
  return { family, first: value, last: value | ((1n << BigInt(free)) - 1n) };
}

/** A binary tree of leading bits: `next[2 * node + bit]`; `pinned[node]`: the bit after those is not turned. */
interface Pins {
  readonly next: (number | undefined)[];
  readonly pinned: boolean[];
}

function emptyPins(): Pins {
  return { next: [undefined, undefined], pinned: [false] };
}

/** Pins every bit of the path from `depth` on. */
function pin({ next, pinned }: Pins, path: string, depth: number): void {
  let node = 0;
  for (let at = 0; at < path.length; at++) {
    if (at >= depth) pinned[node] = true;
    const edge = 2 * node + Number(path[at]);
    let child = next[edge];
    if (child === undefined) {
      child = pinned.length;
      pinned.push(false);
      next.push(undefined, undefined);
      next[edge] = child;
    }
    node = child;
  }
}

function bitText(value: bigint, family: IpFamily): string {
  return value.toString(2).padStart(bitsOf(family), '0');
}

function sharedLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

/** One digest decides on all bits of one octet: the bit number `1xyz` is for what follows `xyz` in it. */
function keyedBits(key: Uint8Array): (family: IpFamily, bits: string, depth: number) => boolean {
  const digests = new Map<string, Buffer>();
  return (family, bits, depth) => {
    const octet = depth - (depth % 8);
    const id = `${family} ${bits.slice(0, octet)}`;
    const digest = digests.get(id) ?? createHmac('sha256', key).update(id).digest();
    digests.set(id, digest);
    const index = Number.parseInt(`1${bits.slice(octet, depth)}`, 2);
    return ((digest[index >> 3]! >> (index & 7)) & 1) === 1;
  };
}
