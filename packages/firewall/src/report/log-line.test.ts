// Lines that rules wrote to the kernel log, as they are pasted.
import { parseAddress } from '@moat/netfilter';
import { expect, test } from 'vitest';
import { isLogLine, questionOfLogLine } from './log-line.ts';

const address = (text: string) => parseAddress(text)!;
const TCP =
  'SRC=192.0.2.9 DST=198.51.100.1 LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID=4242 DF PROTO=TCP SPT=50000 DPT=3306 WINDOW=64240 RES=0x00';

test('a refused connection, with what a log puts before it', () => {
  const line = `Nov  1 10:00:00 web kernel: [   12.345678] moat:deny-incoming IN=eth0 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:02:08:00 ${TCP} SYN URGP=0`;
  expect(isLogLine(line)).toBe(true);
  expect(questionOfLogLine(line)).toEqual({
    family: 'ipv4',
    hook: undefined,
    fields: {
      iif: 'eth0',
      src: address('192.0.2.9'),
      dst: address('198.51.100.1'),
      proto: 6,
      sport: 50_000,
      dport: 3306,
      tcpflags: 2,
      ttl: 63,
      length: 60,
      state: 'new',
    },
  });
});

test.each<[string, string, object]>([
  [
    'ufw, on its way through',
    `[UFW BLOCK] IN=eth0 OUT=docker0 ${TCP} SYN`,
    { hook: 'forward', fields: { iif: 'eth0', oif: 'docker0' } },
  ],
  [
    'from this host, with its user',
    `IN= OUT=eth0 ${TCP} SYN URGP=0 UID=33 GID=33`,
    { hook: 'output', fields: { oif: 'eth0', uid: 33 } },
  ],
  [
    'no connection',
    `[UFW AUDIT INVALID] IN=eth0 OUT= ${TCP} ACK FIN URGP=0`,
    { fields: { state: 'invalid', tcpflags: 17 } },
  ],
  [
    'in the middle of one, nobody knows which',
    `IN=eth0 OUT= ${TCP} ACK URGP=0`,
    { fields: { tcpflags: 16 } },
  ],
  [
    'IPv6',
    'IN=eth0 OUT= SRC=2001:0db8:0000:0000:0000:0000:0000:0009 DST=2001:0db8:0000:0000:0000:0000:0000:0001 LEN=80 TC=0 HOPLIMIT=63 FLOWLBL=0 PROTO=UDP SPT=1 DPT=53 LEN=40',
    { family: 'ipv6', fields: { proto: 17, ttl: 63, dport: 53, state: 'new' } },
  ],
  [
    'a ping',
    'IN=eth0 OUT= SRC=192.0.2.9 DST=198.51.100.1 LEN=84 TTL=63 PROTO=ICMP TYPE=8 CODE=0 ID=1 SEQ=1',
    { fields: { proto: 1, icmptype: 8, icmpcode: 0 } },
  ],
  [
    'an error that quotes a packet',
    `IN=eth0 OUT= SRC=192.0.2.9 DST=198.51.100.1 LEN=88 PROTO=ICMP TYPE=3 CODE=1 [${TCP}]`,
    { fields: { src: address('192.0.2.9'), proto: 1, icmptype: 3 } },
  ],
  [
    'a protocol by number',
    'IN=eth0 OUT= SRC=192.0.2.9 DST=198.51.100.1 LEN=88 PROTO=47',
    { fields: { proto: 47 } },
  ],
])('%s', (_, line, question) => {
  expect(questionOfLogLine(line)).toMatchObject(question);
});

test('a packet in the middle has no state that anybody knows', () => {
  expect(questionOfLogLine(`IN=eth0 OUT= ${TCP} ACK`)?.fields['state']).toBeUndefined();
});

test.each(['tcp 192.0.2.9 22', 'IN=eth0 OUT= SRC=192.0.2.9 DST=nobody PROTO=TCP', 'SRC=192.0.2.9 PROTO=TCP'])(
  'no packet: %s',
  (line) => {
    expect(questionOfLogLine(line)).toBeUndefined();
  },
);
