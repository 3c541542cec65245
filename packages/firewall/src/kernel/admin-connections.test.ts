import { afterEach, describe, expect, test } from 'vitest';
import { adminConnections } from './admin-connections.ts';
import { end, type FakeProcess, type FakeSocket, fakeProc } from './fake-proc.ts';
import type { Link } from './links.ts';

const ETH0: Link = {
  index: 2,
  name: 'eth0',
  kind: undefined,
  loopback: false,
  up: true,
  master: undefined,
  addresses: [{ address: end('192.0.2.1:0').address, length: 24, scope: 'global' }],
};

const LISTENER: FakeProcess = {
  pid: 50,
  name: 'sshd',
  args: ['sshd: /usr/sbin/sshd -D [listener] 1 of 10-100 startups'],
  sockets: [500],
};
const LISTEN: FakeSocket = { file: 'tcp', local: '0.0.0.0:22', state: '0A', inode: 500 };

/** Somebody logged in as an ordinary user: the monitor as root, the session as the user, his shell, `self`. */
const SESSION: readonly FakeProcess[] = [
  { pid: 60, parent: 50, name: 'sshd', args: ['sshd: ann [priv]'], sockets: [600] },
  { pid: 61, parent: 60, name: 'sshd', args: ['sshd: ann@pts/0'], sockets: [600] },
  { pid: 62, parent: 61, name: 'bash' },
  { pid: 63, parent: 62, name: 'sudo' },
  { pid: 64, parent: 63, name: 'moat' },
];
const CONNECTION: FakeSocket = {
  file: 'tcp',
  local: '192.0.2.1:22',
  remote: '198.51.100.4:50000',
  state: '01',
  inode: 600,
};

let remove = () => {};
afterEach(() => remove());
function found(processes: readonly FakeProcess[], sockets: readonly FakeSocket[], self = 64) {
  const fake = fakeProc([{ pid: 1, parent: 0, name: 'systemd' }, ...processes], sockets);
  remove = fake.remove;
  return adminConnections([ETH0], { proc: fake.proc, self });
}
const brief = (...args: Parameters<typeof found>) =>
  found(...args).connections.map(({ remote, command, session, ours, processes }) => ({
    port: remote.port,
    command,
    session,
    ours,
    pids: processes.map((one) => one.pid),
  }));

test('our own session through sshd and sudo', () => {
  const { connections, complete } = found([LISTENER, ...SESSION], [LISTEN, CONNECTION]);
  expect(complete).toBe(true);
  expect(connections).toHaveLength(1);
  expect(connections[0]).toMatchObject({
    local: end('192.0.2.1:22'),
    remote: end('198.51.100.4:50000'),
    inode: 600,
    command: 'sshd',
    session: true,
    ours: true,
    loopback: false,
    interfaces: ['eth0'],
  });
});

describe('sessions that are not ours', () => {
  const tmux: FakeProcess = { pid: 70, parent: 1, name: 'tmux: server' };
  const moat: FakeProcess = { pid: 71, parent: 70, name: 'moat' };

  test('a command in tmux still sees them', () => {
    expect(brief([LISTENER, ...SESSION, tmux, moat], [LISTEN, CONNECTION], 71)).toEqual([
      { port: 50000, command: 'sshd', session: true, ours: false, pids: [60, 61] },
    ]);
  });

  test.each([
    ['sshd: ann', true],
    ['sshd: ann@notty', true],
    ['sshd-session: ann@notty', true],
    ['sshd: [accepted]', false],
    ['sshd: ann [net]', false],
    ['sshd-session: ann [priv]', false],
    ['/usr/sbin/sshd', false],
  ])('without a program below it, %j counts as logged in: %j', (title, session) => {
    const one: FakeProcess = { pid: 60, parent: 50, name: 'sshd', args: [title], sockets: [600] };
    expect(brief([LISTENER, one, moat], [LISTEN, CONNECTION], 71)).toMatchObject([{ session }]);
  });

  test('dropbear’s session is known by what it runs', () => {
    const dropbear: FakeProcess = { pid: 60, parent: 1, name: 'dropbear', sockets: [600] };
    const shell: FakeProcess = { pid: 61, parent: 60, name: 'sh' };
    expect(brief([dropbear, moat], [LISTEN, CONNECTION], 71)).toMatchObject([{ session: false }]);
    remove();
    expect(brief([dropbear, shell, moat], [LISTEN, CONNECTION], 71)).toMatchObject([{ session: true }]);
  });
});

test('what else connects in or out is nobody’s session', () => {
  const web: FakeProcess = { pid: 80, name: 'nginx', sockets: [800, 801] };
  // A forwarding of the session: sshd itself connects out.
  const forward: FakeProcess = { pid: 60, parent: 50, name: 'sshd', args: ['sshd: ann'], sockets: [802] };
  const moat: FakeProcess = { pid: 71, parent: 1, name: 'moat' };
  expect(
    brief(
      [LISTENER, web, forward, moat],
      [
        LISTEN,
        { file: 'tcp', local: '0.0.0.0:80', state: '0A', inode: 800 },
        { file: 'tcp', local: '192.0.2.1:80', remote: '198.51.100.4:50001', state: '01', inode: 801 },
        { file: 'tcp', local: '192.0.2.1:40000', remote: '198.51.100.4:443', state: '01', inode: 802 },
      ],
      71,
    ),
  ).toEqual([]);
});

test('sessions outlive the ssh server that took them', () => {
  expect(brief([...SESSION], [CONNECTION])).toMatchObject([{ port: 50000, ours: true }]);
});

test('a terminal in a web page is an ancestor, whatever its name', () => {
  const processes: FakeProcess[] = [
    { pid: 90, name: 'ttyd', sockets: [900, 901, 902] },
    { pid: 91, parent: 90, name: 'moat' },
  ];
  expect(
    brief(
      processes,
      [
        { file: 'tcp6', local: '[::]:7681', state: '0A', inode: 900 },
        {
          file: 'tcp6',
          local: '[::ffff:192.0.2.1]:7681',
          remote: '[::ffff:198.51.100.4]:50002',
          state: '01',
          inode: 901,
        },
        { file: 'tcp', local: '192.0.2.1:40000', remote: '198.51.100.4:443', state: '01', inode: 902 },
      ],
      91,
    ),
  ).toEqual([{ port: 50002, command: 'ttyd', session: true, ours: true, pids: [90] }]);
});

test('an ancestor that left this network namespace still counts', () => {
  const [monitor, ...rest] = SESSION;
  const away = { ...monitor!, network: 'net:[2]' };
  const child = { ...rest[0]!, sockets: [] };
  expect(brief([LISTENER, away, child, ...rest.slice(1)], [LISTEN, CONNECTION])).toMatchObject([
    { ours: true, pids: [60] },
  ]);
});

test('a stranger’s connection that the server has just accepted is not ours', () => {
  const listener = { ...LISTENER, sockets: [500, 601] };
  const stranger: FakeProcess = {
    pid: 66,
    parent: 50,
    name: 'sshd',
    args: ['sshd: [accepted]'],
    sockets: [601],
  };
  const theirs: FakeSocket = { ...CONNECTION, remote: '203.0.113.9:50003', inode: 601 };
  expect(brief([listener, stranger, ...SESSION], [LISTEN, CONNECTION, theirs])).toEqual([
    { port: 50000, command: 'sshd', session: true, ours: true, pids: [60, 61] },
    { port: 50003, command: 'sshd', session: false, ours: false, pids: [66] },
  ]);
});

test.each([
  ['127.0.0.1:50000', true],
  ['192.0.2.1:50000', true],
  ['192.0.2.2:50000', false],
])('a peer at %s is on this machine: %j', (remote, loopback) => {
  expect(found([LISTENER, ...SESSION], [LISTEN, { ...CONNECTION, remote }]).connections).toMatchObject([
    { loopback },
  ]);
});

test('an ordinary user is told that the answer is not complete', () => {
  const hidden = { ...SESSION[0]!, network: undefined, sockets: [] };
  expect(found([LISTENER, hidden, ...SESSION.slice(1)], [LISTEN, CONNECTION]).complete).toBe(false);
});
