import { parseAddress } from '@moat/netfilter';
import { expect, test } from 'vitest';
import { parseNftForwards, parseSavedForwards } from './forwards.ts';

const ANY = { family: 'ipv4', value: 0n };

test('a DNAT rule of an nft table, as nft 1.0.6 lists it', () => {
  const expr = [
    { match: { op: '!=', left: { meta: { key: 'iifname' } }, right: 'docker0' } },
    { match: { op: '==', left: { payload: { protocol: 'tcp', field: 'dport' } }, right: 8080 } },
    { counter: { packets: 0, bytes: 0 } },
    { dnat: { addr: '172.17.0.2', port: 80 } },
  ];
  const rule = { family: 'ip', table: 'nat', chain: 'DOCKER', handle: 4, expr };
  expect(parseNftForwards({ nftables: [{ metainfo: {} }, { rule }] })).toEqual([
    { protocol: 'tcp', family: 'ipv4', address: ANY, port: 8080, to: '172.17.0.2:80' },
  ]);
});

test('rules that forward no single port are left out', () => {
  const dnat = { dnat: { addr: '172.17.0.2' } };
  const ports = {
    match: { op: '==', left: { payload: { protocol: 'tcp', field: 'dport' } }, right: { set: [1, 2] } },
  };
  for (const expr of [[dnat], [ports, dnat], [ports]]) {
    expect(parseNftForwards({ nftables: [{ rule: { family: 'ip', expr } }] })).toEqual([]);
  }
  expect(parseNftForwards({})).toEqual([]);
});

test("lines of Docker's own chain, with and without an address", () => {
  const text = [
    '*nat',
    '-A DOCKER -i docker0 -j RETURN',
    '-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80',
    '-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p udp -m udp --dport 53 -j DNAT --to-destination 172.17.0.3:53',
    'COMMIT',
  ].join('\n');
  expect(parseSavedForwards(text, 'ipv4')).toEqual([
    { protocol: 'tcp', family: 'ipv4', address: ANY, port: 8080, to: '172.17.0.2:80' },
    { protocol: 'udp', family: 'ipv4', address: parseAddress('127.0.0.1'), port: 53, to: '172.17.0.3:53' },
  ]);
});
