import { expect, test } from 'vitest';
import { parseFlows } from './flows.ts';

test('flows as the kernel and conntrack print them', () => {
  const text = [
    'ipv4     2 tcp      6 431999 ESTABLISHED src=192.0.2.7 dst=192.0.2.1 sport=5000 dport=80 src=172.17.0.2 dst=192.0.2.7 sport=8080 dport=5000 [ASSURED] mark=7 zone=3 use=2',
    'ipv4     2 udp      17 29 src=192.0.2.7 dst=192.0.2.1 sport=5000 dport=53 [UNREPLIED] src=192.0.2.1 dst=192.0.2.7 sport=53 dport=5000 mark=0 use=2',
    'ipv6     10 icmpv6   58 9 src=2001:db8::7 dst=2001:db8::1 type=128 code=0 id=1 src=2001:db8::1 dst=2001:db8::7 type=129 code=0 id=1 mark=0 use=1',
    'ipv4     2 tcp      6 src=192.0.2.7 dst=192.0.2.1 sport=5001 dport=80 src=192.0.2.1 dst=192.0.2.7 sport=80 dport=5001 [OFFLOAD] mark=0 use=2',
    'conntrack v1.4.7 (conntrack-tools): 4 flow entries have been shown.',
    '',
  ].join('\n');
  expect(parseFlows(text)).toEqual([
    {
      family: 'ipv4',
      protocol: 6,
      state: 'ESTABLISHED',
      original: { src: '192.0.2.7', dst: '192.0.2.1', sport: 5000, dport: 80 },
      reply: { src: '172.17.0.2', dst: '192.0.2.7', sport: 8080, dport: 5000 },
      flags: ['ASSURED'],
      mark: 7,
      zone: 3,
      timeout: 431999,
    },
    {
      family: 'ipv4',
      protocol: 17,
      original: { src: '192.0.2.7', dst: '192.0.2.1', sport: 5000, dport: 53 },
      reply: { src: '192.0.2.1', dst: '192.0.2.7', sport: 53, dport: 5000 },
      flags: ['UNREPLIED'],
      timeout: 29,
    },
    {
      family: 'ipv6',
      protocol: 58,
      original: { src: '2001:db8::7', dst: '2001:db8::1' },
      reply: { src: '2001:db8::1', dst: '2001:db8::7' },
      flags: [],
      timeout: 9,
    },
    {
      family: 'ipv4',
      protocol: 6,
      original: { src: '192.0.2.7', dst: '192.0.2.1', sport: 5001, dport: 80 },
      reply: { src: '192.0.2.1', dst: '192.0.2.7', sport: 80, dport: 5001 },
      flags: ['OFFLOAD'],
    },
  ]);
});
