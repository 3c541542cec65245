import { afterEach, expect, test } from 'vitest';
import { type FakeProcess, fakeProc } from './fake-proc.ts';
import { ancestors, processTree, readProcess, socketOwners } from './processes.ts';

let proc: string;
let remove = () => {};
afterEach(() => remove());
function machine(...processes: FakeProcess[]): void {
  ({ proc, remove } = fakeProc(processes));
}

const ID = '0123456789abcdef'.repeat(4);

test('who holds a socket, all of them, in this network namespace', () => {
  machine(
    { pid: 10, name: 'nginx', sockets: [5, 6] },
    { pid: 9, name: 'nginx', sockets: [5] },
    { pid: 11, name: 'other', sockets: [99] },
    { pid: 12, name: 'elsewhere', sockets: [5], network: 'net:[2]' },
  );
  const { owners, complete } = socketOwners(new Set([5, 6, 7]), proc);
  expect([...owners].map(([inode, held]) => [inode, ...held.map((process) => process.pid)])).toEqual([
    [5, 9, 10],
    [6, 10],
  ]);
  expect(complete).toBe(true);
});

test('a process that may not be looked at makes the answer incomplete', () => {
  machine(
    { pid: 9, name: 'mine', sockets: [5] },
    { pid: 10, name: 'root’s', sockets: [6], network: undefined },
  );
  const { owners, complete } = socketOwners(new Set([5, 6]), proc);
  expect([...owners.keys()]).toEqual([5]);
  expect(complete).toBe(false);
});

test('names with brackets, blanks and line ends', () => {
  machine({ pid: 9, parent: 3, name: 'a) S 7 (b\nc', args: ['/usr/bin/a', '', 'two words'] });
  expect(readProcess(9, proc)).toMatchObject({
    pid: 9,
    parent: 3,
    name: 'a) S 7 (b\nc',
    args: ['/usr/bin/a', '', 'two words'],
  });
  expect(processTree(proc).get(9)?.parent).toBe(3);
  expect(readProcess(8, proc)).toBeUndefined();
});

test.each([
  ['a\0\0b\0', ['a', '', 'b']],
  ['sshd: root@notty', ['sshd: root@notty']],
  ['', []],
])('cmdline %j', (cmdline, args) => {
  machine({ pid: 9, name: 'x', cmdline });
  expect(readProcess(9, proc)?.args).toEqual(args);
});

test.each([
  ['0::/system.slice/ssh.service\n', 'ssh.service', undefined],
  ['0::/user.slice/user-1000.slice/session-3.scope\n', 'session-3.scope', undefined],
  ['0::/user.slice/user-0.slice/user@0.service/app.slice/web.service/sub\n', 'web.service', undefined],
  ['4:memory:/x.service\n1:name=systemd:/system.slice/ssh.service\n0::/\n', 'ssh.service', undefined],
  [`0::/system.slice/docker-${ID}.scope\n`, undefined, ID],
  [`4:memory:/docker/${ID}\n1:name=systemd:/docker/${ID}\n0::/\n`, undefined, ID],
  [`0::/machine.slice/libpod-${ID}.scope/container\n`, undefined, ID],
  [`0::/../docker-${ID}.scope/system.slice/web.service\n`, 'web.service', ID],
  [`0::/system.slice/${ID}0.service\n`, `${ID}0.service`, undefined],
  ['0::/\n', undefined, undefined],
])('cgroup %j', (cgroup, unit, container) => {
  machine({ pid: 9, name: 'x', cgroup });
  expect(readProcess(9, proc)).toMatchObject({ unit, container });
});

test('ancestors end at a parent that is not there, and in a circle', () => {
  machine(
    { pid: 1, parent: 0, name: 'init' },
    { pid: 20, parent: 1, name: 'sshd' },
    { pid: 21, parent: 20, name: 'sh' },
    { pid: 30, parent: 400, name: 'orphan' },
  );
  const tree = processTree(proc);
  expect(ancestors(21, tree)).toEqual([21, 20, 1]);
  expect(ancestors(30, tree)).toEqual([30, 400]);
  expect(
    ancestors(
      5,
      new Map([
        [5, { parent: 6 }],
        [6, { parent: 5 }],
      ]),
    ),
  ).toEqual([5, 6]);
});

test('this process, on the real /proc', () => {
  expect(readProcess(process.pid)).toMatchObject({ pid: process.pid, parent: process.ppid });
  expect(ancestors(process.pid, processTree()).slice(0, 2)).toEqual([process.pid, process.ppid]);
});
