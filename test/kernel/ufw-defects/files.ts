// Defects of files: a disk that is full, a writer that is killed, two at once, a mistake in a file, a dry run.
import { readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { MOAT_PROGRAM, type Moat } from '../../../lab/moat.ts';
import type { Ufw } from '../../../lab/ufw.ts';
import { pause } from '../../../lab/waiting.ts';
import { type Defect, type Ground, output, reach, said, sure } from './defect.ts';

/** Every file under moat's root with its contents. */
function filesOf(moat: Moat): Record<string, string> {
  const names = readdirSync(moat.root, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => statSync(join(moat.root, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(moat.root, name), 'utf8')]));
}

const ruleset = (ground: Ground): Promise<string> => ground.network.server.output('nft', ['list', 'ruleset']);

/** So many rules as ufw itself would have stored them. */
async function fillUfw(ufw: Ufw, count: number): Promise<void> {
  for (const [file, chain, any] of [
    ['user.rules', 'ufw-user-input', '0.0.0.0/0'],
    ['user6.rules', 'ufw6-user-input', '::/0'],
  ] as const) {
    const text = await readFile(join(ufw.etc, file), 'utf8');
    const rules = Array.from(
      { length: count },
      (_, i) =>
        `\n### tuple ### allow tcp ${10_000 + i} ${any} any ${any} in\n-A ${chain} -p tcp --dport ${10_000 + i} -j ACCEPT\n`,
    );
    await writeFile(join(ufw.etc, file), text.replace('### RULES ###\n', `### RULES ###\n${rules.join('')}`));
  }
}

const ufwRules = async (ufw: Ufw): Promise<string> => readFile(join(ufw.etc, 'user.rules'), 'utf8');
const tuples = (text: string): number => text.match(/^### tuple ###/gm)?.length ?? 0;

/** Leaves no byte free on the file system that holds `folder`. */
const fill = (folder: string): string[] => ['-c', `cat /dev/zero > ${folder}/filler 2>/dev/null; true`];

export const FILE_DEFECTS: readonly Defect[] = [
  {
    number: 'P45',
    what: '`allow 0080/tcp` is accepted; the next load fails and closes ssh',
    recorded: 'accepted; ssh closed at the next reload or boot',
    ufw: async (ufw, ground) => {
      await said(ufw, 'allow', '22');
      await said(ufw, '--force', 'enable');
      const accepted = await ufw.ufw(['allow', '0080/tcp']);
      expect(accepted.code).toBe(0);
      expect(await reach(ground, 22)).toBe('open');
      await ufw.ufw(['reload']);
      const after = await reach(ground, 22);
      expect(after).toBe('timeout');
      return `accepted; port 22 after reload: ${after}`;
    },
    moat: async (moat, ground) => {
      await moat.ok('allow', '22');
      await sure(moat, 'enable');
      const before = filesOf(moat);
      const refused = await moat.run('allow', '0080/tcp');
      expect(refused).toMatchObject({ code: 2, stdout: '' });
      expect(refused.stderr).toContain('without leading zeros');
      expect(filesOf(moat)).toEqual(before);
      await moat.ok('reload');
      expect(await reach(ground, 22)).toBe('open');
      return 'refused with the place and what was expected; port 22 after reload: open';
    },
  },
  {
    number: 'P34',
    what: 'a full disk: half a rules file, and success reported',
    recorded: '"Rules updated", file without COMMIT; ssh closed at the next enable',
    ufw: async (ufw, ground) => {
      await said(ufw, 'allow', '22');
      await fillUfw(ufw, 65);
      await ufw.run('sh', [
        '-ec',
        'cp -a /etc/ufw /tmp/ufw-full.$$; mount -t tmpfs -o size=128k tmpfs /etc/ufw; cp -a /tmp/ufw-full.$$/. /etc/ufw; rm -r /tmp/ufw-full.$$',
      ]);
      await ufw.run('sh', fill('/etc/ufw'));
      const added = await ufw.ufw(['allow', '4444/tcp', 'comment', 'x'.repeat(4000)]);
      expect(added.code).toBe(0);
      const commits = await ufw.run('grep', ['-c', '^COMMIT', '/etc/ufw/user.rules']);
      expect(commits.stdout.trim()).toBe('0');
      await ufw.run('rm', ['/etc/ufw/filler']);
      await ufw.ufw(['--force', 'enable']);
      const after = await reach(ground, 22);
      expect(after).toContain('timeout');
      await ufw.run('umount', ['/etc/ufw']);
      return `"${added.stdout.split('\n')[0]}", file cut off; after enable port 22: ${after}`;
    },
    moat: async (moat, ground) => {
      await ground.network.server.output('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', moat.root]);
      try {
        await moat.ok('allow', '22');
        await sure(moat, 'enable');
        const policy = await readFile(moat.policy, 'utf8');
        await ground.network.server.run('sh', fill(moat.root));
        const refused = await moat.run('allow', '80', 'comment', 'x'.repeat(4000));
        expect(refused.code).toBe(1);
        expect(refused.stderr).toContain('ENOSPC');
        expect(await readFile(moat.policy, 'utf8')).toBe(policy);
        expect(await reach(ground, 80)).toBe('timeout');
        expect(await reach(ground, 22)).toBe('open');
        await ground.network.server.output('rm', [join(moat.root, 'filler')]);
        await moat.ok('allow', '80');
        expect(await reach(ground, 80)).toBe('open');
      } finally {
        await ground.network.server.run('umount', [moat.root]);
      }
      return 'refused (exit 1), file and rules as before; works again when there is room';
    },
  },
  {
    number: 'P24',
    what: 'killed while writing: the rules file is empty',
    recorded: 'empty after 51 of 60 kills; then 2,000 rules gone without a warning',
    ufw: async (ufw) => {
      await fillUfw(ufw, 2000);
      const whole = await ufwRules(ufw);
      let torn = 0;
      let tries = 0;
      while (torn === 0 && ++tries <= 10) {
        await writeFile(join(ufw.etc, 'user.rules'), whole);
        torn += (await killedAtFirstWrite(ufw)) ? 1 : 0;
      }
      return torn > 0
        ? `file cut off or empty after ${tries} kill${tries === 1 ? '' : 's'}`
        : 'empty after 51 of 60 kills (recorded; not hit this time)';
    },
    moat: async (moat, ground) => {
      await moat.ok('allow', '22');
      await sure(moat, 'enable');
      const { server } = ground.network;
      for (let round = 0; round < 8; round++) {
        const before = await readFile(moat.policy, 'utf8');
        const child = server.spawn(process.execPath, [MOAT_PROGRAM, 'allow', `${5000 + round}`], {
          env: moat.env,
        });
        const ended = new Promise((resolve) => child.on('close', resolve));
        await pause(60 + round * 25);
        child.kill('SIGKILL');
        await ended;
        const after = await readFile(moat.policy, 'utf8');
        expect([before, `${before}allow ${5000 + round}\n`]).toContain(after);
      }
      await moat.ok('reload', '--confirm', '0');
      expect(await reach(ground, 22)).toBe('open');
      expect(await reach(ground, 3306)).toBe('timeout');
      return 'file whole after each of 8 kills, the old one or the new one; next command works';
    },
  },
  {
    number: 'P13',
    what: '16 commands at once: all but one of the rules are lost',
    recorded: '1 of 16 rules kept',
    ufw: async (ufw) => {
      await said(ufw, '--force', 'enable');
      const ports = Array.from({ length: 16 }, (_, i) => 7001 + i);
      const results = await Promise.all(ports.map((port) => ufw.ufw(['allow', `${port}/tcp`])));
      expect(results.every(({ code }) => code === 0)).toBe(true);
      const kept = tuples(await ufwRules(ufw));
      expect(kept).toBeLessThan(16);
      return `${kept} of 16 rules kept, all reported as added`;
    },
    moat: async (moat) => {
      await sure(moat, 'enable');
      const ports = Array.from({ length: 16 }, (_, i) => 7001 + i);
      await Promise.all(ports.map((port) => moat.ok('allow', `${port}/tcp`)));
      const added = (await moat.ok('show', 'added')).trim().split('\n').sort();
      expect(added).toEqual(ports.map((port) => `moat allow ${port}/tcp`));
      return '16 of 16 rules kept';
    },
  },
  {
    number: 'P7/P8',
    what: 'a mistake in a rules file: loopback and replies dead, switched off for boot, and "active"',
    recorded: 'policy DROP, no loopback, ENABLED=no, status says active',
    ufw: async (ufw, ground) => {
      await said(ufw, 'allow', '22');
      await said(ufw, '--force', 'enable');
      const file = join(ufw.etc, 'before.rules');
      await writeFile(file, (await readFile(file, 'utf8')).replace('COMMIT\n', 'nonsense\nCOMMIT\n'));
      expect((await ufw.ufw(['reload'])).code).not.toBe(0);
      const { server, network } = ground;
      const loopback = (await server.dial('127.0.0.1', 3306, { timeoutMs: 300 })).result;
      const outgoing = (await server.dial(network.third.addresses.v4, 22, { timeoutMs: 300 })).result;
      expect([loopback, outgoing]).toEqual(['timeout', 'timeout']);
      expect(await readFile(join(ufw.etc, 'ufw.conf'), 'utf8')).toContain('ENABLED=no');
      expect(await said(ufw, 'status')).toContain('Status: active');
      return 'loopback: timeout, connections out: timeout, ENABLED=no, "Status: active"';
    },
    moat: async (moat, ground) => {
      await moat.ok('allow', '22');
      await sure(moat, 'enable');
      const rules = await ruleset(ground);
      await appendFile(moat.policy, 'allow 0443\nnonsense\n');
      const lines = (await readFile(moat.policy, 'utf8')).trimEnd().split('\n').length;
      for (const verb of ['reload', 'enable']) {
        const refused = await moat.run(verb);
        expect(refused.code, verb).toBe(2);
        expect(refused.stderr).toContain(`policy:${lines - 1}:7: bad port`);
        expect(refused.stderr).toContain(`policy:${lines}:1: unknown word`);
      }
      expect(await moat.ok('status')).toMatch(/22 +ALLOW[\s\S]*was edited, has mistakes and is not in force/);
      expect((await moat.run('allow', '80')).code).toBe(2);
      expect(await ruleset(ground)).toBe(rules);
      expect(await reach(ground, 22)).toBe('open');
      expect((await ground.server.dial('127.0.0.1', 3306, { timeoutMs: 300 })).result).toBe('open');
      return 'refused (exit 2), every mistake with file:line:column; rules in force as before';
    },
  },
  {
    number: 'P39/P40',
    what: 'dry runs write: `--dry-run reset` deletes all rules, `enable` and `logging` change settings',
    recorded: 'rules gone, ENABLED changed, level changed',
    ufw: async (ufw) => {
      await said(ufw, 'allow', '22');
      await ufw.ufw(['--dry-run', 'logging', 'high']);
      await ufw.ufw(['--dry-run', 'enable']);
      const conf = await readFile(join(ufw.etc, 'ufw.conf'), 'utf8');
      expect(conf).toContain('LOGLEVEL=high');
      expect(conf).toContain('ENABLED=yes');
      await ufw.ufw(['--dry-run', '--force', 'reset']);
      const left = tuples(await ufwRules(ufw));
      expect(left).toBe(0);
      return `LOGLEVEL=high, ENABLED=yes and ${left} of 1 rules after three dry runs`;
    },
    moat: async (moat, ground) => {
      const dry = async (active: boolean) => {
        const before = [filesOf(moat), await ruleset(ground)];
        for (const words of [
          ['reset', '--yes'],
          ['enable'],
          ['disable'],
          ['reload'],
          ['logging', 'high'],
          ['default', 'allow', 'incoming'],
          ['allow', '80'],
          ['insert', '1', 'deny', '80'],
          ['delete', '1'],
          ['group', 'blog', '203.0.113.7'],
        ]) {
          const result = await moat.run('--dry-run', ...words);
          expect(result.code, `${words.join(' ')} while ${active ? 'active' : 'inactive'}`).toBe(0);
          expect([filesOf(moat), await ruleset(ground)]).toEqual(before);
        }
      };
      await moat.ok('allow', '22');
      await dry(false);
      await sure(moat, 'enable');
      await dry(true);
      return 'not a byte written and no rule changed by 20 dry runs';
    },
  },
  {
    number: 'P46',
    what: 'after `--dry-run enable` other commands fail',
    recorded: '`ERROR: problem running`',
    ufw: async (ufw) => {
      await ufw.ufw(['--dry-run', 'enable']);
      const result = await ufw.ufw(['allow', '80']);
      expect(result.code).toBe(1);
      return `\`allow 80\`: ${
        output(result)
          .split('\n')
          .find((line) => line.includes('ERROR')) ?? ''
      }`;
    },
    moat: async (moat) => {
      await moat.ok('--dry-run', 'enable');
      expect(await moat.ok('allow', '80')).toContain('Rule 1 added');
      return '`allow 80`: Rule 1 added';
    },
  },
  {
    number: 'P19',
    what: 'rules written into the file by hand are lost at the next command',
    recorded: 'lost',
    ufw: async (ufw) => {
      const text = await ufwRules(ufw);
      const rule = '-A ufw-user-input -p tcp --dport 8443 -j ACCEPT\n';
      await writeFile(join(ufw.etc, 'user.rules'), text.replace('### RULES ###\n', `### RULES ###\n${rule}`));
      await said(ufw, 'allow', '22');
      expect(await ufwRules(ufw)).not.toContain('8443');
      return 'lost without a word';
    },
    moat: async (moat) => {
      await moat.ok('allow', '22');
      const text = `# mine\n\n${await readFile(moat.policy, 'utf8')}allow   8443/tcp   # by hand\n`;
      await writeFile(moat.policy, text);
      await moat.ok('allow', '80');
      expect(await readFile(moat.policy, 'utf8')).toBe(`${text}allow 80\n`);
      return 'kept, with every blank and remark';
    },
  },
  {
    number: 'P42',
    what: '`default` rewrites comments in after.rules',
    recorded: 'rewritten',
    ufw: async (ufw) => {
      const file = join(ufw.etc, 'after.rules');
      await appendFile(file, '# why -j REJECT and not [UFW BLOCK] here: see the wiki\n');
      const before = await readFile(file, 'utf8');
      await said(ufw, 'default', 'allow', 'incoming');
      const after = await readFile(file, 'utf8');
      expect(after).not.toBe(before);
      return `the remark became: ${after.trimEnd().split('\n').at(-1)}`;
    },
    moat: async (moat) => {
      await moat.ok('allow', '22');
      const text = '# default deny incoming would be better\n\n#default deny outgoing\nallow 22   # ssh\n';
      await writeFile(moat.policy, text);
      await moat.ok('default', 'allow', 'incoming');
      const after = await readFile(moat.policy, 'utf8');
      expect(after).toContain('\ndefault allow incoming\n');
      expect(after.replace('default allow incoming\n', '')).toBe(text);
      return 'every other byte of the file stays';
    },
  },
  {
    number: 'P11',
    what: '`reset` keeps default policies and the log level',
    recorded: 'kept',
    ufw: async (ufw) => {
      await said(ufw, 'default', 'allow', 'incoming');
      await said(ufw, 'logging', 'full');
      await said(ufw, '--force', 'reset');
      await said(ufw, '--force', 'enable');
      const status = await said(ufw, 'status', 'verbose');
      expect(status).toContain('allow (incoming)');
      expect(status).toContain('on (full)');
      return 'allow (incoming) and logging full survive';
    },
    moat: async (moat) => {
      await moat.ok('default', 'allow', 'incoming');
      await moat.ok('logging', 'full');
      const old = await readFile(moat.policy, 'utf8');
      const backup = /The old one is (\S+);/.exec(await moat.ok('reset', '--yes'))![1]!;
      expect(await readFile(backup, 'utf8')).toBe(old);
      expect(await moat.ok('status', 'verbose')).toMatch(/on \(low\)\nDefault: deny \(incoming\)/);
      await moat.ok('reset', '--yes');
      await moat.ok('reset', '--yes');
      return 'everything as at first; the old file is kept, also twice in a second';
    },
  },
  {
    number: 'P12',
    what: '`enable` on a running firewall loads nothing, though its manual says so',
    recorded: 'loads nothing',
    ufw: async (ufw, ground) => {
      await said(ufw, 'allow', '22');
      await said(ufw, '--force', 'enable');
      const file = join(ufw.etc, 'user.rules');
      await writeFile(file, (await ufwRules(ufw)).replace('--dport 22 -j ACCEPT', '--dport 3306 -j ACCEPT'));
      await said(ufw, '--force', 'enable');
      const after = await reach(ground, 3306);
      expect(after).toBe('timeout');
      return `"Firewall is active", the edited file is not loaded (3306: ${after})`;
    },
    moat: async (moat, ground) => {
      await moat.ok('allow', '22');
      await sure(moat, 'enable');
      await appendFile(moat.policy, 'allow 3306/tcp\n');
      expect(await moat.ok('status')).toContain('was edited and is not in force: moat reload');
      await sure(moat, 'enable');
      expect(await reach(ground, 3306)).toBe('open');
      return 'loads the edited file (3306: open); until then status says that it is not in force';
    },
  },
  {
    number: 'P48',
    what: 'a comment with line breaks forges lines of `status`',
    recorded: 'forged',
    ufw: async (ufw) => {
      const forged = '22                         DENY        Anywhere';
      await said(ufw, '--force', 'enable');
      await said(ufw, 'allow', '80/tcp', 'comment', `web\n${forged}`);
      expect((await said(ufw, 'status')).split('\n')).toContain(forged);
      return 'accepted; status shows the forged line';
    },
    moat: async (moat) => {
      for (const comment of ['web\n22 DENY Anywhere', 'a\u001b[2Kb', 'a\u202eb', 'a\u2028b']) {
        const refused = await moat.run('allow', '80/tcp', 'comment', comment);
        expect(refused).toMatchObject({ code: 2, stdout: '' });
        expect(refused.stderr).not.toContain(comment);
      }
      expect(await moat.ok('show', 'added')).toBe('(none)\n');
      return 'refused, and so are escape codes and characters that turn the text around';
    },
  },
];

/** Whether `ufw allow`, killed as soon as it touches its file, leaves a file that is not whole. */
async function killedAtFirstWrite(ufw: Ufw): Promise<boolean> {
  const file = join(ufw.etc, 'user.rules');
  const stop = new AbortController();
  let pid: number | undefined;
  const watcher = watch(ufw.etc, { signal: stop.signal }, (_, name) => {
    if (name === 'user.rules' && pid !== undefined) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It had ended before.
      }
    }
  });
  watcher.on('error', () => {});
  // The shell becomes ufw, so that the number it tells is ufw's.
  const running = ufw.run('sh', ['-c', 'echo $$ > /run/ufw-pid; exec ufw allow 4444/tcp']);
  for (let tries = 0; pid === undefined && tries < 200; tries++) {
    await pause(5);
    const text = await readFile('/run/ufw-pid', 'utf8').catch(() => '');
    if (text.endsWith('\n')) pid = Number(text);
  }
  await running;
  stop.abort();
  await writeFile('/run/ufw-pid', '');
  return !/^COMMIT$/m.test(await readFile(file, 'utf8'));
}
