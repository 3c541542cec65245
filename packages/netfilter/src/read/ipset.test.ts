import { describe, expect, test } from 'vitest';
import { ipsetKey } from '../model/ipset.ts';
import { renderExpression, renderValue } from '../render/nft-expression.ts';
import { readIpsetSave } from './ipset.ts';

/** The lines after `create s`, as ipset 7.17 printed them. */
function entries(type: string, ...adds: string[]): readonly string[] {
  const [set] = readIpsetSave([`create s ${type}`, ...adds.map((add) => `add s ${add}`)].join('\n'));
  expect(set!.unknown).toEqual([]);
  return set!.entries.map(({ parts, nomatch }) =>
    [...(nomatch ? ['not'] : []), ...parts.map((part) => renderValue(part, false))].join(' | '),
  );
}

test.each<[string, string, readonly string[]]>([
  ['hash:ip family inet hashsize 1024 maxelem 65536', '192.0.2.1', ['192.0.2.1']],
  [
    'hash:ip family inet netmask 24 timeout 100 comment',
    '192.0.2.0 timeout 99 comment "no nomatch"',
    ['192.0.2.0/24'],
  ],
  ['hash:net family inet6', '2001:db8::/32 nomatch', ['not | 2001:db8::/32']],
  ['hash:ip,port family inet', '192.0.2.1,udp:53', ['192.0.2.1 | udp . 53']],
  ['hash:ip,port family inet', '192.0.2.1,icmp:echo-request', ['192.0.2.1 | icmp . 2048']],
  ['hash:ip,port family inet6', '2001:db8::1,ipv6-icmp:135/0', ['2001:db8::1 | ipv6-icmp . 34560']],
  ['hash:ip,port,net family inet', '192.0.2.1,tcp:80,10.0.0.0/8', ['192.0.2.1 | tcp . 80 | 10.0.0.0/8']],
  ['hash:net,iface family inet', '10.0.0.0/8,eth0', ['10.0.0.0/8 | eth0']],
  ['hash:net,iface family inet', '10.0.0.0/8,eth wildcard', ['10.0.0.0/8 | eth*']],
  ['hash:ip,mark family inet markmask 0x000000ff', '192.0.2.1,0x00000003', ['192.0.2.1 | 3']],
  ['bitmap:port range 1-100', '22', ['22']],
  ['bitmap:ip,mac range 10.0.0.0-10.0.0.255', '10.0.0.7', ['10.0.0.7 | *']],
  ['bitmap:ip,mac range 10.0.0.0-10.0.0.255', '10.0.0.8,00:00:5E:00:53:01', ['10.0.0.8 | 00:00:5e:00:53:01']],
  ['list:set size 8', 'other', ['other']],
])('%s: %s', (type, add, expected) => {
  expect(entries(type, add)).toEqual(expected);
});

test('the time that an entry has left', () => {
  const [set] = readIpsetSave('create s hash:ip family inet timeout 100\nadd s 192.0.2.1 timeout 99\n');
  expect(set!.entries).toMatchObject([{ timeout: 99 }]);
});

describe('what is not understood is kept with its set', () => {
  test.each<[string, string]>([
    ['hash:ip family inet', 'somewhere'],
    ['hash:ip,port family inet', '192.0.2.1,warp:9'],
    ['hash:ip family inet', '192.0.2.1,tcp:80'],
    ['hash:shape family inet', 'round'],
    ['hash:net,iface family inet', '10.0.0.0/8,physdev:eth0'],
  ])('%s: %s', (type, add) => {
    const [set] = readIpsetSave(`create s ${type}\nadd s ${add}\n`);
    expect(set).toMatchObject({ entries: [], unknown: [`add s ${add}`] });
  });

  test('a mask that is no prefix', () => {
    const [set] = readIpsetSave('create s hash:ip family inet bitmask 255.0.255.0\nadd s 10.0.2.0\n');
    expect(set!.unknown).toHaveLength(1);
  });
});

test.each<[string, readonly ('src' | 'dst')[], readonly string[] | undefined]>([
  ['hash:ip', ['src'], ['ip saddr']],
  ['hash:ip,port,net', ['src', 'dst', 'dst'], ['ip saddr', 'meta l4proto . th dport', 'ip daddr']],
  ['hash:net,iface', ['dst', 'src'], ['ip daddr', 'iifname']],
  ['bitmap:port range 1-9', ['dst'], ['th dport']],
  ['hash:ip,mark markmask 0xff', ['src', 'src'], ['ip saddr', 'meta mark & 255']],
  ['hash:mac', ['src'], ['ether saddr']],
  ['hash:ip,port', ['src'], undefined],
  ['list:set', ['src'], undefined],
])('packets are looked up in %s by %j', (type, directions, expected) => {
  const [set] = readIpsetSave(`create s ${type}\n`);
  expect(ipsetKey(set!, directions, 'ip')?.map(renderExpression)).toEqual(expected);
});
