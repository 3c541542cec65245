// Defects of the running machine: windows, others' rules, locks, prompts, and lying about the kernel.
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { MOAT_PROGRAM } from '../../../lab/moat.ts';
import type { Ufw } from '../../../lab/ufw.ts';
import { eventually, pause } from '../../../lab/waiting.ts';
import { type Defect, type Ground, insideOf, output, reach, said, sure } from './defect.ts';

/** How often a port that is closed answered during the work, of how many attempts. */
async function leaks(ground: Ground, work: () => Promise<unknown>): Promise<{ open: number; of: number }> {
  const { v4, v6 } = ground.network.server.addresses;
  const targets = [v4, v6].map((host) => ({ name: host, host, port: 3306 }));
  const prober = await ground.outside.prober(targets, { everyMs: 5, timeoutMs: 200 });
  await pause(50);
  await work();
  const counts = (await prober.stop()).map((report) => report.counts);
  const open = counts.reduce((sum, count) => sum + count.open, 0);
  return {
    open,
    of: counts.reduce(
      (sum, { open, refused, timeout, unreachable }) => sum + open + refused + timeout + unreachable,
      0,
    ),
  };
}

/** Everybody's iptables rules, without counters and dates. */
async function iptables({ network }: Ground): Promise<string> {
  const [v4, v6] = await Promise.all([
    network.server.output('iptables-save'),
    network.server.output('ip6tables-save'),
  ]);
  return (v4 + v6).replaceAll(/^#.*\n|\[\d+:\d+\]/gm, '');
}

const serverOutput = ({ network }: Ground, command: string, ...args: string[]): Promise<string> =>
  network.server.output(command, args);

/** As Docker does it: DNAT before the input hook, and an accept at the head of FORWARD. To the third machine. */
async function publishLikeDocker(ground: Ground): Promise<() => Promise<void>> {
  const { v4 } = ground.network.third.addresses;
  const stop = await ground.third.serve(8080);
  await serverOutput(
    ground,
    'iptables',
    '-t',
    'nat',
    '-A',
    'PREROUTING',
    '-p',
    'tcp',
    '--dport',
    '8088',
    '-j',
    'DNAT',
    '--to-destination',
    `${v4}:8080`,
  );
  await serverOutput(
    ground,
    'iptables',
    '-t',
    'nat',
    '-A',
    'POSTROUTING',
    '-p',
    'tcp',
    '--dport',
    '8080',
    '-j',
    'MASQUERADE',
  );
  await serverOutput(
    ground,
    'iptables',
    '-I',
    'FORWARD',
    '-p',
    'tcp',
    '-d',
    v4,
    '--dport',
    '8080',
    '-j',
    'ACCEPT',
  );
  await serverOutput(
    ground,
    'iptables',
    '-I',
    'FORWARD',
    '-m',
    'conntrack',
    '--ctstate',
    'ESTABLISHED',
    '-j',
    'ACCEPT',
  );
  return stop;
}

const dial8088 = async ({ outside, network }: Ground): Promise<string> =>
  (await outside.dial(network.server.addresses.v4, 8088, { timeoutMs: 300 })).result;

export const MACHINE_DEFECTS: readonly Defect[] = [
  {
    number: 'P22',
    what: '`reload` and `default` leave the host open for a while',
    recorded: '0.73–0.80 s, 330–350 connections to a denied port',
    ufw: async (ufw, ground) => {
      await said(ufw, 'allow', '22');
      await said(ufw, '--force', 'enable');
      const { open, of } = await leaks(ground, () => said(ufw, 'reload'));
      expect(open).toBeGreaterThan(0);
      return `${open} of ${of} connections to a closed port got in`;
    },
    moat: async (moat, ground) => {
      await moat.ok('allow', '22');
      await sure(moat, 'enable');
      const { open, of } = await leaks(ground, async () => {
        for (const traffic of ['routed', 'outgoing'] as const) await sure(moat, 'default', 'reject', traffic);
        for (const traffic of ['routed', 'outgoing'] as const) await sure(moat, 'default', 'allow', traffic);
        await sure(moat, 'default', 'reject', 'incoming');
        await sure(moat, 'default', 'deny', 'incoming');
        await sure(moat, 'reload');
        await sure(moat, 'enable');
      });
      expect(of).toBeGreaterThan(100);
      expect(open).toBe(0);
      return `${open} of ${of}`;
    },
  },
  {
    number: 'P15',
    what: 'a published container port stays open in spite of `deny`',
    recorded: 'open after `deny 8088` and after `route deny`',
    ufw: async (ufw, ground) => {
      const stop = await publishLikeDocker(ground);
      await said(ufw, 'allow', '22');
      await said(ufw, '--force', 'enable');
      // As after a restart of the engine, which puts its rules first again.
      await serverOutput(ground, 'iptables', '-I', 'FORWARD', '-p', 'tcp', '--dport', '8080', '-j', 'ACCEPT');
      await said(ufw, 'deny', '8088');
      const now = await dial8088(ground);
      await stop();
      expect(now).toBe('open');
      return `${now} (chains as Docker makes them)`;
    },
    moat: async (moat, ground) => {
      const stop = await publishLikeDocker(ground);
      const before = await iptables(ground);
      expect(await dial8088(ground)).toBe('open');
      await moat.ok('allow', '22');
      await sure(moat, 'enable');
      expect(await dial8088(ground)).toBe('timeout');
      await moat.ok('allow', '8088');
      expect(await dial8088(ground)).toBe('open');
      await sure(moat, 'deny', '8088');
      expect(await dial8088(ground)).toBe('timeout');
      expect(await iptables(ground)).toBe(before);
      await stop();
      return 'closed unless allowed; with a real engine in test/docker/story.test.ts';
    },
  },
  {
    number: 'P9',
    what: '`status` looks at files: "active, deny" while the rules are gone',
    recorded: 'still active, deny (incoming); 3306 open',
    ufw: async (ufw, ground) => {
      await said(ufw, 'allow', '22');
      await said(ufw, '--force', 'enable');
      await serverOutput(ground, 'sh', '-c', 'iptables -F INPUT; iptables -P INPUT ACCEPT');
      const status = await said(ufw, 'status', 'verbose');
      const now = await reach(ground, 3306);
      expect(status).toMatch(/Status: active[\s\S]*deny \(incoming\)/);
      expect(now).toBe('v4 open, v6 timeout');
      return `"active", "deny (incoming)"; 3306: ${now}`;
    },
    moat: async (moat, ground) => {
      await moat.ok('allow', '22');
      await sure(moat, 'enable');
      // Another's accept opens nothing, since a drop of ours is final.
      await serverOutput(
        ground,
        'sh',
        '-c',
        'iptables -I INPUT -j ACCEPT; iptables -F INPUT; iptables -P INPUT ACCEPT',
      );
      expect(await reach(ground, 3306)).toBe('timeout');
      expect(await moat.ok('status')).not.toContain('note:');
      // A rule of ours more, then one less, then none at all.
      await serverOutput(
        ground,
        'nft',
        'insert',
        'rule',
        'inet',
        'moat',
        'incoming',
        'tcp',
        'dport',
        '3306',
        'accept',
      );
      expect(await reach(ground, 3306)).toBe('open');
      expect(await moat.ok('status')).toContain('not those of the policy (chain incoming)');
      await sure(moat, 'reload');
      expect(await reach(ground, 3306)).toBe('timeout');
      expect(await moat.ok('status')).not.toContain('note:');
      await serverOutput(ground, 'nft', 'flush', 'chain', 'inet', 'moat', 'prerouting');
      expect(JSON.parse(await moat.ok('status', '--json'))).toMatchObject({
        active: true,
        drifted: ['chain prerouting'],
      });
      await serverOutput(ground, 'nft', 'delete', 'table', 'inet', 'moat');
      expect(await moat.ok('status')).toMatch(
        /Status: inactive[\s\S]*its rules are not in the kernel: moat reload/,
      );
      await sure(moat, 'reload');
      expect(await reach(ground, 3306)).toBe('timeout');
      return 'names the chain that was changed, says "inactive" when the table is gone; reload restores';
    },
  },
  {
    number: 'P10',
    what: 'the kernel refuses the rule, the command reports success',
    recorded: '"Rule added", exit 0',
    ufw: async (ufw) => {
      await said(ufw, '--force', 'enable');
      await refuseInIptables(ufw, '4444');
      const result = await ufw.ufw(['allow', '4444/tcp']);
      expect(result.code).toBe(0);
      expect(result.stdout).toContain('Rule added');
      return '"Rule added", exit 0';
    },
    moat: async (moat, ground) => {
      await moat.ok('allow', '22');
      await sure(moat, 'enable');
      const bin = join(moat.root, 'bin');
      await mkdir(bin);
      const nft = (await serverOutput(ground, 'sh', '-c', 'command -v nft')).trim();
      // An nft that fails to load, and lists as ever.
      await writeFile(
        join(bin, 'nft'),
        `#!/bin/sh\ncase "$*" in *list*) exec ${nft} "$@";; esac\necho 'Error: Could not process rule: No such file or directory' >&2; exit 1\n`,
      );
      await chmod(join(bin, 'nft'), 0o755);
      const policy = await readFile(moat.policy, 'utf8');
      const env = { ...moat.env, PATH: `${bin}:${process.env['PATH']}` };
      const refused = await ground.network.server.run(process.execPath, [MOAT_PROGRAM, 'allow', '80'], {
        env,
      });
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain('Could not process rule');
      expect(await readFile(moat.policy, 'utf8')).toBe(policy);
      expect(await reach(ground, 80)).toBe('timeout');
      return "nft's message, exit 1; policy file and rules as before";
    },
  },
  {
    number: 'P17',
    what: 'IPV6=no drops all IPv6 and replaces the whole IPv6 filter table, rules of others too',
    recorded: 'all IPv6 dropped both ways',
    ufw: async (ufw, ground) => {
      await serverOutput(
        ground,
        'ip6tables',
        '-A',
        'FORWARD',
        '-m',
        'comment',
        '--comment',
        'of-another',
        '-j',
        'ACCEPT',
      );
      await said(ufw, 'allow', '22');
      await ufw.run('sh', [
        '-ec',
        "sed 's/^IPV6=.*/IPV6=no/' /etc/default/ufw > /run/d; cat /run/d > /etc/default/ufw",
      ]);
      await said(ufw, '--force', 'enable');
      const now = await reach(ground, 22);
      expect(now).toBe('v4 open, v6 timeout');
      const others = (await serverOutput(ground, 'ip6tables-save')).includes('of-another');
      expect(others).toBe(false);
      return `port 22: ${now}; another's IPv6 rule is gone`;
    },
    moat: async (moat, ground) => {
      await serverOutput(
        ground,
        'ip6tables',
        '-A',
        'FORWARD',
        '-m',
        'comment',
        '--comment',
        'of-another',
        '-j',
        'ACCEPT',
      );
      await moat.ok('allow', '22');
      await sure(moat, 'enable');
      expect([await reach(ground, 22), await reach(ground, 3306)]).toEqual(['open', 'timeout']);
      expect(await serverOutput(ground, 'ip6tables-save')).toContain('of-another');
      await moat.ok('disable');
      expect(await serverOutput(ground, 'ip6tables-save')).toContain('of-another');
      return 'no such mode: every sentence holds for both; rules of others stay';
    },
  },
  {
    number: 'P25',
    what: '`disable` opens what others had closed: all policies to ACCEPT',
    recorded: "others' DROP becomes ACCEPT",
    ufw: async (ufw, ground) => {
      await said(ufw, '--force', 'enable');
      await serverOutput(ground, 'iptables', '-P', 'FORWARD', 'DROP');
      await said(ufw, 'disable');
      const after = await iptables(ground);
      expect(after).toContain(':FORWARD ACCEPT');
      return 'FORWARD DROP became ACCEPT, and empty ufw chains stay behind';
    },
    moat: async (moat, ground) => {
      await serverOutput(
        ground,
        'sh',
        '-c',
        'iptables -P FORWARD DROP; iptables -A INPUT -p tcp --dport 9 -j DROP; ip6tables -P FORWARD DROP',
      );
      const before = await iptables(ground);
      await moat.ok('allow', '22');
      await sure(moat, 'enable');
      expect(await iptables(ground)).toBe(before);
      await moat.ok('disable');
      expect(await iptables(ground)).toBe(before);
      expect(await serverOutput(ground, 'nft', 'list', 'tables')).not.toContain('moat');
      return 'iptables-save is the same before, during and after; nothing stays behind';
    },
  },
  {
    number: 'P38',
    what: 'a prompt that waits blocks every other command, `status` too, for ever',
    recorded: 'blocked for ever',
    ufw: async (ufw, ground) => {
      await said(ufw, 'allow', '22');
      await said(ufw, '--force', 'enable');
      // A terminal that nobody answers at.
      const asking = ground.network.server.spawn('sh', [
        '-c',
        'sleep 4 | "$@"',
        'sh',
        ...(await insideOf(ufw)),
        'ufw',
        'reset',
      ]);
      await pause(700);
      const begun = performance.now();
      const status = await ufw.run('timeout', ['2', 'ufw', 'allow', '80']);
      const waited = performance.now() - begun;
      asking.kill('SIGTERM');
      await new Promise((resolve) => asking.on('close', resolve));
      expect(status.code).toBe(124);
      return `\`allow 80\` still hangs after ${(waited / 1000).toFixed(0)} s`;
    },
    moat: async (moat, ground) => {
      await moat.ok('allow', '22');
      await sure(moat, 'enable');
      const command = `${process.execPath} ${MOAT_PROGRAM} reset`;
      const asking = ground.network.server.spawn('script', ['-qec', command, '/dev/null'], { env: moat.env });
      let shown = '';
      asking.stdout.on('data', (data: Buffer) => {
        shown += data.toString();
      });
      expect(await eventually(5000, async () => shown.includes('(y|n)?'))).toBe(true);
      const begun = performance.now();
      await moat.ok('allow', '80');
      await moat.ok('status');
      const waited = performance.now() - begun;
      expect(await reach(ground, 80)).toBe('open');
      const ended = new Promise((resolve) => asking.on('close', resolve));
      asking.stdin.write('n\n');
      await ended;
      expect(shown).toContain('Nothing was changed');
      expect(await reach(ground, 22)).toBe('open');
      expect(waited).toBeLessThan(5000);
      return 'nobody waits: the question is asked before the lock, and only at a terminal';
    },
  },
  {
    number: 'P16',
    what: '`default deny outgoing` stops ping, and no command can allow it',
    recorded: '"Operation not permitted"',
    ufw: async (ufw, ground) => {
      const { v4 } = ground.network.third.addresses;
      await serverOutput(ground, 'busybox', 'ping', '-c1', '-W1', v4);
      await said(ufw, 'default', 'deny', 'outgoing');
      await said(ufw, '--force', 'enable');
      const ping = await ground.network.server.run('busybox', ['ping', '-c1', '-W1', v4]);
      expect(ping.code).not.toBe(0);
      return 'no answer';
    },
    moat: async (moat, ground) => {
      await moat.ok('default', 'deny', 'outgoing');
      await sure(moat, 'enable');
      for (const address of Object.values(ground.network.third.addresses)) {
        await serverOutput(ground, 'busybox', 'ping', '-c1', '-W1', address);
        expect((await ground.server.dial(address, 8080, { timeoutMs: 300 })).result).toBe('timeout');
      }
      return 'ping works over v4 and v6 (built in, see `moat show builtin`); TCP is refused';
    },
  },
  {
    number: 'built in',
    what: '`deny incoming` lets mDNS and UPnP in, which only files can change',
    recorded: 'udp/5353 and udp/1900 accepted from anywhere, shown by no status',
    ufw: async (ufw, ground) => {
      await said(ufw, '--force', 'enable');
      const rules = await iptables(ground);
      expect(rules).toMatch(/--dport 5353 -j ACCEPT[\s\S]*--dport 1900 -j ACCEPT/);
      expect(await said(ufw, 'status', 'verbose')).not.toMatch(/5353|1900/);
      return 'udp/5353 and udp/1900 accepted; status verbose does not show it';
    },
    moat: async (moat) => {
      await sure(moat, 'enable');
      expect(await moat.ok('show', 'raw')).not.toMatch(/\b(5353|1900)\b/);
      expect(await moat.ok('show', 'builtin')).toContain('Nothing else is built in.');
      return 'only what a network needs, and all of it in `moat show builtin`';
    },
  },
  {
    number: 'automation',
    what: 'no JSON; exit 0 for what did not happen; no way to tell a no-op',
    recorded: 'exit 0 for a delete of nothing and for an aborted reset',
    ufw: async (ufw) => {
      const gone = await ufw.ufw(['delete', 'allow', '99']);
      const aborted = await ufw.ufw(['reset'], { input: 'n\n' });
      const json = await ufw.ufw(['status', '--json']);
      expect([gone.code, aborted.code, json.code]).toEqual([0, 0, 1]);
      return 'exit 0 for a delete of nothing and an aborted reset; `--json`: Invalid syntax';
    },
    moat: async (moat) => {
      const json = async (code: number, ...words: string[]): Promise<Record<string, unknown>> => {
        const result = await moat.run(...words, '--json');
        expect([words.join(' '), result.code, result.stderr]).toEqual([words.join(' '), code, '']);
        const value = JSON.parse(result.stdout);
        expect(value.ok).toBe(code === 0);
        return value;
      };
      expect(await json(0, 'allow', '80')).toMatchObject({ outcome: 'added', changed: true });
      expect(await json(0, 'allow', '80')).toMatchObject({ outcome: 'exists', changed: false });
      for (const words of [
        [],
        ['status', 'numbered'],
        ['show', 'raw'],
        ['show', 'builtin'],
        ['show', 'added'],
        ['show', 'listening'],
        ['--dry-run', 'enable'],
        ['help'],
        ['help', 'allow'],
        ['version'],
        ['--version'],
        ['reload'],
      ])
        await json(0, ...words);
      // A confirmation of nothing is no success.
      await json(3, 'confirm');
      for (const words of [
        ['delete', 'allow', '99'],
        ['delete', '99'],
        ['delete'],
        ['insert', '0', 'allow', '99'],
        ['allow'],
        ['default'],
        ['default', 'deny', 'sideways'],
        ['logging', 'loud'],
        ['group'],
        ['show'],
        ['show', 'nonsense'],
        ['enable', 'now'],
        ['status', 'nonsense'],
        ['frobnicate'],
        ['--confirm', 'x', 'enable'],
        ['allow', '22', '--nonsense'],
        ['prepend'],
      ])
        expect(await json(2, ...words)).toMatchObject({
          problems: [{ line: 1, message: expect.any(String) }],
        });
      for (const words of ['status', 'allow 0', 'enable --dry-run', 'help']) {
        expect(output(await moat.run(...words.split(' '))), words).not.toContain('\u001b');
      }
      return '--json gives one value for every outcome; exit 2 for a mistake, "changed" tells a no-op; no colours in pipes';
    },
  },
];

/** From now on iptables refuses rules about this port, for this ufw alone. */
async function refuseInIptables(ufw: Ufw, port: string): Promise<void> {
  const script = `
real=$(readlink -f "$(command -v iptables)")
mkdir -p /run/real && cp "$real" /run/real/multi
cat > /run/real/wrapper <<'EOF'
#!/bin/bash
case " $* " in *" --dport ${port} "*) echo 'iptables: Resource temporarily unavailable.' >&2; exit 4;; esac
exec -a "$(basename "$0")" /run/real/multi "$@"
EOF
chmod 755 /run/real/wrapper
mount --bind /run/real/wrapper "$real"`;
  const done = await ufw.run('bash', ['-ec', script]);
  if (done.code !== 0) throw new Error(output(done));
}
