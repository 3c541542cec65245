// What the system refuses, breaks or garbles: the old state stays in force, whole, and the message says what to do.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Table } from '@moat/netfilter';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CommandResult, commandOutput } from '../../lab/command.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { eventually } from '../../lab/waiting.ts';
import { emergencyRules } from '../../packages/firewall/src/apply/emergency.ts';
import { loadedTable, sameTable, tableOf } from './loaded.ts';
import { endWayBacks } from './way-backs.ts';

let network: Network;
let moat: Moat;
let bin: string;
const mounts: string[] = [];

beforeEach(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  bin = join(moat.root, 'bin');
});

afterEach(async () => {
  endWayBacks(moat.root);
  // Lazily: what was just killed may not have let go yet.
  for (const path of mounts.splice(0).reverse()) await commandOutput('umount', ['--lazy', path]);
  await network.destroy();
  await moat.destroy();
});

async function mount(...args: string[]): Promise<void> {
  await commandOutput('mount', args);
  mounts.push(args.at(-1)!);
}

async function active(): Promise<void> {
  for (const port of ['22', '80']) await moat.ok('allow', port);
  await moat.ok('enable', '--confirm', '0');
}

interface State {
  readonly text: string;
  readonly table: Table | undefined;
  readonly boot: string;
  readonly applied: string;
}

const kept = (name: string): string => readFileSync(join(moat.root, 'var/lib/moat', name), 'utf8');
const isPending = (): boolean => existsSync(join(moat.root, 'var/lib/moat/pending'));

async function state(): Promise<State> {
  return {
    text: readFileSync(moat.policy, 'utf8'),
    table: await loadedTable(network.server),
    boot: kept('boot.nft'),
    applied: kept('applied-policy'),
  };
}

/** Nothing of it has changed, nothing waits, and no half-written file lies about. */
async function expectSame(before: State): Promise<void> {
  const { table, ...files } = await state();
  const { table: tableBefore, ...filesBefore } = before;
  expect(files).toEqual(filesBefore);
  expect(sameTable(table, tableBefore)).toBe(true);
  expect(isPending()).toBe(false);
  const names = readdirSync(moat.root, { recursive: true }).map(String);
  expect(names.filter((name) => /\.new$|\.back$|check/.test(name))).toEqual([]);
}

/** A program `nft` that comes before the real one on moat's PATH; `$REAL` in the script is the real one. */
function fakeNft(script: string): void {
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'nft'), `#!/bin/sh\nREAL=/usr/sbin/nft\n${script}\n`);
  chmodSync(join(bin, 'nft'), 0o755);
}

function withFake(...words: string[]): Promise<CommandResult> {
  const env = { ...moat.env, PATH: `${bin}:${process.env['PATH']}` };
  return network.server.run(process.execPath, [MOAT_PROGRAM, ...words], { env });
}

/** It takes something away, so that the way back is armed for it. */
const NARROWING = 'prepend deny from 10.0.0.0/8 port 9090 proto tcp --confirm 3600'.split(' ');

const CHANGES: readonly (readonly string[])[] = [
  ['allow', '9090/tcp'],
  NARROWING,
  ['delete', 'allow', '80', '--confirm', '0'],
  ['default', 'deny', 'outgoing', '--confirm', '3600'],
];

test('a disk that fills up at any point of a change', async () => {
  await mount('-t', 'tmpfs', '-o', 'size=160k', 'tmpfs', moat.root);
  await active();
  const outcomes: string[] = [];
  const filler = join(moat.root, 'filler');
  for (const [i, words] of CHANGES.entries()) {
    for (let free = 0; free < 16; free++) {
      const before = await state();
      fillUp(filler, free);
      const result = await moat.run(...words);
      rmSync(filler);
      const where = `${words.join(' ')}, ${free} pages free: ${result.stderr}`;
      if (result.code === 0) {
        outcomes.push(`${words[0]} needs ${free} pages`);
        expect((await state()).text, where).not.toBe(before.text);
        expect(sameTable(await loadedTable(network.server), tableOf((await state()).text)), where).toBe(true);
        if (isPending()) await moat.ok('confirm');
        expect(kept('applied-policy'), where).toBe((await state()).text);
        break;
      }
      expect(result.code, where).toBe(1);
      expect(result.stderr, where).toContain('ENOSPC');
      await expectSame(before);
    }
    expect(outcomes).toHaveLength(i + 1);
  }
  console.log(outcomes.join(', '));
});

/** Leaves `free` pages of 4 KiB. */
function fillUp(filler: string, free: number): void {
  const page = Buffer.alloc(4096);
  let pages = 0;
  try {
    for (; ; pages++) writeFileSync(filler, page, { flag: 'a' });
  } catch {
    writeFileSync(filler, Buffer.alloc(4096 * Math.max(0, pages - free)));
  }
}

test('a read-only /etc: nothing changes, with or without a way back', async () => {
  await active();
  const before = await state();
  const etc = join(moat.root, 'etc');
  await mount('--bind', etc, etc);
  await commandOutput('mount', ['-o', 'remount,ro,bind', etc]);
  for (const words of CHANGES) {
    const result = await moat.run(...words);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain('EROFS');
    await expectSame(before);
  }
});

test('a read-only /var/lib: nothing changes', async () => {
  await active();
  const before = await state();
  const lib = join(moat.root, 'var/lib');
  await mount('--bind', lib, lib);
  await commandOutput('mount', ['-o', 'remount,ro,bind', lib]);
  for (const words of CHANGES) {
    const result = await moat.run(...words);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain('EROFS');
    await expectSame(before);
  }
});

test('without nft: the message names the package', async () => {
  await active();
  const before = await state();
  // /usr/sbin as it is, less one file; only this command sees it so.
  const script = [
    'over=$(mktemp -d); mount -t tmpfs tmpfs $over; mkdir $over/u $over/w',
    'mount -t overlay -o lowerdir=/usr/sbin,upperdir=$over/u,workdir=$over/w overlay /usr/sbin',
    'rm /usr/sbin/nft; exec "$@"',
  ].join('\n');
  for (const words of [...CHANGES, ['reload'], ['enable'], ['disable'], ['status']]) {
    const command = ['--mount', 'sh', '-ec', script, 'sh', process.execPath, MOAT_PROGRAM, ...words];
    const result = await network.server.run('unshare', command, { env: moat.env });
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain('apt install nftables');
    await expectSame(before);
  }
});

test('without /etc/protocols, which small systems lack, everything works the same', async () => {
  for (const protocol of ['gre', 'vrrp', 'esp', 'ah', 'igmp', 'ipv6', 'tcp'])
    await moat.ok('allow', 'from', '10.0.0.9', 'proto', protocol);
  const without = (...words: string[]): Promise<string> =>
    network.server.output('unshare', [
      ...['--mount', 'sh', '-ec', 'mount --bind /dev/null /etc/protocols; exec "$@"', 'sh', ...words],
    ]);
  const env = Object.entries(moat.env).map(([name, value]) => `${name}=${value}`);
  const moatWithout = (...words: string[]): Promise<string> =>
    without('env', ...env, process.execPath, MOAT_PROGRAM, ...words);
  await moatWithout('enable', '--confirm', '0');
  await moatWithout('deny', '25/tcp');
  expect(await moatWithout('reload')).toContain('nothing to do');
  // What boot loads, here and where the names are known.
  await without('nft', '-f', join(moat.root, 'var/lib/moat/boot.nft'));
  expect(sameTable(await loadedTable(network.server), tableOf(readFileSync(moat.policy, 'utf8')))).toBe(true);
  await without('sh', '-ec', `echo '${emergencyRules([22])}' | nft -f -`);
  expect((await loadedTable(network.server))?.chains.map(({ name }) => name)).toEqual(['input', 'forward']);
});

test('an nft that refuses to load, or is killed before it does', async () => {
  await active();
  const before = await state();
  for (const end of ['echo "Error: No buffer space available" >&2; exit 1', 'kill -9 $$']) {
    fakeNft(`[ "$1" != -f ] || { ${end}; }\nexec $REAL "$@"`);
    for (const words of [...CHANGES, ['disable']]) {
      const result = await withFake(...words);
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(/No buffer space|SIGKILL/);
      await expectSame(before);
    }
  }
});

test('an nft that is killed each time after it has loaded: the old rules are put back', async () => {
  await active();
  const before = await state();
  fakeNft(`if [ "$1" = -f ] && grep -q 9090 "$2"; then $REAL "$@"; kill -9 $$; fi\nexec $REAL "$@"`);
  const result = await withFake('allow', '9090/tcp');
  expect(result.code).toBe(1);
  expect(result.stderr).toContain('SIGKILL');
  expect(result.stderr).toContain('The rules from before are in force again');
  await expectSame(before);
});

test('a kernel that has other rules than were sent: moat notices, goes back, and calls it its own mistake', async () => {
  await active();
  const before = await state();
  const loses = (what: string): string => `if [ "$1" = -f ]; then sed -i '${what}' "$2"; fi\nexec $REAL "$@"`;
  const garbles = [loses('/9090/d'), loses('s/9090/9091/'), loses('/9090/s/$/\\nip saddr 192.0.2.9 accept/')];
  for (const script of garbles) {
    fakeNft(script);
    for (const words of [['allow', '9090/tcp'], NARROWING]) {
      const result = await withFake(...words);
      expect(result).toMatchObject({ code: 1, stdout: '' });
      expect(result.stderr).toContain('This is a mistake in moat');
      expect(result.stderr).toContain('The rules from before are in force again');
      expect(result.stderr).toContain('chain incoming');
      await expectSame(before);
    }
  }
});

test('a kernel that says the same in other words: what it has is proved, and that is told', async () => {
  await active();
  fakeNft(`if [ "$1" = -f ]; then sed -i '/9090/s/counter/counter log/' "$2"; fi\nexec $REAL "$@"`);
  const result = await withFake('allow', '9090/tcp');
  expect(result).toMatchObject({ code: 0 });
  expect(result.stdout).toContain('the kernel lists the rules in other words than they were sent');
});

test('where the old rules cannot be put back the way back stays armed, and does it', async () => {
  await active();
  const before = await state();
  // The way back has a PATH of its own, with the real nft.
  fakeNft(`if [ "$1" = -f ]; then
  [ ! -e ${bin}/once ] || exit 1
  touch ${bin}/once; sed -i 's/9090/9091/' "$2"
fi
exec $REAL "$@"`);
  const result = await withFake(...NARROWING.slice(0, -1), '3');
  expect(result.code).toBe(1);
  expect(result.stderr).toContain('could not be put back');
  expect(await eventually(10_000, async () => !isPending())).toBe(true);
  const { table, text } = await state();
  expect(text).toBe(before.text);
  expect(sameTable(table, before.table)).toBe(true);
});

test('an nft that hangs: the way back does not wait for ever', async () => {
  await active();
  const before = await state();
  fakeNft(`if [ "$1" = -f ]; then $REAL "$@"; touch ${bin}/hangs; exec sleep 100; fi\nexec $REAL "$@"`);
  const hanging = network.server.spawn(
    process.execPath,
    [MOAT_PROGRAM, 'delete', 'allow', '80', '--confirm', '2'],
    { env: { ...moat.env, PATH: `${bin}:${process.env['PATH']}` } },
  );
  try {
    expect(await eventually(60_000, async () => existsSync(join(bin, 'hangs')))).toBe(true);
    expect(sameTable(await loadedTable(network.server), before.table)).toBe(false);
    const back = async (): Promise<boolean> => sameTable(await loadedTable(network.server), before.table);
    expect(await eventually(60_000, back)).toBe(true);
    expect(await eventually(30_000, async () => !isPending())).toBe(true);
    expect(readFileSync(moat.policy, 'utf8')).toBe(before.text);
    // Neither the command nor its nft may go on afterwards and load what nobody confirmed.
    expect(await eventually(30_000, async () => hanging.signalCode === 'SIGKILL')).toBe(true);
  } finally {
    hanging.kill('SIGKILL');
  }
});

test('a policy file that somebody edits between plan and commit is not overwritten', async () => {
  await active();
  const before = await state();
  fakeNft(`if [ "$1" = -f ]; then echo '# mine' >>${moat.policy}; fi\nexec $REAL "$@"`);
  for (const words of [['allow', '9090/tcp'], NARROWING]) {
    const result = await withFake(...words);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('was edited meanwhile');
    const text = readFileSync(moat.policy, 'utf8');
    expect(text.startsWith(before.text)).toBe(true);
    expect(text.slice(before.text.length)).toMatch(/^(# mine\n)+$/);
    writeFileSync(moat.policy, before.text);
    await expectSame(before);
  }
});

/** Every file with its contents, mode and time of change. */
function fingerprint(root: string): string {
  if (!existsSync(root)) return 'nothing';
  const hash = createHash('sha256');
  for (const name of readdirSync(root, { recursive: true }).map(String).sort()) {
    const path = join(root, name);
    const stat = lstatSync(path);
    hash.update(`${name} ${stat.mode} ${stat.mtimeMs} ${stat.ino}\n`);
    if (stat.isFile()) hash.update(readFileSync(path));
  }
  return hash.digest('hex');
}

test('P39, P40, P46: --dry-run of every verb writes nothing, whatever the state', async () => {
  const verbs = [
    ...['allow 443', 'deny 443/tcp', 'reject 22', 'limit 22/tcp', 'insert 1 deny from 192.0.2.9'],
    ...[
      'prepend deny 1:1000/tcp',
      'delete allow 22',
      'delete 1',
      'group office 10.0.0.9',
      'delete group office',
    ],
    ...[
      'default allow incoming',
      'default deny outgoing',
      'default reject routed',
      'logging full',
      'logging off',
    ],
    ...['enable', 'disable', 'reload', 'reset', 'reset --yes', 'confirm', 'status', 'status verbose'],
    ...['ban 192.0.2.9 for 1h', 'unban 192.0.2.9', 'bans', 'panic', 'calm', 'abort', 'confirm --extend 5m'],
    ...['history', 'undo', 'undo 1', 'diff 1', 'show generation 1'],
    ...['status numbered', 'show builtin', 'show raw', 'show added', 'show listening', 'version', 'help', ''],
  ];
  const ruleset = (): Promise<string> => network.server.output('nft', ['-s', 'list', 'ruleset']);
  const look = async (): Promise<string> => `${fingerprint(moat.root)}\n${await ruleset()}`;
  const states: [string, () => Promise<unknown>][] = [
    ['no files at all', async () => {}],
    ['not active', () => moat.ok('group', 'office', '10.0.0.7').then(() => moat.ok('allow', '22'))],
    ['active', () => moat.ok('enable', '--confirm', '0')],
    ['a change waits', () => moat.ok('deny', '25/tcp', '--confirm', '3600')],
    ['edited by hand', async () => writeFileSync(moat.policy, 'allow 22\ngroup office 10.0.0.7\n')],
    ['with a mistake', async () => writeFileSync(moat.policy, 'allow 22\nallow from 010.0.0.1\n')],
  ];
  let count = 0;
  for (const [name, reach] of states) {
    await reach();
    const before = await look();
    for (const verb of verbs) {
      const words = ['--dry-run', ...verb.split(' ').filter(Boolean)];
      const result = await moat.run(...words);
      expect([0, 2, 3], `${name}: ${words.join(' ')}: ${result.stderr}`).toContain(result.code);
      expect(await look(), `${name}: ${words.join(' ')}`).toBe(before);
      count++;
    }
  }
  console.log(`${count} dry runs, nothing written`);
  await moat.run('disable');
});
