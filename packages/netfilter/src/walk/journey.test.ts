// Packets from the wire to their end: rules, routes and rules again, on a host with a container.
import { describe, expect, test } from 'vitest';
import type { Host, HostRoute } from '../model/host.ts';
import { parseAddress } from '../net/address.ts';
import { parsePrefix } from '../net/prefix.ts';
import { readIptablesSave } from '../read/iptables-save.ts';
import type { PacketFields } from '../space/packet-set.ts';
import { prepareJourney } from './journey.ts';
import { plainPacket } from './plain-packet.ts';

const address = (text: string) => parseAddress(text)!;
const route = (to: string, type: HostRoute['type'], device: string): HostRoute => {
  const parsed = parsePrefix(to);
  if ('problem' in parsed) throw new Error(to);
  const table = type === 'local' ? 255 : 254;
  return {
    family: 'ipv4',
    table,
    type,
    prefix: parsed.prefix,
    nextHops: [{ device, dead: false }],
    metric: 0,
  };
};
const host = (forwarding: '0' | '1'): Host => ({
  links: [],
  routes: [
    route('192.0.2.1/32', 'local', 'eth0'),
    route('127.0.0.0/8', 'local', 'lo'),
    route('172.17.0.0/16', 'unicast', 'docker0'),
    route('0.0.0.0/0', 'unicast', 'eth0'),
  ],
  rules: [],
  sysctls: { 'net/ipv4/ip_forward': forwarding },
  missing: ['rules'],
});

const RULES = `*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -p tcp --dport 80 -j DNAT --to-destination 172.17.0.2:8080
-A PREROUTING -p tcp --dport 81 -j REDIRECT --to-ports 22
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
-A INPUT -p tcp --dport 22 -j ACCEPT
-A FORWARD -o docker0 -p tcp --dport 8080 -j ACCEPT
COMMIT
`;
const { ruleset } = readIptablesSave(RULES);
const FIELDS: PacketFields = {
  state: 'new',
  iif: 'eth0',
  proto: 6,
  src: address('198.51.100.4'),
  dst: address('192.0.2.1'),
  dport: 22,
};
const go = (fields: PacketFields, of = host('1')) =>
  prepareJourney(ruleset, of)({ family: 'ipv4', fields: { ...FIELDS, ...fields } });

describe('routing decides', () => {
  test('what is for this host goes to input', () => {
    expect(go({})).toMatchObject({ packet: { hook: 'input' }, result: { verdict: 'accept' } });
    expect(go({ dport: 23 }).result.verdict).toBe('drop');
  });
  test('what a rule sends to a container goes through forward, by its interface', () => {
    const journey = go({ dport: 80 });
    expect(journey).toMatchObject({
      packet: { hook: 'forward', fields: { oif: 'docker0' } },
      result: { verdict: 'accept' },
      translated: { dst: address('172.17.0.2'), dport: 8080 },
    });
  });
  test('a redirection stays here', () => {
    expect(go({ dport: 81 })).toMatchObject({ packet: { hook: 'input' }, result: { verdict: 'accept' } });
  });
  test('what is for others goes through forward, if this host forwards', () => {
    expect(go({ dst: address('203.0.113.9') })).toMatchObject({
      packet: { hook: 'forward' },
      result: { verdict: 'drop' },
    });
    expect(go({ dport: 80 }, host('0'))).toMatchObject({
      ended: 'forwarding is off',
      result: { verdict: 'drop' },
    });
  });
  test('without a route it ends', () => {
    const lonely: Host = { ...host('1'), routes: host('1').routes.slice(0, 2) };
    expect(go({ dport: 80 }, lonely)).toMatchObject({ ended: 'no route', result: { verdict: 'drop' } });
  });
});

describe('without a host', () => {
  const alone = (fields: PacketFields) =>
    prepareJourney(ruleset)({ family: 'ipv4', fields: { ...FIELDS, ...fields } });
  test('what nobody sends elsewhere is for it, and what is sent elsewhere is not', () => {
    expect(alone({})).toMatchObject({ packet: { hook: 'input' }, result: { verdict: 'accept' } });
    const sent = alone({ dport: 80, oif: 'docker0' });
    expect(sent).toMatchObject({ packet: { hook: 'forward' }, result: { verdict: 'accept' } });
    // By which interface it goes out nobody tells.
    expect(alone({ dport: 80 }).result.verdict).toBe('unknown');
  });
  test('a hook that is given is believed', () => {
    const journey = prepareJourney(ruleset)({ family: 'ipv4', hook: 'forward', fields: FIELDS });
    expect(journey).toMatchObject({ packet: { hook: 'forward' }, result: { verdict: 'drop' } });
  });
});

describe('a plain packet', () => {
  const plain = (fields: PacketFields, hook: 'input' | 'forward' = 'input', of?: Host) =>
    plainPacket({ family: 'ipv4', hook, fields: { ...FIELDS, ...fields } }, of).fields;
  test('opens a TCP flow with SYN alone, and goes on with ACK; others have no flags', () => {
    expect(plain({})['tcpflags']).toBe(2);
    expect(plain({ state: 'established' })['tcpflags']).toBe(16);
    expect(plain({ state: 'invalid' })['tcpflags']).toBeUndefined();
    expect(plain({ proto: 17 })['tcpflags']).toBeUndefined();
    expect(plain({ tcpflags: 1 })['tcpflags']).toBe(1);
  });
  test('is for an address of the host where it comes to input, whatever that is', () => {
    expect(plain({})['daddrtype']).toBe('local');
    expect(plain({}, 'forward')['daddrtype']).toBeUndefined();
    expect(plain({}, 'input', host('1'))['daddrtype']).toBeUndefined();
    expect(plain({})['saddrtype']).toBe('unicast');
    expect(plain({ iif: 'lo' })['saddrtype']).toBe('local');
    expect(plain({ src: address('0.0.0.0') })['saddrtype']).toBeUndefined();
    expect(plain({ dst: address('224.0.0.251') })).toMatchObject({ pkttype: 'multicast' });
    expect(plain({ dst: address('224.0.0.251') })['daddrtype']).toBeUndefined();
  });
});
