import { afterEach, expect, test } from 'vitest';
import { adminConnections } from './admin-connections.ts';
import { type FakeProcess, type FakeSocket, fakeProc } from './fake-proc.ts';
import { readSession, type Session } from './session.ts';

const pts = (number: number): number => (136 << 8) | number;
const tty = (number: number): number => (4 << 8) | number;

const LISTENER: FakeProcess = { pid: 50, name: 'sshd', args: ['sshd: /usr/sbin/sshd -D'], sockets: [500] };
const SOCKETS: readonly FakeSocket[] = [
  { file: 'tcp', local: '0.0.0.0:22', state: '0A', inode: 500 },
  { file: 'tcp', local: '192.0.2.1:22', remote: '198.51.100.4:50000', state: '01', inode: 600 },
  { file: 'tcp', local: '192.0.2.1:22', remote: '203.0.113.7:50001', state: '01', inode: 601 },
];

/** An ordinary user's login: the monitor, the session, his shell on `pts/0`. */
const LOGIN: readonly FakeProcess[] = [
  { pid: 60, parent: 50, name: 'sshd', args: ['sshd: ann [priv]'], sockets: [600], start: 5 },
  { pid: 61, parent: 60, name: 'sshd', args: ['sshd: ann@pts/0'], sockets: [600], start: 6 },
  { pid: 62, parent: 61, name: 'bash', args: ['-bash'], terminal: pts(0) },
];
const OTHER_LOGIN: readonly FakeProcess[] = [
  { pid: 80, parent: 50, name: 'sshd-session', args: ['sshd-session: root@pts/7'], sockets: [601], start: 8 },
  { pid: 81, parent: 80, name: 'zsh', args: ['/bin/zsh', '-l'], terminal: pts(7) },
];

let remove = () => {};
afterEach(() => remove());

function sessionOf(processes: readonly FakeProcess[], self = 99): Session {
  const fake = fakeProc([{ pid: 1, parent: 0, name: 'systemd' }, LISTENER, ...processes], SOCKETS);
  remove = fake.remove;
  const { connections } = adminConnections([], { proc: fake.proc, self });
  return readSession(connections, { proc: fake.proc, self });
}

function brief(processes: readonly FakeProcess[], self = 99): object {
  const session = sessionOf(processes, self);
  if (session.kind !== 'connected') return session;
  const { connections, through, interactive, carriers } = session;
  return { ports: connections.map(({ remote }) => remote.port), through, interactive, carriers };
}

const moat = (parent: number, terminal = pts(0)): FakeProcess => ({
  pid: 99,
  parent,
  name: 'moat',
  terminal,
});

test('a shell of a login: what ends with it is the process that moves its bytes', () => {
  const expected = { ports: [50000], through: undefined, interactive: true, carriers: ['61:6'] };
  expect(brief([...LOGIN, moat(62)])).toEqual(expected);
  // sudo runs what it is told to on a terminal of its own.
  const sudo: FakeProcess[] = [
    { pid: 70, parent: 62, name: 'sudo', args: ['sudo', 'moat'], terminal: pts(0), opened: ['/dev/pts/0'] },
    { pid: 71, parent: 70, name: 'sudo', args: ['sudo', 'moat'], terminal: pts(1), opened: ['/dev/pts/1'] },
  ];
  expect(brief([...LOGIN, ...sudo, moat(71, pts(1))])).toEqual(expected);
});

test.each([
  [['bash', '-c', 'sudo moat deny 80']],
  [['sh', '-ec', 'moat deny 80']],
  [['bash', '-lc', 'moat deny 80']],
  [['sudo', 'moat', 'deny', '80']],
  [['/usr/bin/menu']],
  [['bash', '/root/script.sh']],
])('a login that runs %j and nothing else ends by itself', (args) => {
  const [monitor, session] = LOGIN;
  const shell: FakeProcess = { pid: 62, parent: 61, name: 'bash', args, terminal: pts(0) };
  expect(brief([monitor!, session!, shell, moat(62)])).toMatchObject({ ports: [50000], interactive: false });
});

test('so do moat alone, and what has no terminal', () => {
  const [monitor, session] = LOGIN;
  expect(brief([monitor!, session!, moat(61)])).toMatchObject({ ports: [50000], interactive: false });
  expect(brief([...LOGIN, moat(62, 0)])).toMatchObject({ ports: [50000], interactive: false });
});

test('in tmux or screen: the connections of those who look at it', () => {
  const server: FakeProcess = {
    ...{ pid: 70, parent: 1, name: 'tmux: server', args: ['tmux'] },
    opened: ['/dev/pts/0', '/dev/pts/7', '/dev/ptmx'],
  };
  const pane: FakeProcess = {
    ...{ pid: 71, parent: 70, name: 'bash', args: ['-bash'], terminal: pts(3) },
    opened: ['/dev/pts/3'],
  };
  const client: FakeProcess = { pid: 72, parent: 62, name: 'tmux: client', terminal: pts(0) };
  expect(brief([...LOGIN, server, pane, client, moat(71, pts(3))])).toEqual({
    ...{ ports: [50000], through: 'tmux: server', interactive: true, carriers: ['61:6'] },
  });
  remove();
  expect(brief([...LOGIN, ...OTHER_LOGIN, server, pane, client, moat(71, pts(3))])).toEqual({
    ...{ ports: [50000, 50001], through: 'tmux: server', interactive: true, carriers: ['61:6', '80:8'] },
  });
  remove();
  const detached = { ...server, opened: ['/dev/ptmx'] };
  expect(brief([...LOGIN, detached, pane, moat(71, pts(3))])).toEqual({ kind: 'unknown' });
});

test.each([
  [tty(1), 'tty1'],
  [tty(64), 'ttyS0'],
  [229 << 8, 'hvc0'],
])('a login at the machine itself (%i) is a console', (terminal, name) => {
  const login: FakeProcess = { pid: 62, name: 'bash', args: ['-bash'], terminal };
  expect(sessionOf([...LOGIN.slice(0, 2), login, moat(62, terminal)])).toEqual({
    kind: 'console',
    terminal: name,
  });
  remove();
  // Also behind a multiplexer.
  const server: FakeProcess = { pid: 70, name: 'screen', opened: [`/dev/${name}`] };
  const pane: FakeProcess = { pid: 71, parent: 70, name: 'sh', terminal: pts(3) };
  expect(sessionOf([login, server, pane, moat(71, pts(3))])).toEqual({ kind: 'console', terminal: name });
});

test('a terminal of nobody, and none at all', () => {
  expect(sessionOf([...LOGIN, moat(1, pts(9))])).toEqual({ kind: 'unknown' });
  remove();
  expect(sessionOf([...LOGIN, moat(1, 0)])).toEqual({ kind: 'unknown' });
});
