// Defects of sentences: their order, their two families, their numbers, and what is accepted that never works.
import { expect } from 'vitest';
import { type Defect, type Ground, output, reach, said, sure } from './defect.ts';

/** How so many connections to a port end, one after the other. */
async function dials(ground: Ground, port: number, count: number): Promise<string[]> {
  const results: string[] = [];
  for (let i = 0; i < count; i++) {
    results.push(
      (await ground.outside.dial(ground.network.server.addresses.v4, port, { timeoutMs: 300 })).result,
    );
  }
  return results;
}

const opens = (results: readonly string[]): number => results.filter((result) => result === 'open').length;

export const ORDER_DEFECTS: readonly Defect[] = [
  {
    number: 'P1',
    what: '`limit 22/tcp` on a fresh installation closes ssh over IPv6',
    recorded: 'v6 closed until the next reload',
    ufw: async (ufw, ground) => {
      await said(ufw, '--force', 'enable');
      await said(ufw, 'limit', '22/tcp');
      const now = await reach(ground, 22);
      expect(now).toBe('v4 open, v6 timeout');
      return now;
    },
    moat: async (moat, ground) => {
      await sure(moat, 'enable');
      await moat.ok('limit', '22/tcp');
      expect(await reach(ground, 22)).toBe('open');
      return 'v4 open, v6 open';
    },
  },
  {
    number: 'P2',
    what: '`insert 1 deny` before an IPv4 rule: the IPv6 half lands last',
    recorded: 'v4 closed, v6 open',
    ufw: async (ufw, ground) => {
      await said(ufw, 'allow', 'from', '192.0.2.9', 'to', 'any', 'port', '3306');
      await said(ufw, 'allow', '80');
      await said(ufw, '--force', 'enable');
      await said(ufw, 'insert', '1', 'deny', '80/tcp');
      const now = await reach(ground, 80);
      expect(now).toBe('v4 timeout, v6 open');
      return now;
    },
    moat: async (moat, ground) => {
      await moat.ok('allow', 'from', '192.0.2.9', 'to', 'any', 'port', '3306');
      await moat.ok('allow', '80');
      await sure(moat, 'enable');
      await sure(moat, 'insert', '1', 'deny', '80/tcp');
      expect(await reach(ground, 80)).toBe('timeout');
      return 'v4 timeout, v6 timeout';
    },
  },
  {
    number: 'P2b',
    what: '`insert 1 deny 80/tcp` where `allow 80/tcp` stands: skipped, port stays open',
    recorded: '"Skipping inserting existing rule", open',
    ufw: async (ufw, ground) => {
      await said(ufw, 'allow', '80/tcp');
      await said(ufw, '--force', 'enable');
      const answer = await said(ufw, 'insert', '1', 'deny', '80/tcp');
      expect(answer).toContain('Skipping');
      expect(await reach(ground, 80)).toBe('open');
      return '"Skipping inserting existing rule", exit 0; open';
    },
    moat: async (moat, ground) => {
      await moat.ok('allow', '22');
      await moat.ok('allow', '80/tcp');
      await sure(moat, 'enable');
      expect(await sure(moat, 'insert', '1', 'deny', '80/tcp')).toContain('Rule 1 moved');
      expect(await moat.ok('show', 'added')).toBe('moat deny 80/tcp\nmoat allow 22\n');
      expect(await reach(ground, 80)).toBe('timeout');
      return '"Rule 1 moved"; closed';
    },
  },
  {
    number: 'P5',
    what: 'a deny after an allow has no effect, and nobody says so',
    recorded: 'no warning, open',
    ufw: async (ufw, ground) => {
      await said(ufw, 'allow', '80/tcp');
      await said(ufw, '--force', 'enable');
      const answer = await said(ufw, 'deny', 'from', ground.network.outside.addresses.v4);
      expect(answer.trim()).toBe('Rule added');
      const now = await reach(ground, 80);
      expect(now).toBe('open');
      return `"Rule added"; still ${now}`;
    },
    moat: async (moat, ground) => {
      const { v4 } = ground.network.outside.addresses;
      await moat.ok('allow', '80/tcp');
      await sure(moat, 'enable');
      const answer = await moat.ok('deny', 'from', v4, 'to', 'any', 'port', '80', 'proto', 'tcp');
      expect(answer).toContain('never decides');
      const hint = /moat (insert 1 deny .*)/.exec(answer)![1]!;
      await sure(moat, ...hint.split(' '));
      expect(await reach(ground, 80)).toBe('v4 timeout, v6 open');
      return 'warns that it never decides; the command that it names closes the port';
    },
  },
  {
    number: 'P4',
    what: '`limit ssh` after `allow 22` never limits',
    recorded: '9 of 9 connections',
    ufw: async (ufw, ground) => {
      await said(ufw, 'allow', '22');
      await said(ufw, '--force', 'enable');
      await said(ufw, 'limit', 'ssh');
      const open = opens(await dials(ground, 22, 9));
      expect(open).toBe(9);
      return `no warning; ${open} of 9 connections`;
    },
    moat: async (moat, ground) => {
      await moat.ok('allow', '22');
      await sure(moat, 'enable');
      const answer = await moat.ok('limit', 'ssh');
      const hint = /moat (insert 1 limit .*)/.exec(answer)![1]!;
      await sure(moat, ...hint.split(' '));
      const open = opens(await dials(ground, 22, 9));
      expect(open).toBeLessThan(7);
      return `warns; after the command that it names ${open} of 9 connections`;
    },
  },
  {
    number: 'P35',
    what: '`allow 80` and `deny 80/tcp` contradict each other, both are kept in silence',
    recorded: 'no warning',
    ufw: async (ufw) => {
      await said(ufw, 'allow', '80');
      const answer = await said(ufw, 'deny', '80/tcp');
      expect(answer.trim().split('\n')).toEqual(['Rules updated', 'Rules updated (v6)']);
      return '"Rules updated"';
    },
    moat: async (moat) => {
      await moat.ok('deny', '80/tcp');
      expect(await moat.ok('allow', '80')).toContain(
        'decides only where number 1, `deny 80/tcp`, does not match',
      );
      await moat.ok('allow', '53');
      expect(await moat.ok('deny', '53/udp')).toContain('never decides: number 3, `allow 53`');
      return 'warns in either order, and names both rules';
    },
  },
  {
    number: 'P3',
    what: 'all limit rules share one list of sources, which holds 100',
    recorded: '4 connections to 2222, then the second to 2223 is refused',
    ufw: async (ufw, ground) => {
      await said(ufw, 'limit', '2222/tcp');
      await said(ufw, 'limit', '2223/tcp');
      await said(ufw, '--force', 'enable');
      const first = opens(await dials(ground, 2222, 4));
      const second = opens(await dials(ground, 2223, 4));
      expect([first, second < 4]).toEqual([4, true]);
      return `${first} of 4 to 2222, then ${second} of 4 to 2223`;
    },
    moat: async (moat, ground) => {
      await moat.ok('limit', '2222/tcp');
      await moat.ok('limit', '2223/tcp');
      await sure(moat, 'enable');
      const first = opens(await dials(ground, 2222, 4));
      const second = opens(await dials(ground, 2223, 4));
      expect([first, second]).toEqual([4, 4]);
      expect(opens(await dials(ground, 2223, 8))).toBeLessThan(8);
      expect((await moat.ok('show', 'raw')).match(/size 65535/g)).toHaveLength(4);
      return `${first} of 4 to 2222, then ${second} of 4 to 2223; each rule has its own list, of 65,535`;
    },
  },
  {
    number: 'P26',
    what: '`allow in on any` is taken for an interface named "any"',
    recorded: 'accepted, never matches',
    ufw: async (ufw, ground) => {
      await said(ufw, 'allow', 'in', 'on', 'any', 'to', 'any', 'port', '80');
      await said(ufw, '--force', 'enable');
      const now = await reach(ground, 80);
      expect(now).toBe('timeout');
      return `accepted; port 80: ${now}`;
    },
    moat: async (moat) => {
      const refused = await moat.run('allow', 'in', 'on', 'any', 'to', 'any', 'port', '80');
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain('leave out `on any` to mean every interface');
      return 'refused, and says what to write instead';
    },
  },
  {
    number: 'P49',
    what: 'a mistyped interface is accepted and the rule is dead',
    recorded: 'accepted without a word',
    ufw: async (ufw, ground) => {
      const answer = await said(ufw, 'allow', 'in', 'on', 'etho', 'to', 'any', 'port', '80');
      await said(ufw, '--force', 'enable');
      const now = await reach(ground, 80);
      expect(answer).not.toMatch(/WARN|etho/);
      expect(now).toBe('timeout');
      return `accepted without a word; port 80: ${now}`;
    },
    moat: async (moat, ground) => {
      await sure(moat, 'enable');
      const answer = await moat.ok('allow', 'in', 'on', 'etho', 'to', 'any', 'port', '80');
      expect(answer).toContain('there is no interface etho now');
      expect(answer).toContain('did you mean `eth0`?');
      expect(await moat.ok('allow', 'in', 'on', 'eth0', 'to', 'any', 'port', '80')).not.toContain('WARNING');
      expect(await reach(ground, 80)).toBe('open');
      return 'accepted (it may come later), with a warning and the nearest name';
    },
  },
  {
    number: 'P27',
    what: 'IPv6 host bits are kept: `delete …::/64` does not find `…::77/64`',
    recorded: '"Could not delete non-existent rule"',
    ufw: async (ufw) => {
      await said(ufw, 'deny', 'from', '2001:db8:9::77/64');
      const answer = await said(ufw, 'delete', 'deny', 'from', '2001:db8:9::/64');
      expect(answer).toContain('Could not delete');
      return '"Could not delete non-existent rule", exit 0';
    },
    moat: async (moat) => {
      expect(await moat.ok('deny', 'from', '2001:db8:9::77/64')).toContain('normalised to `2001:db8:9::/64`');
      expect(await moat.ok('delete', 'deny', 'from', '2001:db8:9::/64')).toContain('Rule 1 deleted');
      return 'normalised, with a remark; deleted by either spelling';
    },
  },
  {
    number: 'P41',
    what: '`delete NUMBER` removes one family only',
    recorded: 'v6 stays open',
    ufw: async (ufw, ground) => {
      await said(ufw, 'allow', '80');
      await said(ufw, '--force', 'enable');
      await said(ufw, '--force', 'delete', '1');
      const now = await reach(ground, 80);
      expect(now).toBe('v4 timeout, v6 open');
      return now;
    },
    moat: async (moat, ground) => {
      await moat.ok('allow', '80');
      await sure(moat, 'enable');
      await sure(moat, 'delete', '1');
      expect(await reach(ground, 80)).toBe('timeout');
      return 'v4 timeout, v6 timeout';
    },
  },
  {
    number: 'P29',
    what: '`delete 2 3` deletes something else: numbers move, and more than one is ignored',
    recorded: '`delete 2`, `delete 3` remove old 2 and old 4; `delete 2 3` removes 2 only',
    ufw: async (ufw) => {
      for (const last of [1, 2, 3, 4, 5]) await said(ufw, 'allow', 'from', `192.0.2.${last}`);
      await said(ufw, '--force', 'enable');
      await said(ufw, '--force', 'delete', '2', '3');
      const left = [...(await said(ufw, 'status')).matchAll(/192\.0\.2\.(\d)/g)].map((match) => match[1]);
      expect(left).toEqual(['1', '3', '4', '5']);
      return `of 1 2 3 4 5 are left: ${left.join(' ')}`;
    },
    moat: async (moat) => {
      for (const last of [1, 2, 3, 4, 5]) await moat.ok('allow', 'from', `192.0.2.${last}`);
      await moat.ok('delete', '2', '3');
      const left = [...(await moat.ok('show', 'added')).matchAll(/192\.0\.2\.(\d)/g)].map(
        (match) => match[1],
      );
      expect(left).toEqual(['1', '4', '5']);
      return `of 1 2 3 4 5 are left: ${left.join(' ')}`;
    },
  },
  {
    number: 'P44',
    what: 'with IPV6=no, deleting a rule leaves its IPv6 half in the files',
    recorded: 'comes back with IPV6=yes',
    ufw: async (ufw) => {
      await said(ufw, 'allow', '80');
      await setIpv6(ufw, 'no');
      await said(ufw, 'delete', 'allow', '80');
      const left = await ufw.run('grep', ['-c', '^### tuple', '/etc/ufw/user6.rules']);
      await setIpv6(ufw, 'yes');
      expect(left.stdout.trim()).toBe('1');
      return 'the v6 rule stays in user6.rules';
    },
    moat: async (moat, ground) => {
      await moat.ok('allow', '80');
      await sure(moat, 'enable');
      await sure(moat, 'delete', 'allow', '80');
      expect(await moat.ok('show', 'raw')).not.toMatch(/\b80\b/);
      expect(await reach(ground, 80)).toBe('timeout');
      return 'one sentence, both families: gone from both';
    },
  },
  {
    number: 'P47',
    what: '`allow from 10.9.0.2/0`, a slip for /32, opens everything to everyone',
    recorded: 'opened, with a warning only',
    ufw: async (ufw, ground) => {
      await said(ufw, '--force', 'enable');
      await said(ufw, 'allow', 'from', '10.9.0.2/0');
      const now = await reach(ground, 3306);
      expect(now).toBe('v4 open, v6 timeout');
      return `3306: ${now}`;
    },
    moat: async (moat, ground) => {
      await sure(moat, 'enable');
      const refused = await moat.run('allow', 'from', '10.9.0.2/0');
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain('10.9.0.2/32');
      expect(await reach(ground, 3306)).toBe('timeout');
      return 'refused; says to write /32, or 0.0.0.0/0 if that is meant';
    },
  },
  {
    number: 'messages',
    what: "tracebacks and lost messages: `--force` alone, `ROUTE allow 80`, a `'` in a comment",
    recorded: 'two Python tracebacks; "Invalid syntax" and the whole usage',
    ufw: async (ufw) => {
      const answers = await Promise.all([ufw.ufw(['--force']), ufw.ufw(['ROUTE', 'allow', '80'])]);
      const traces = answers.filter((answer) => output(answer).includes('Traceback')).length;
      expect(traces).toBe(2);
      const quote = await ufw.ufw(['allow', '80', 'comment', "the admin's"]);
      expect(output(quote)).toContain('Invalid syntax');
      return `${traces} tracebacks; "Invalid syntax" for a quote in a comment`;
    },
    moat: async (moat) => {
      for (const words of [
        ['--froce'],
        ['ROUTE', 'allow', '80'],
        ['alow', '80'],
        ['allow', '80/tpc'],
        ['delete', '22'],
      ]) {
        const refused = await moat.run(...words);
        expect(refused).toMatchObject({ code: 2, stdout: '' });
        expect(refused.stderr).toMatch(/\n {2}moat .*\n +\^+\n {2}expected: .+/);
        expect(refused.stderr).not.toMatch(/ at .*:\d+:\d+\)/);
      }
      await moat.ok('allow', '80', 'comment', "the admin's");
      expect(await moat.ok('status', 'numbered')).toContain("# the admin's");
      return 'each mistake with a caret, what was expected and what to do';
    },
  },
];

async function setIpv6(ufw: Parameters<NonNullable<Defect['ufw']>>[0], value: 'yes' | 'no'): Promise<void> {
  // The file is a mount point of its own, which cannot be renamed over.
  const script = `sed 's/^IPV6=.*/IPV6=${value}/' /etc/default/ufw > /run/ufw-default; cat /run/ufw-default > /etc/default/ufw`;
  await ufw.run('sh', ['-ec', script]);
}
