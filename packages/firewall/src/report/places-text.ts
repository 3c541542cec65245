// Places in words: `anywhere`, `anywhere but 192.0.2.9`, `203.0.113.7, 10.0.0.0/8 on eth1`.
import {
  formatPrefix,
  type IntervalSet,
  type IpFamily,
  networksOf,
  type Places,
  subtractIntervals,
} from '@moat/netfilter';

const MOST = 4;

export function placesText(family: IpFamily, { addresses, anywhere, interfaces }: Places): string {
  const on = interfaces === undefined ? '' : ` on ${listed(interfaces)}`;
  return `${anywhere ? 'anywhere' : addressesText(family, addresses)}${on}`;
}

/** As what is in it or as what is missing, whichever is shorter. */
export function addressesText(family: IpFamily, addresses: IntervalSet<bigint>): string {
  const all = [{ first: 0n, last: (1n << (family === 'ipv4' ? 32n : 128n)) - 1n }];
  if (
    family === 'ipv6' &&
    addresses.every(({ first, last }) => first >> 118n === 0x3fan && last >> 118n === 0x3fan)
  )
    return 'link-local addresses';
  const given = networksOf(family, addresses);
  if (given.length <= MOST) return listed(given.map(formatPrefix));
  // Addresses from which nothing can come were taken out of what is given.
  const missing = networksOf(family, subtractIntervals(all, addresses)).filter(
    (prefix) => !NEVER[family].includes(formatPrefix(prefix)),
  );
  if (missing.length === 0) return 'anywhere';
  if (missing.length < given.length) return `anywhere but ${listed(missing.map(formatPrefix))}`;
  return listed(given.map(formatPrefix));
}

const NEVER: Readonly<Record<IpFamily, readonly string[]>> = {
  ipv4: ['0.0.0.0/8', '240.0.0.0/4', '127.0.0.0/8', '224.0.0.0/4', '224.0.0.0/3', '255.255.255.255'],
  ipv6: ['::/127', '::', 'ff00::/8', '::ffff:0:0/96', '::ffff:0.0.0.0/96'],
};

function listed(texts: readonly string[]): string {
  const shown = texts.slice(0, MOST).join(', ');
  return texts.length > MOST ? `${shown} and ${texts.length - MOST} more` : shown;
}
