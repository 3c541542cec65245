// The session that made a change ends before anybody confirmed: everything is back at once, however it came about.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { isRealRoot } from '../../lab/privilege.ts';
import { type Sshd, startSshd } from '../../lab/sshd.ts';
import { type Terminal, terminalOf } from '../../lab/terminal.ts';
import { eventually, pause } from '../../lab/waiting.ts';
import { endWayBacks } from '../kernel/way-backs.ts';

// sshd changes users for the first part of a login, which only the machine's own root can.
const asRoot = test.runIf(isRealRoot());
const rootWith = (program: string) =>
  test.runIf(
    isRealRoot() && (process.env['PATH'] ?? '').split(':').some((each) => existsSync(join(each, program))),
  );

let network: Network;
let moat: Moat;
let sshd: Sshd;
let jump: Sshd;
let before: string;
const terminals: Terminal[] = [];
const times: string[] = [];

beforeAll(async () => {
  if (!isRealRoot()) return;
  network = await createNetwork();
  moat = await moatOn(network.server);
  sshd = await startSshd(network.server, { user: 'ann' });
  jump = await startSshd(network.blog);
  for (const words of ['allow 22,2222/tcp', 'allow 80']) await moat.ok(...words.split(' '));
  await moat.ok('enable', '--confirm', '0');
  before = await rules();
});

beforeEach(() => {
  terminals.length = 0;
});

afterEach(async () => {
  await Promise.all(terminals.map((terminal) => terminal.kill()));
  if (isRealRoot() && isPending()) await moat.run('abort');
});

afterAll(async () => {
  if (!isRealRoot()) return;
  console.log(['from the death of the session to the old rules:', ...times].join('\n  '));
  endWayBacks(moat.root);
  await sshd.stop();
  await jump.stop();
  await network.destroy();
  await moat.destroy();
});

const MOAT = () =>
  `env MOAT_ROOT=${moat.root} DOCKER_HOST=${moat.env['DOCKER_HOST']} ${process.execPath} ${MOAT_PROGRAM}`;
const rules = () => network.server.output('nft', ['-s', 'list', 'chain', 'inet', 'moat', 'incoming']);
const areBack = async (): Promise<boolean> => (await rules()) === before;
const isPending = (): boolean => existsSync(join(moat.root, 'var/lib/moat/pending/token'));
/** The way back writes it down when the rules are there again. */
const isNoted = (what: string): Promise<boolean> =>
  eventually(30_000, async () => {
    const log = readFileSync(join(moat.root, 'var/lib/moat/way-back.log'), 'utf8');
    return !isPending() && log.trimEnd().split('\n').at(-1)!.includes(what);
  });
const CLOCK = 'a change was not confirmed';
const ENDED = 'the session that made a change ended';

async function open(...args: Parameters<Sshd['openTerminal']>): Promise<Terminal> {
  const terminal = await sshd.openTerminal(...args);
  terminals.push(terminal);
  return terminal;
}

/** Closes 80 from a terminal; gives what was printed. */
async function change(terminal: Terminal, seconds = 60, prefix = ''): Promise<string> {
  const made = await terminal.run(`${prefix} ${MOAT()} delete allow 80 --confirm ${seconds}`);
  expect(made.code, made.stdout).toBe(0);
  expect(await areBack()).toBe(false);
  return made.stdout;
}

/** Ends the session and measures until the old rules are there. */
async function ends(name: string, end: () => Promise<unknown>): Promise<void> {
  const begun = performance.now();
  await end();
  expect(await eventually(10_000, areBack), name).toBe(true);
  const seconds = (performance.now() - begun) / 1000;
  times.push(`${name.padEnd(36)} ${seconds.toFixed(1)} s`);
  expect(seconds, name).toBeLessThan(2);
  expect(await isNoted(ENDED)).toBe(true);
}

/** A change by way of this terminal is told whose session it is, and does not outlive it. */
async function diesWith(name: string, terminal: Terminal, from: string, prefix = ''): Promise<void> {
  const said = await change(terminal, 60, prefix);
  expect(said, name).toContain(`Your session from ${from} stays reachable.`);
  expect(said, name).toMatch(/If nobody does within \d+ s, or this session ends, everything goes back/);
  await ends(name, () => terminal.kill());
}

asRoot(
  'plain, over IPv6, and through a jump host; the next command tells, so do status and history',
  async () => {
    await diesWith('ssh', await open(network.outside), '198.51.100.4');
    const status = await moat.ok('status');
    expect(status).toContain('a change went back by itself: ');
    expect(status).toContain('the session that made a change ended before it was confirmed');
    expect(await moat.ok('history')).toContain('went back (session ended)');
    expect(await moat.ok('show', 'generation', '2')).toContain('Generation 2, went back (session ended)');
    expect(await moat.ok('allow', '443/tcp')).toMatch(
      /the change before this one went back by itself: .*session/,
    );
    expect(await moat.ok('delete', 'allow', '443/tcp', '--confirm', '0')).not.toContain('went back');

    await diesWith('ssh over IPv6', await open(network.outside, { family: 'v6' }), '2001:db8:4::4');

    const config = join(moat.root, 'ssh_config');
    const common = `StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  IdentitiesOnly yes\n  LogLevel ERROR`;
    const host = (name: string, address: string, key: string) =>
      `Host ${name}\n  HostName ${address}\n  User root\n  IdentityFile ${key}\n  ${common}\n`;
    writeFileSync(
      config,
      host('jump', network.blog.addresses.v4, jump.key) +
        host('server', network.server.addresses.v4, sshd.key),
    );
    const client = network.outside.spawn('ssh', ['-F', config, '-tt', '-J', 'jump', 'server']);
    const jumped = await terminalOf(client, 'ssh -J');
    terminals.push(jumped);
    await diesWith('ssh -J (from the jump host)', jumped, '203.0.113.7');
  },
);

asRoot('another port, and sshd under the name that OpenSSH 9.8 gives it', async () => {
  const other = await startSshd(network.server, { port: 2222, name: 'sshd-session' });
  try {
    const terminal = await other.openTerminal(network.outside);
    terminals.push(terminal);
    expect((await terminal.run('cat /proc/$PPID/comm')).stdout).toBe('sshd-session\n');
    await diesWith('sshd-session on port 2222', terminal, '198.51.100.4');
  } finally {
    await other.stop();
  }
});

rootWith('sudo')('an ordinary user with sudo, which has a terminal of its own', async () => {
  const terminal = await open(network.outside, { user: 'ann' });
  expect((await terminal.run('id -un')).stdout).toBe('ann\n');
  await diesWith('sudo', terminal, '198.51.100.4', 'sudo');
});

rootWith('tmux')('in tmux: whose client’s connection drops; of two, the last', async () => {
  const from = '198.51.100.4 (through tmux)';
  const tmux = `tmux -S ${moat.root}/tmux -f /dev/null`;
  const terminal = await open(network.outside);
  await terminal.enter(`${tmux} new-session`);
  await diesWith('tmux', terminal, from);
  // It lives on, and so does what was typed there.
  const again = await open(network.outside);
  await again.enter(`${tmux} attach`);
  const second = await open(network.third);
  await second.enter(`${tmux} attach`);
  const said = await change(again);
  expect(said).toContain(`Your session from ${from} stays reachable.`);
  expect(said).toContain('Your session from 192.0.2.9 (through tmux) stays reachable.');
  await again.kill();
  await pause(2500);
  expect(await areBack()).toBe(false);
  await ends('tmux, the second of two clients', () => second.kill());
  await network.server.output('sh', ['-c', `${tmux} kill-server`]);
});

rootWith('screen')('in screen', async () => {
  const terminal = await open(network.outside);
  await terminal.enter(`mkdir -m 700 ${moat.root}/screens; SCREENDIR=${moat.root}/screens screen -S lab`);
  // The first client is the parent of all in it; later ones are not.
  await diesWith('screen', terminal, '198.51.100.4');
  const again = await open(network.third);
  await again.enter(`SCREENDIR=${moat.root}/screens screen -r lab`);
  await diesWith('screen, resumed', again, '192.0.2.9 (through screen)');
  await network.server.run('screen', ['-S', 'lab', '-X', 'quit'], {
    env: { SCREENDIR: `${moat.root}/screens` },
  });
});

rootWith('mosh-client')('mosh: its server carries the session, whatever becomes of the client', async () => {
  const started = await sshd.command(
    network.outside,
    'LC_ALL=C.UTF-8 mosh-server new -i 203.0.113.130 -p 60001 -- /bin/bash -l',
  );
  const [, port, key] = /MOSH CONNECT (\d+) (\S+)/.exec(started.stdout) ?? [];
  const [, pid] = /pid = (\d+)/.exec(started.stderr) ?? [];
  const line = `stty rows 24 cols 80; exec mosh-client ${network.server.addresses.v4} ${port}`;
  const env = { MOSH_KEY: key, LC_ALL: 'C.UTF-8', TERM: 'xterm' };
  // The first packet would be refused: the port is opened for it, as moat says.
  await moat.ok('allow', '60001/udp');
  before = await rules();
  const client = network.outside.spawn('script', ['-qfc', line, '/dev/null'], { env });
  const terminal = await terminalOf(client, 'mosh');
  terminals.push(terminal);
  const said = await change(terminal);
  expect(said).toContain('Your session is mosh’s and goes on as it is.');
  expect(said).toContain('or this session ends');
  await ends('mosh (its server is killed)', async () => process.kill(Number(pid), 'SIGKILL'));
});

asRoot('a connection that is reset, and a session that is left', async () => {
  const cut = await open(network.outside);
  await change(cut);
  await ends('the connection is reset (ss -K)', () =>
    network.server.output('ss', ['-K', 'dst', network.outside.addresses.v4, 'sport', '=', ':22']),
  );
  const left = await open(network.outside);
  await change(left);
  await ends('exit', () => left.leave());
});

asRoot('a cable that is cut: sshd notices nothing, so the clock counts', async () => {
  const terminal = await open(network.outside);
  const begun = performance.now();
  await change(terminal, 5);
  await network.outside.output('ip', ['link', 'set', 'eth0', 'down']);
  try {
    await pause(2000);
    expect(await areBack()).toBe(false);
    expect(await eventually(30_000, areBack)).toBe(true);
    times.push(
      `${'a cut cable (the clock, 5 s)'.padEnd(36)} ${((performance.now() - begun) / 1000).toFixed(1)} s`,
    );
    expect(await isNoted(CLOCK)).toBe(true);
  } finally {
    await network.outside.output('ip', ['link', 'set', 'eth0', 'up']);
    await network.outside.output('ip', ['route', 'add', 'default', 'via', '198.51.100.1']);
  }
});

asRoot('more time keeps the watch; confirmed, the end of the session means nothing', async () => {
  const terminal = await open(network.outside);
  await change(terminal, 20);
  const extended = await sshd.command(network.outside, `${MOAT()} confirm --extend 1m`);
  expect(extended.stdout).toContain('or until the session that made it ends');
  await ends('after confirm --extend', () => terminal.kill());

  const other = await open(network.outside);
  await change(other);
  expect(await sshd.command(network.outside, `${MOAT()} confirm`)).toMatchObject({ code: 0 });
  await other.kill();
  await pause(2500);
  expect(await areBack()).toBe(false);
  await moat.ok('allow', '80');
  // It stands behind what mosh was allowed now.
  before = await rules();
  expect(before).toContain('tcp dport { 22, 80, 2222 } counter accept');
});

asRoot(
  'a single command ends by itself, with a terminal or without: the clock alone counts, and it says so',
  async () => {
    for (const flags of [[], ['-tt']]) {
      const made = await sshd.command(network.outside, `${MOAT()} delete allow 80 --confirm 9`, {
        more: flags,
      });
      expect(made).toMatchObject({ code: 0 });
      expect(made.stdout).toContain('Your session from 198.51.100.4 stays reachable.');
      expect(made.stdout).toMatch(/within \d s, or everything goes back/);
      expect(made.stdout).toContain('Only the clock counts');
      await pause(1500);
      expect(await areBack()).toBe(false);
      expect(await eventually(30_000, areBack)).toBe(true);
      expect(await isNoted(CLOCK)).toBe(true);
    }
  },
);

asRoot('at the console nobody is locked out: its end means nothing', async (context) => {
  const console = '/dev/tty63';
  const opened = await network.server.run('sh', ['-c', `exec <${console}`]);
  if (opened.code !== 0) context.skip('no virtual terminals here');
  const words = `${MOAT()} delete allow 80 --confirm 9`;
  const made = await network.server.run('sh', ['-c', `setsid --ctty --wait sh -c '${words}' <${console}`]);
  expect(made).toMatchObject({ code: 0 });
  expect(made.stdout).toContain('Your session is at the console (tty63): no rule reaches it.');
  await pause(1500);
  expect(await areBack()).toBe(false);
  expect(await eventually(30_000, areBack)).toBe(true);
});
