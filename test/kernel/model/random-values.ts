// Random values: few addresses, ports and names, nested and side by side, so that random rules overlap.
import type { Random } from './random.ts';

export const V4 = [
  ...['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '10.1.2.3', '10.1.2.4/31', '192.0.2.0/25', '192.0.2.200'],
  ...[
    '198.51.100.7',
    '203.0.113.0/28',
    '172.17.0.2',
    '10.255.0.1',
    '127.0.0.1',
    '128.0.0.0/2',
    '224.0.0.251',
  ],
];
export const V4_RANGES = [
  '10.1.2.3-10.1.4.7',
  '192.0.2.10-192.0.2.20',
  '203.0.113.1-203.0.113.254',
  '9.255.0.0-10.0.0.9',
];
export const V6 = [
  ...[
    '2001:db8::/32',
    '2001:db8:1::/48',
    '2001:db8:1:2::/64',
    '2001:db8:1::1',
    '2001:db8:ffff::1',
    'fd00::/8',
  ],
  ...['2001:db8:0:1::/63', '::1', 'ff02::fb', '2001:db8:1::8/125'],
];
export const V6_RANGES = ['2001:db8:1::3-2001:db8:1::ffff', 'fd00::1-fd00:0:0:2::'];
export const PORTS = ['22', '53', '80', '443', '1024', '8080', '65535', '1'];
export const PORT_RANGES = ['20-25', '80-90', '1024-65535', '0-1023', '440-8079'];
export const INTERFACES = ['eth0', 'eth1', 'br0', 'wlan0'];
export const MARKS = ['0x1', '0x10', '0xff', '0xff00', '0x80000000', '0'];
export const MASKS = ['0xff', '0x10', '0xf0f0', '0xffffff00'];
export const STATES = ['new', 'established', 'related', 'invalid', 'untracked'];

const startOf = (text: string): string => text.replace(/[/-].*/, '');

/** Some of the list that do not overlap as intervals: each start only once, networks and ranges at most one. */
export function apart(random: Random, singles: readonly string[], most: number): string[] {
  const plain = singles.filter((each) => !/[/-]/.test(each));
  const wide = singles.filter((each) => /[/-]/.test(each));
  const chosen = random.some(plain, 1 + random.int(most));
  const one = random.chance(50) && wide.length > 0 ? random.pick(wide) : undefined;
  return one === undefined ? chosen : [...chosen, one];
}

export const hostOf = (text: string): string => startOf(text);
