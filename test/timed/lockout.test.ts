// Nobody locks himself out: real sshd, real sessions, and a way back that needs neither Node nor moat.
import { chmodSync, copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CommandResult } from '../../lab/command.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { isRealRoot } from '../../lab/privilege.ts';
import type { SshOptions, SshSession } from '../../lab/ssh.ts';
import { type Sshd, startSshd } from '../../lab/sshd.ts';
import { eventually, pause } from '../../lab/waiting.ts';
import { loadedTable, sameTable, tableOf } from '../kernel/loaded.ts';
import { endWayBacks } from '../kernel/way-backs.ts';

// sshd changes users for the first part of a login, which only the machine's own root can.
const asRoot = test.runIf(isRealRoot());

let network: Network;
let moat: Moat;
let sshd: Sshd | undefined;
let node: string;
const sessions: SshSession[] = [];

beforeEach(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  // A Node that can be taken away.
  node = join(moat.root, 'node');
  copyFileSync(process.execPath, node);
  chmodSync(node, 0o755);
});

afterEach(async () => {
  for (const session of sessions.splice(0)) await session.close();
  await sshd?.stop();
  sshd = undefined;
  endWayBacks(moat.root);
  await network.destroy();
  await moat.destroy();
});

/** Logs in and keeps the session; moat's environment is there, as a login shell would have it. */
async function login(options: SshOptions & { port?: number } = {}): Promise<SshSession> {
  sshd ??= await startSshd(network.server, {
    env: moat.env,
    ...(options.port === undefined ? {} : { port: options.port }),
  });
  const session = await sshd.openSession(network.outside, options);
  sessions.push(session);
  return session;
}

async function say(session: SshSession, words: string): Promise<CommandResult> {
  const result = await session.run(`${node} ${MOAT_PROGRAM} ${words}`);
  if (result === undefined) throw new Error(`no answer to: ${words}`);
  return result;
}

const policy = (): string => readFileSync(moat.policy, 'utf8');
const isLoaded = async (): Promise<boolean> => (await loadedTable(network.server)) !== undefined;
const inForce = async (text: string): Promise<boolean> =>
  sameTable(await loadedTable(network.server), tableOf(text));
const isPending = (): boolean => existsSync(join(moat.root, 'var/lib/moat/pending'));

const V4 = 'allow from 198.51.100.4 to any port 22 proto tcp';
const V6 = 'allow from 2001:db8:4::4 to any port 22 proto tcp';

function expectRefusal(result: CommandResult, ...sentences: readonly string[]): void {
  expect(result).toMatchObject({ code: 3, stdout: '' });
  expect(result.stderr.match(/moat allow from .*/g)).toEqual(sentences.map((sentence) => `moat ${sentence}`));
}

asRoot('enable without a rule for the session refuses and names the sentence', async () => {
  const session = await login();
  expectRefusal(await say(session, 'enable'), V4);
  expect(await isLoaded()).toBe(false);
  await say(session, 'allow 80');
  expectRefusal(await say(session, 'enable --confirm 0'), V4);
  expect(await isLoaded()).toBe(false);
  // The sentence does what it promises.
  expect((await say(session, V4)).code).toBe(0);
  expect((await say(session, 'enable --confirm 0')).code).toBe(0);
  expect(await session.alive()).toBe(true);
  await login();
});

asRoot('over IPv6, and over both at once', async () => {
  const session = await login({ family: 'v6' });
  expectRefusal(await say(session, 'enable'), V6);
  expect((await say(session, V4)).code).toBe(0);
  expectRefusal(await say(session, 'enable'), V6);
  await say(session, `delete ${V4}`);
  const other = await login();
  const both = await say(other, 'enable');
  expect(both.code).toBe(3);
  expect(both.stderr).toContain(V4);
  expect(both.stderr).toContain(V6);
  expect(await isLoaded()).toBe(false);
});

asRoot('sshd on another port', async () => {
  const session = await login({ port: 2222 });
  await say(session, 'allow 22');
  expectRefusal(await say(session, 'enable'), V4.replace('22 proto', '2222 proto'));
  expect(await isLoaded()).toBe(false);
});

asRoot('without the session’s environment, detached from it, and from elsewhere on the machine', async () => {
  const session = await login();
  const bare = await session.run(`env -i PATH="$PATH" MOAT_ROOT=${moat.root} ${node} ${MOAT_PROGRAM} enable`);
  expectRefusal(bare!, V4);
  const out = join(moat.root, 'out');
  await session.run(
    `(setsid sh -c '${node} ${MOAT_PROGRAM} enable >${out} 2>&1; echo "code $?" >>${out}' </dev/null >/dev/null 2>&1 &)`,
  );
  const said = (): string => (existsSync(out) ? readFileSync(out, 'utf8') : '');
  expect(await eventually(10_000, async () => said().includes('code '))).toBe(true);
  expect(said()).toContain(V4);
  expect(said()).toContain('code 3\n');
  expectRefusal(await moat.run('enable'), V4);
  expect(await isLoaded()).toBe(false);
});

asRoot('whatever narrows is refused: a deny before, a delete, a default, another interface', async () => {
  const session = await login();
  await say(session, 'allow 22');
  await say(session, 'enable --confirm 0');
  const before = policy();
  const narrowing = [
    ...[
      'insert 1 deny from 198.51.100.0/24',
      'prepend deny from 198.51.100.4',
      'delete allow 22',
      'delete 1',
    ],
    ...['insert 1 deny from any', 'prepend reject from 198.51.100.4 to any port 22 proto tcp', 'deny 22'],
    ...['prepend deny in on eth0', 'prepend deny from 0.0.0.0/0 to any port 1:1000 proto tcp'],
  ];
  let advised = 0;
  for (const words of narrowing) {
    const refused = await say(session, words);
    expect(refused, words).toMatchObject({ code: 3, stdout: '' });
    expect(policy()).toBe(before);
    expect(await inForce(before)).toBe(true);
    const advice = /^ {4}moat ((?:prepend )?allow .*)$/m.exec(refused.stderr)?.[1];
    if (advice === undefined) {
      // What is put before everything else no sentence said first can help.
      expect(words).toMatch(/^(?:insert 1|prepend) /);
      expect(refused.stderr).toContain('must stand before this one');
      continue;
    }
    // The advice keeps its promise: after it the same change is made, and a new login works.
    expect((await say(session, `${advice} --confirm 0`)).code, advice).toBe(0);
    expect((await say(session, `${words} --confirm 0`)).code, words).toBe(0);
    await login();
    advised++;
    writeFileSync(moat.policy, before);
    expect((await say(session, 'reload --confirm 0')).code).toBe(0);
  }
  expect(advised).toBe(3);
  await say(session, 'default allow incoming --confirm 0');
  expect((await say(session, 'delete allow 22 --confirm 0')).code).toBe(0);
  for (const words of ['default deny incoming', 'default reject incoming', 'deny 22'])
    expectRefusal(await say(session, words), V4);
  expect(await session.alive()).toBe(true);
});

asRoot('a rule for another interface lets nobody in on this one', async () => {
  await network.server.output('sh', [
    '-ec',
    'ip link add other0 type bridge; ip addr add 10.77.0.1/24 dev other0; ip link set other0 up',
  ]);
  const session = await login();
  await say(session, 'allow in on other0 to any port 22 proto tcp');
  expectRefusal(await say(session, 'enable'), V4);
  await say(session, 'allow in on eth0 to any port 22 proto tcp');
  expect((await say(session, 'enable --confirm 0')).code).toBe(0);
  await login();
});

asRoot('a rule in the table that no sentence says is not taken away under a session', async () => {
  await moat.ok('allow', '80/tcp');
  await moat.ok('enable', '--confirm', '0');
  const byHand = ['insert', 'rule', 'inet', 'moat', 'incoming', 'tcp', 'dport', '22', 'accept'];
  await network.server.output('nft', byHand);
  const session = await login();
  expectRefusal(await say(session, 'allow 81/tcp'), V4);
  expect(policy()).not.toContain('81');
});

asRoot('not confirmed: all is back, though moat is dead, Node is gone and the session is cut', async () => {
  const session = await login();
  await say(session, 'allow 22');
  await say(session, 'allow 80');
  await say(session, 'enable --confirm 0');
  const before = policy();
  const words = 'delete allow 22 --allow-lockout --confirm 10';
  const started = await session.run(`${node} ${MOAT_PROGRAM} ${words} >/dev/null 2>&1 & echo $!`);
  const pid = Number(started!.stdout);
  expect(await eventually(30_000, async () => !(await inForce(before)))).toBe(true);
  const changed = performance.now();
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Already done.
  }
  chmodSync(node, 0o644);
  expect((await session.run(`${node} --version`))?.code).toBe(126);
  await sessions.pop()!.close();
  expect((await sshd!.command(network.outside, 'true', { connectSeconds: 1 })).code).toBe(255);
  expect(await eventually(30_000, async () => inForce(before))).toBe(true);
  const seconds = (performance.now() - changed) / 1000;
  console.log(`the old rules were back ${seconds.toFixed(1)} s after the new ones (10 asked for)`);
  expect(seconds).toBeGreaterThan(8);
  expect(seconds).toBeLessThan(13);
  expect(await eventually(10_000, async () => policy() === before && !isPending())).toBe(true);
  await login();
});

asRoot(
  'the first enable, not confirmed: there are no rules again, and nothing for the next boot',
  async () => {
    const session = await login();
    await say(session, 'allow 80');
    const before = policy();
    const enabled = await say(session, 'enable --allow-lockout --confirm 9');
    expect(enabled.code).toBe(0);
    // Never more than was asked for; less where loading took its time.
    expect(enabled.stdout).toMatch(/within [1-9] s/);
    expect(await isLoaded()).toBe(true);
    // Dead, not disconnected: the shell's end must not take the way back with it.
    await session.run('kill -9 $$', 100);
    await sessions.pop()!.close();
    expect(await eventually(30_000, async () => !(await isLoaded()))).toBe(true);
    expect(policy()).toBe(before);
    expect(existsSync(join(moat.root, 'var/lib/moat/boot.nft'))).toBe(false);
    expect(await eventually(10_000, async () => !isPending())).toBe(true);
    await login();
  },
);

asRoot(
  'confirm: refused from the old connection, accepted from a new one, and then nothing goes back',
  async () => {
    const session = await login();
    await say(session, 'allow 22');
    expect((await say(session, 'enable --confirm 20')).code).toBe(0);
    const refused = await say(session, 'confirm');
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain('is older than the change');
    const bare = await session.run(
      `env -i PATH="$PATH" MOAT_ROOT=${moat.root} ${node} ${MOAT_PROGRAM} confirm`,
    );
    expect(bare!.code).toBe(3);
    expect((await session.run(`setsid --wait ${node} ${MOAT_PROGRAM} confirm`))!.code).toBe(3);
    // Without any connection of its own, while the old one is the only one there is.
    const detached = await moat.run('confirm');
    expect(detached.code).toBe(3);
    expect(detached.stderr).toContain('nobody has logged in since');
    const fresh = await login();
    expect((await say(fresh, 'confirm')).code).toBe(0);
    expect(isPending()).toBe(false);
    await pause(21_000);
    expect(await inForce(policy())).toBe(true);
    expect(existsSync(join(moat.root, 'var/lib/moat/boot.nft'))).toBe(true);
    expect(existsSync(`${moat.policy}.not-confirmed`)).toBe(false);
  },
);

test('a second change joins the first: everything goes back together, and not before its time', async () => {
  for (const port of ['22', '80', '81']) await moat.ok('allow', port);
  await moat.ok('enable', '--confirm', '0');
  const before = policy();
  await moat.ok('delete', 'allow', '80', '--confirm', '12');
  const first = performance.now();
  await pause(1500);
  // What opens something waits with it.
  expect(await moat.ok('allow', '8080/tcp')).toContain('joins the change');
  await moat.ok('delete', 'allow', '81', '--confirm', '20');
  const second = performance.now();
  const after = policy();
  await pause(first + 13_000 - performance.now());
  // The first clock has run down by now.
  expect(await inForce(after)).toBe(true);
  expect(policy()).toBe(after);
  expect(await eventually(30_000, async () => inForce(before))).toBe(true);
  expect(performance.now() - second).toBeGreaterThan(19_000);
  expect(await eventually(10_000, async () => policy() === before)).toBe(true);
  expect(readFileSync(`${moat.policy}.not-confirmed`, 'utf8')).toBe(after);
  // And the next command starts from there.
  await moat.ok('allow', '443/tcp');
  expect(policy()).toContain(before.trimEnd());
  expect(await inForce(policy())).toBe(true);
});

test('a console, which no connection leads to, can enable and confirm', async () => {
  await moat.ok('enable', '--confirm', '8');
  expect(await moat.ok('confirm')).toContain('Confirmed');
  await pause(9000);
  expect(await isLoaded()).toBe(true);
  expect(isPending()).toBe(false);
});

test('an edit by hand, reloaded and not confirmed: the old file is back, the edited one is kept', async () => {
  for (const port of ['22', '80']) await moat.ok('allow', port);
  await moat.ok('enable', '--confirm', '0');
  const before = policy();
  const edited = `# mine\n${before.replace('allow 80\n', '')}allow 9000/tcp\n`;
  writeFileSync(moat.policy, edited);
  expect(await moat.ok('reload', '--confirm', '8')).toMatch(/within [1-8] s/);
  expect(await inForce(edited)).toBe(true);
  expect(await eventually(30_000, async () => inForce(before))).toBe(true);
  expect(await eventually(10_000, async () => !isPending())).toBe(true);
  expect(policy()).toBe(before);
  expect(readFileSync(`${moat.policy}.not-confirmed`, 'utf8')).toBe(edited);
  expect(await moat.ok('status')).not.toContain('was edited and is not in force');
});

test('a policy that is a symbolic link stays one, through a change and through the way back', async () => {
  for (const port of ['22', '80']) await moat.ok('allow', port);
  await moat.ok('enable', '--confirm', '0');
  const kept = join(moat.root, 'kept-in-git');
  await network.server.output('sh', ['-ec', `mv ${moat.policy} ${kept}; ln -s ${kept} ${moat.policy}`]);
  const before = policy();
  await moat.ok('delete', 'allow', '80', '--confirm', '6');
  expect(readFileSync(kept, 'utf8')).not.toBe(before);
  expect(await eventually(30_000, async () => !isPending())).toBe(true);
  expect(readFileSync(kept, 'utf8')).toBe(before);
  expect(await network.server.output('readlink', [moat.policy])).toBe(`${kept}\n`);
});
