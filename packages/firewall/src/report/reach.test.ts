import { parseAddress } from '@moat/netfilter';
import { expect, test } from 'vitest';
import type { Listener } from '../kernel/listeners.ts';
import { parsePolicyFile } from '../policy/file.ts';
import { parseServices } from '../policy/services.ts';
import { reachOf } from './reach.ts';

const services = parseServices('ssh 22/tcp\n');

function reach(text: string, port = 22, address = '0.0.0.0'): [readonly string[], readonly number[]] {
  const parsed = parsePolicyFile(text, services);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const listener: Listener = {
    protocol: 'tcp',
    family: address.includes(':') ? 'ipv6' : 'ipv4',
    address: parseAddress(address)!,
    port,
    what: { kind: 'unknown', uid: 0 },
  };
  const [only] = reachOf(parsed.file.policy, [listener]);
  return [only!.sources, only!.rules];
}

test.each([
  ['closed by default', '', [], []],
  ['the default', 'default allow incoming', ['anywhere'], [0]],
  [
    'the default, but not for some',
    'default allow incoming\ndeny from 192.0.2.9',
    ['anywhere but 192.0.2.9'],
    [0],
  ],
  ['a rule for all', 'allow 22', ['anywhere'], [1]],
  ['nothing after a rule for all', 'allow 22\nallow from 192.0.2.9', ['anywhere'], [1]],
  ['a rule for some', 'allow from 192.0.2.9', ['192.0.2.9'], [1]],
  ['another port', 'allow 23', [], []],
  ['another protocol', 'allow 22/udp', [], []],
  ['the other family', 'allow from 2001:db8::9', [], []],
  ['a deny before it that covers it', 'deny from 192.0.2.0/24\nallow from 192.0.2.9 to any port 22', [], []],
  [
    'a deny of the port before an allow of all ports',
    'deny from 192.0.2.0/24 to any port 22\nallow from 192.0.2.9',
    [],
    [],
  ],
  ['a deny of another port', 'deny 23\nallow from 192.0.2.9', ['192.0.2.9'], [2]],
  ['a deny before it of a part', 'deny from 192.0.2.9\nallow 22', ['anywhere but 192.0.2.9'], [2]],
  ['a deny after it', 'allow 22\ndeny from 192.0.2.9', ['anywhere'], [1]],
  ['on one interface', 'allow in on eth0\nlimit 22', ['anywhere on eth0', 'anywhere (limited)'], [1, 2]],
  ['a deny on one interface', 'deny in on eth0\nlimit 22', ['anywhere but anywhere on eth0 (limited)'], [2]],
] as const)('%s', (_, text, sources, rules) => {
  expect(reach(text)).toEqual([sources, rules]);
});
