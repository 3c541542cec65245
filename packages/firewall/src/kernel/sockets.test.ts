import { afterEach, expect, test } from 'vitest';
import { end, fakeProc } from './fake-proc.ts';
import { parseSockets, readSockets } from './sockets.ts';

let remove = () => {};
afterEach(() => remove());

// Lines as the kernel wrote them: sshd on both families, and one session.
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 644 1 00000000a79595fc 100 0 0 10 0
   1: 010200C0:0016 046433C6:D431 01 00000000:00000000 02:000A7214 00000000  1000        0 8123 4 0000000012345678 20 4 29 10 -1
   2: 010200C0:0016 046433C6:D432 06 00000000:00000000 03:00000A72 00000000     0        0 0 3 0000000012345679
`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 645 1 00000000a79595fd 100 0 0 10 0
   1: 0000000000000000FFFF0000010200C0:0050 0000000000000000FFFF0000046433C6:D431 01 00000000:00000000 02:000A7214 00000000    33        0 8124 4 0000000012345678 20 4 29 10 -1
`;

test('addresses and ports are read in the machine’s byte order, closing sockets left out', () => {
  expect(parseSockets('tcp', TCP, 'LE')).toEqual([
    { kind: 'open', protocol: 'tcp', local: end('0.0.0.0:22'), families: ['ipv4'], inode: 644, uid: 0 },
    {
      kind: 'connected',
      protocol: 'tcp',
      local: end('192.0.2.1:22'),
      remote: end('198.51.100.4:54321'),
      inode: 8123,
      uid: 1000,
    },
  ]);
  const bigEndian = TCP.replaceAll('010200C0', 'C0000201').replaceAll('046433C6', 'C6336404');
  expect(parseSockets('tcp', bigEndian, 'BE')).toEqual(parseSockets('tcp', TCP, 'LE'));
});

test('an IPv4 peer of an IPv6 socket is given as IPv4', () => {
  expect(parseSockets('tcp', TCP6, 'LE')[1]).toEqual({
    kind: 'connected',
    protocol: 'tcp',
    local: end('192.0.2.1:80'),
    remote: end('198.51.100.4:54321'),
    inode: 8124,
    uid: 33,
  });
});

test('words of an IPv6 address are swapped one by one', () => {
  const { proc, remove: away } = fakeProc(
    [],
    [{ file: 'udp6', local: '[2001:db8:1:2:3:4:5:6]:5353', state: '07', inode: 7, uid: 5 }],
  );
  remove = away;
  expect(readSockets(proc)).toEqual([
    {
      kind: 'open',
      protocol: 'udp',
      local: end('[2001:db8:1:2:3:4:5:6]:5353'),
      families: ['ipv6'],
      inode: 7,
      uid: 5,
    },
  ]);
});

test('a socket on :: takes both families unless IPv4 has one of its own', () => {
  const { proc, remove: away } = fakeProc(
    [],
    [
      { file: 'tcp', local: '0.0.0.0:22', state: '0A', inode: 1 },
      { file: 'tcp', local: '127.0.0.1:80', state: '0A', inode: 2 },
      { file: 'tcp6', local: '[::]:22', state: '0A', inode: 3 },
      { file: 'tcp6', local: '[::]:80', state: '0A', inode: 4 },
      { file: 'tcp6', local: '[::ffff:192.0.2.1]:81', state: '0A', inode: 5 },
      { file: 'udp6', local: '[::]:22', state: '07', inode: 6 },
      { file: 'udp6', local: '[2001:db8::1]:53', remote: '[2001:db8::2]:53', state: '01', inode: 7 },
    ],
  );
  remove = away;
  const families = readSockets(proc).map((socket) => [
    socket.inode,
    socket.kind === 'open' ? socket.families.join(' ') : 'connected',
  ]);
  expect(families).toEqual([
    [1, 'ipv4'],
    [2, 'ipv4'],
    [3, 'ipv6'],
    [4, 'ipv4 ipv6'],
    [5, 'ipv4'],
    [6, 'ipv4 ipv6'],
    [7, 'connected'],
  ]);
});
