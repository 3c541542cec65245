// The lines of --packets: what they may say, and what is answered.
import { readIptablesSave } from '@moat/netfilter';
import { describe, expect, test } from 'vitest';
import { packetAnswers } from './packet-answers.ts';
import { readPacketLine } from './packet-line.ts';

const { ruleset } = readIptablesSave(`*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:web - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 80 -j web
-A INPUT -p icmp -j REJECT --reject-with icmp-port-unreachable
-A INPUT -p tcp -m tcp --dport 22 -m limit --limit 3/min -j ACCEPT
-A web -s 192.0.2.0/24 -j ACCEPT
-A web -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT
COMMIT
`);
const answer = (line: object | string) => {
  const { ok, text } = packetAnswers(ruleset)(typeof line === 'string' ? line : JSON.stringify(line), 7);
  return { ok, ...JSON.parse(text) } as {
    ok: boolean;
    verdict?: string;
    path?: object[];
    error?: object;
    unknown?: object[];
  };
};
const PACKET = {
  family: 'ipv4',
  hook: 'input',
  in: 'eth0',
  src: '192.0.2.9',
  proto: 'tcp',
  dport: 80,
  state: 'new',
};

describe('answers', () => {
  test('verdict and path, rule by rule, with the line in the dump', () => {
    expect(answer(PACKET)).toEqual({
      ok: true,
      verdict: 'accept',
      path: [
        {
          owner: 'iptables (by hand)',
          family: 'ip',
          table: 'filter',
          chain: 'INPUT',
          rule: 2,
          line: 6,
          verdict: 'jump',
          target: 'web',
        },
        {
          owner: 'iptables (by hand)',
          family: 'ip',
          table: 'filter',
          chain: 'web',
          rule: 1,
          line: 9,
          verdict: 'accept',
        },
      ],
    });
  });
  test('a policy decides as such', () => {
    expect(answer({ ...PACKET, src: '198.51.100.4' }).path?.at(-1)).toMatchObject({
      chain: 'INPUT',
      rule: 'policy',
      verdict: 'drop',
    });
  });
  test.each<[string, object, string]>([
    ['a number for the protocol', { ...PACKET, proto: 6 }, 'accept'],
    ['a number as text', { ...PACKET, proto: '6' }, 'accept'],
    ['the port in question is free', { ...PACKET, dport: null }, 'unknown'],
    ['the source is free', { ...PACKET, src: '' }, 'unknown'],
    ['a rate', { ...PACKET, dport: 22 }, 'unknown'],
    ['a rejection', { ...PACKET, proto: 'icmp', dport: undefined }, 'reject'],
    ['a hook that the others do not see', { ...PACKET, hook: 'forward' }, 'accept'],
    ['no hook: not the same at all', { ...PACKET, src: '198.51.100.4', hook: undefined }, 'unknown'],
    ['no hook: the same at all', { ...PACKET, hook: undefined }, 'accept'],
    ['no family: that of the address', { ...PACKET, family: undefined }, 'accept'],
    [
      'a packet of the other family meets no rule',
      { ...PACKET, family: 'ipv6', src: '2001:db8::1' },
      'accept',
    ],
    [
      'packets of an open connection are no SYN',
      { ...PACKET, src: '198.51.100.4', state: 'established' },
      'accept',
    ],
  ])('%s', (_, packet, verdict) => {
    expect(answer(packet).verdict).toBe(verdict);
  });
  test('what is not known is told with its rule', () => {
    expect(answer({ ...PACKET, dport: 22 }).unknown).toEqual([
      expect.objectContaining({ chain: 'INPUT', rule: 4, why: expect.stringContaining('rate') }),
    ]);
  });
});

describe('mistakes', () => {
  test.each<[string, object | string, string, string]>([
    ['no JSON', '{"hook":', 'one JSON object a line', '{"hook":'],
    ['nothing', '', 'one JSON object a line', 'an empty line'],
    ['a list', '[]', 'a JSON object', '[]'],
    ['a field that there is not', { ...PACKET, port: 80 }, 'only the fields', 'the field port'],
    ['a family', { ...PACKET, family: 'ip' }, 'family: ipv4 or ipv6', '"ip"'],
    ['a hook', { ...PACKET, hook: 'prerouting' }, 'hook: input, forward, output', '"prerouting"'],
    ['an address', { ...PACKET, src: '010.0.0.1' }, 'src: an address', '"010.0.0.1"'],
    ['a network', { ...PACKET, src: '10.0.0.0/8' }, 'src: an address', '"10.0.0.0/8"'],
    ['two families', { ...PACKET, dst: '::1' }, 'one family', 'ipv4 and ipv6'],
    ['a port', { ...PACKET, dport: 65_536 }, 'dport: a port', '65536'],
    ['a port as text', { ...PACKET, dport: '80' }, 'dport: a port', '"80"'],
    ['a port of ICMP', { ...PACKET, proto: 'icmp' }, 'no dport', '80'],
    ['a protocol', { ...PACKET, proto: 'tpc' }, 'proto: a protocol', '"tpc"'],
    ['a state', { ...PACKET, state: 'NEW' }, 'state: invalid, new', '"NEW"'],
    ['where it goes out to this host', { ...PACKET, out: 'eth1' }, 'no out', 'eth1'],
    ['where it comes in from this host', { ...PACKET, hook: 'output' }, 'no in', 'eth0'],
  ])('%s', (_, line, expected, given) => {
    const { ok, error } = answer(line);
    expect(ok).toBe(false);
    expect(error).toEqual({ line: 7, expected: expect.stringContaining(expected), given });
  });
  test('a long line is not repeated whole', () => {
    const { problem } = readPacketLine('x'.repeat(5000)) as { problem: { given: string } };
    expect(problem.given).toHaveLength(201);
  });
});
