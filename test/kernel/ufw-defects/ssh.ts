// Defects around the admin's own connection, with a real sshd: who locks himself out is neither asked nor told.
import { expect } from 'vitest';
import { MOAT_PROGRAM, type Moat } from '../../../lab/moat.ts';
import { type Sshd, startSshd } from '../../../lab/sshd.ts';
import { eventually } from '../../../lab/waiting.ts';
import { type Defect, type Ground, insideOf, said, sure } from './defect.ts';

/** Not 22, on which the lab's own service answers. */
const PORT = 2200;

async function withSshd(ground: Ground, work: (sshd: Sshd) => Promise<string>): Promise<string> {
  const sshd = await startSshd(ground.network.server, { port: PORT });
  try {
    return await work(sshd);
  } finally {
    // A session whose packets are dropped would never end, and sshd waits for it.
    await ground.network.server.output('nft', ['flush', 'ruleset']);
    await sshd.stop();
  }
}

/** Where nobody answers, trying takes 2 s. */
const canLogIn = async (sshd: Sshd, { network }: Ground): Promise<boolean> =>
  (await sshd.command(network.outside, 'true', { connectSeconds: 2 })).code === 0;

/** Gives true at once, false after half a minute: a new login is slow on a busy machine. */
const isLetInAgain = (sshd: Sshd, ground: Ground): Promise<boolean> =>
  eventually(30_000, () => canLogIn(sshd, ground));

/** A command line for the shell of a session. */
function moatLine(moat: Moat, ...words: string[]): string {
  const env = Object.entries(moat.env).map(([name, value]) => `${name}=${value}`);
  return ['env', ...env, process.execPath, MOAT_PROGRAM, ...words].join(' ');
}

export const SSH_DEFECTS: readonly Defect[] = [
  {
    number: 'P21',
    what: '`enable` without a rule for ssh: no check, new logins are shut out',
    recorded: 'enabled; new connections time out',
    ufw: (ufw, ground) =>
      withSshd(ground, async (sshd) => {
        const session = await sshd.openSession(ground.network.outside);
        await said(ufw, '--force', 'enable');
        const after = await canLogIn(sshd, ground);
        await session.close();
        expect(after).toBe(false);
        return 'enabled; nobody can log in any more';
      }),
    moat: (moat, ground) =>
      withSshd(ground, async (sshd) => {
        const session = await sshd.openSession(ground.network.outside);
        const refused = await session.run(moatLine(moat, 'enable'));
        expect(refused!.code).toBe(3);
        const sentence = /moat (allow from .*)/.exec(refused!.stderr)![1]!;
        expect(sentence).toBe(
          `allow from ${ground.network.outside.addresses.v4} to any port ${PORT} proto tcp`,
        );
        expect(await isLetInAgain(sshd, ground)).toBe(true);
        expect((await session.run(moatLine(moat, ...sentence.split(' '))))!.code).toBe(0);
        expect((await session.run(moatLine(moat, 'enable', '--confirm', '0')))!.code).toBe(0);
        expect([await session.alive(), await isLetInAgain(sshd, ground)]).toEqual([true, true]);
        await session.close();
        return 'refused (exit 3) with the missing sentence; after it, the session and new logins live';
      }),
  },
  {
    number: 'P43/P28',
    what: '`deny`, `delete allow` and `default deny` over ssh: no question at all, no way back',
    recorded: 'done at once, no rollback',
    ufw: (ufw, ground) =>
      withSshd(ground, async (sshd) => {
        await said(ufw, 'allow', `${PORT}/tcp`);
        await said(ufw, '--force', 'enable');
        const session = await sshd.openSession(ground.network.outside);
        const line = [...(await insideOf(ufw)), 'ufw', 'delete', 'allow', `${PORT}/tcp`, '</dev/null'].join(
          ' ',
        );
        // Its answer may not get through any more; asked, it would wait for ever.
        const answer = await session.run(line, 3000);
        expect(answer?.stdout ?? '').not.toContain('(y|n)?');
        const closed = await eventually(30_000, async () => !(await canLogIn(sshd, ground)));
        await session.close();
        expect(closed, `ufw answered: ${answer?.stdout} ${answer?.stderr} (${answer?.code})`).toBe(true);
        return 'done without a question; nobody can log in any more, and it stays so';
      }),
    moat: (moat, ground) =>
      withSshd(ground, async (sshd) => {
        await moat.ok('allow', `${PORT}/tcp`);
        await sure(moat, 'enable');
        const session = await sshd.openSession(ground.network.outside);
        for (const words of [
          `deny ${PORT}/tcp`,
          `delete allow ${PORT}/tcp`,
          `prepend deny ${PORT}`,
          'delete 1',
        ]) {
          expect((await session.run(moatLine(moat, words)))!.code, words).toBe(3);
        }
        expect(await moat.ok('show', 'added')).toBe(`moat allow ${PORT}/tcp\n`);
        const forced = await session.run(moatLine(moat, 'delete 1 --allow-lockout --confirm 6'));
        expect(forced!.code).toBe(0);
        expect(await canLogIn(sshd, ground)).toBe(false);
        expect(await isLetInAgain(sshd, ground)).toBe(true);
        expect(await moat.ok('show', 'added')).toBe(`moat allow ${PORT}/tcp\n`);
        await sure(moat, 'default', 'allow', 'incoming');
        await sure(moat, 'delete', '1');
        expect((await session.run(moatLine(moat, 'default deny incoming')))!.code).toBe(3);
        await session.close();
        return 'refused (exit 3); forced and not confirmed, everything is back after 6 s';
      }),
  },
  {
    number: 'P20',
    what: 'the question before `enable` is not asked from tmux, screen or nohup',
    recorded: 'not asked where sshd is no ancestor',
    moat: (moat, ground) =>
      withSshd(ground, async (sshd) => {
        const session = await sshd.openSession(ground.network.outside);
        const line = `(setsid -f sh -c '${moatLine(moat, 'enable')} > ${moat.root}/out 2>&1; echo $? > ${moat.root}/code'); while ! test -s ${moat.root}/code; do sleep 0.1; done; cat ${moat.root}/code`;
        const refused = await session.run(line);
        expect(refused!.stdout.trim()).toBe('3');
        expect(await isLetInAgain(sshd, ground)).toBe(true);
        await session.close();
        return 'refused (exit 3) from there too: the sockets are looked at, not the ancestors';
      }),
  },
];
