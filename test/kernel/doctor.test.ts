// moat doctor on hosts that were prepared badly: each finding is told and nothing else, and what it says mends it.
import { readdirSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type PrivateHost, startPrivateHost } from '../../lab/private-host.ts';
import { isRealRoot } from '../../lab/privilege.ts';
import { startSshd } from '../../lab/sshd.ts';
import { generationText } from '../../packages/firewall/src/kernel/generations.ts';
import { documentedSchema, schemaProblems } from '../json-schema.ts';
import { commandLine } from './way-backs.ts';

vi.setConfig({ maxConcurrency: 3 });

interface Told {
  readonly ok: boolean;
  readonly findings: readonly {
    readonly id: string;
    readonly severity: string;
    readonly what: string;
    readonly mend: readonly string[];
  }[];
  readonly wayBack: { readonly result: string; readonly step?: string; readonly why?: string } | null;
  readonly notKnown: readonly string[];
}

const SCHEMA = documentedSchema('doctor');

async function doctor(
  host: PrivateHost,
  options: readonly string[] = [],
  before: readonly string[] = [],
): Promise<Told & { readonly code: number }> {
  const [command = '', ...args] = [...before, ...host.moatCommand, 'doctor', '--json', ...options];
  const { code, stdout, stderr } = await host.run(command, args);
  if (stdout === '') throw new Error(stderr);
  const told = JSON.parse(stdout) as Told;
  expect(schemaProblems(SCHEMA, told)).toEqual([]);
  return { ...told, code };
}

/** What `moat allow 22` and `moat enable --confirm 0` leave: it is made once. */
let state: string;

beforeAll(async () => {
  state = join(await mkdtemp(join(tmpdir(), 'moat-doctor-')), 'state.tar');
  await onHost(async (host) => {
    await moat(host, 'allow', '22');
    await moat(host, 'enable', '--confirm', '0');
    await host.sh(`tar -cf ${state} /etc/moat /var/lib/moat 2>/dev/null`);
  });
});

/** A policy that lets ssh in, in force and for the next boot. */
async function enabled(host: PrivateHost, ...sentences: string[]): Promise<void> {
  await host.sh(`tar -C / -xf ${state}; nft -f /var/lib/moat/boot.nft`);
  for (const sentence of sentences) await moat(host, ...sentence.split(' '), '--confirm', '0');
}

async function moat(host: PrivateHost, ...words: string[]): Promise<void> {
  const { code, stdout, stderr } = await host.moat(...words);
  if (code !== 0) throw new Error(`moat ${words.join(' ')}: ${code}\n${stdout}${stderr}`);
}

/** A service as its package would leave it: installed, and started at boot. */
async function service(host: PrivateHost, name: string): Promise<void> {
  const text =
    '[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n';
  await host.put(`/etc/systemd/system/${name}.service`, text);
  await host.sh(`systemctl enable ${name}`);
}

/** Programs of a package that is not installed, which do nothing. */
async function stubs(host: PrivateHost, ...names: string[]): Promise<void> {
  for (const name of names) await host.put(`/usr/local/sbin/${name}`, '#!/bin/sh\n', '755');
}

/** nft that refuses a text, or a file, that has these words in it. */
async function brokenNft(host: PrivateHost, test: string, says: string): Promise<void> {
  const script = `#!/bin/sh
for last in "$@"; do :; done
text=
case "$last" in -) text=$(cat) ;; /*) [ -f "$last" ] && text=$(cat "$last") ;; esac
if ${test}; then echo '${says}' >&2; exit 1; fi
if [ "$last" = - ]; then printf '%s\\n' "$text" | exec /usr/sbin/nft "$@"; fi
exec /usr/sbin/nft "$@"
`;
  await host.put('/usr/local/sbin/nft', script, '755');
}

const ORACLE = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:InstanceServices - [0:0]
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A OUTPUT -d 169.254.0.0/16 -j InstanceServices
-A InstanceServices -d 169.254.0.2/32 -p tcp -m owner --uid-owner 0 -m tcp --dport 3260 -j ACCEPT
-A InstanceServices -d 169.254.2.0/24 -p tcp -m owner --uid-owner 0 -m tcp --dport 3260 -j ACCEPT
-A InstanceServices -d 169.254.0.0/16 -p tcp -m tcp -j REJECT --reject-with tcp-reset
COMMIT
`;

const FUTURE = {
  ...{ number: 900, when: '2038-01-01T00:00:00.000Z', who: { user: 'root' }, why: 'moat reload' },
  ...{ restores: null, change: null, summary: [], narrowing: [], policy: '', rules: '' },
};

interface BadHost {
  readonly name: string;
  readonly id: string;
  readonly severity: string;
  /** Stands in what was found. */
  readonly says: string;
  readonly prepare: (host: PrivateHost) => Promise<void>;
  /** What stands in the place of the command: what a namespace cannot do, or what stands in for a program. */
  readonly mend?: (host: PrivateHost, command: string) => Promise<void>;
  readonly before?: readonly string[];
}

/** Commands as they are told; those that wait for a confirmation are confirmed at once. */
async function mendAsTold(host: PrivateHost, command: string): Promise<void> {
  const [program = '', ...words] = command.replace(/ +#.*/, '').split(' ');
  if (program === 'moat') return moat(host, ...words, ...(words[0] === 'abort' ? [] : ['--confirm', '0']));
  // A service that does not run cannot be stopped or started: there is no systemd.
  if (command.startsWith('systemctl restart ')) return;
  await host.sh(command.replace(' --now', ''));
}

const BAD_HOSTS: readonly BadHost[] = [
  {
    ...{ name: 'ufw', id: 'other-manager', severity: 'medium', says: 'ufw is active and started at boot' },
    prepare: async (host) => {
      await enabled(host);
      await host.sh('ufw allow 22 && ufw --force enable');
    },
  },
  {
    ...{ name: 'firewalld', id: 'other-manager', severity: 'medium', says: 'firewalld is started at boot' },
    prepare: async (host) => {
      await enabled(host);
      await service(host, 'firewalld');
    },
  },
  {
    ...{ name: 'csf', id: 'other-manager', severity: 'medium', says: 'csf is started at boot' },
    prepare: async (host) => {
      await enabled(host);
      for (const name of ['csf', 'lfd']) await service(host, name);
      await stubs(host, 'csf');
    },
  },
  {
    ...{ name: 'shorewall', id: 'other-manager', severity: 'medium', says: 'shorewall is started at boot' },
    prepare: async (host) => {
      await enabled(host);
      await service(host, 'shorewall');
      await stubs(host, 'shorewall');
    },
  },
  {
    ...{ name: 'netfilter-persistent', id: 'other-manager', severity: 'medium' },
    says: 'netfilter-persistent is started at boot',
    prepare: async (host) => {
      await enabled(host);
      await service(host, 'netfilter-persistent');
    },
  },
  {
    ...{ name: 'nftables.service', id: 'flush-ruleset', severity: 'high', says: '/etc/nftables.conf' },
    prepare: async (host) => {
      await enabled(host);
      await host.put('/etc/nftables.conf', '#!/usr/sbin/nft -f\n\nflush ruleset\n');
      await host.sh('systemctl enable nftables');
    },
  },
  {
    ...{ name: 'both backends of iptables', id: 'two-iptables', severity: 'medium', says: 'legacy and nft' },
    prepare: async (host) => {
      await enabled(host);
      await host.sh('iptables-nft -A INPUT -p tcp --dport 80 -j ACCEPT');
      await host.sh('iptables-legacy -P FORWARD DROP; iptables-legacy -A INPUT -s 192.0.2.9 -j DROP');
      await host.sh('ip6tables-legacy -t mangle -N odd; ip6tables-legacy -t mangle -A PREROUTING -j odd');
    },
  },
  {
    ...{ name: 'Docker without iptables', id: 'docker-iptables', severity: 'medium' },
    says: '/etc/docker/daemon.json',
    prepare: async (host) => {
      await enabled(host);
      await host.put('/etc/docker/daemon.json', '{\n  "iptables": false,\n  "ipv6": true\n}\n');
    },
  },
  {
    ...{ name: 'a kernel without labels', id: 'kernel-feature', severity: 'high', says: 'ct label' },
    prepare: async (host) => {
      await enabled(host);
      const says = '/dev/stdin:4:14-29: Error: Could not process rule: Operation not supported';
      await brokenNft(host, 'echo "$text" | grep -q "ct label set"', says);
    },
    mend: (host) => host.sh('rm -f /usr/local/sbin/nft').then(() => {}),
  },
  {
    ...{ name: 'no way to nftables', id: 'nft-refused', severity: 'high', says: 'in this container (lxc)' },
    prepare: (host) => host.put('/run/systemd/container', 'lxc\n'),
    // The kernel's own word: without the capability it refuses everything.
    before: ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin'],
    mend: async () => {},
  },
  {
    ...{
      name: 'forwarding of IPv6',
      id: 'ipv6-forwarding',
      severity: 'medium',
      says: 'IPv6 forwarding is on',
    },
    prepare: async (host) => {
      await moat(host, 'allow', '22');
      await host.sh('echo 1 >/proc/sys/net/ipv6/conf/all/forwarding');
    },
  },
  {
    ...{ name: 'sshd at another port', id: 'ssh-port', severity: 'high', says: 'sshd listens on 2222/tcp' },
    prepare: async (host) => {
      await enabled(host);
      const { stop } = await startSshd(host.machine, { port: 2222 });
      stops.push(stop);
    },
  },
  {
    ...{
      name: 'sshd told of another port',
      id: 'ssh-port',
      severity: 'high',
      says: 'sshd_config has port 2200',
    },
    prepare: async (host) => {
      await enabled(host);
      await service(host, 'ssh');
      await host.put('/etc/ssh/sshd_config', 'Include /etc/ssh/sshd_config.d/*.conf\n#Port 22\n');
      await host.put('/etc/ssh/sshd_config.d/port.conf', 'Port 2200\n');
    },
  },
  {
    ...{ name: 'a rule that ends', id: 'rule-ends', severity: 'low', says: '`allow 8080/tcp` ends in' },
    prepare: (host) => enabled(host, 'allow 8080/tcp for 2h'),
  },
  {
    ...{ name: 'a clock behind the rules', id: 'clock', severity: 'medium', says: '2038-01-01' },
    prepare: async (host) => {
      await enabled(host);
      await host.put('/var/lib/moat/generations/900', generationText(FUTURE));
    },
    // No clock is set here; it gets later by itself.
    mend: (host) => host.sh('rm /var/lib/moat/generations/900').then(() => {}),
  },
  {
    ...{ name: "Oracle's disk", id: 'oracle-disk', severity: 'high', says: '169.254.0.0/16, port 3260/tcp' },
    prepare: async (host) => {
      await enabled(host, 'default deny outgoing');
      await host.put('/etc/iptables/rules.v4', ORACLE);
      await service(host, 'netfilter-persistent');
      await host.sh('iptables-nft-restore /etc/iptables/rules.v4');
    },
  },
  {
    ...{
      name: "Oracle's rules flushed",
      id: 'oracle-disk',
      severity: 'medium',
      says: 'somebody flushed them',
    },
    prepare: async (host) => {
      await enabled(host);
      await host.put('/etc/iptables/rules.v4', ORACLE);
      await service(host, 'netfilter-persistent');
    },
  },
  {
    ...{ name: 'rules for boot torn', id: 'boot-rules', severity: 'high', says: 'boot.nft does not load' },
    prepare: async (host) => {
      await enabled(host);
      await host.sh('truncate --size=700 /var/lib/moat/boot.nft');
    },
  },
  {
    ...{ name: 'no rules for boot', id: 'boot-rules', severity: 'high', says: 'not kept for the next boot' },
    prepare: async (host) => {
      await enabled(host);
      await host.sh('rm /var/lib/moat/boot.nft');
    },
  },
  {
    ...{
      name: 'nothing that the boot runs',
      id: 'boot-unit',
      severity: 'high',
      says: '/var/lib/moat/boot.sh',
    },
    prepare: async (host) => {
      await enabled(host);
      await host.sh('rm /var/lib/moat/boot.sh');
    },
  },
  {
    ...{ name: 'rules flushed', id: 'not-loaded', severity: 'high', says: 'somebody flushed them' },
    prepare: async (host) => {
      await enabled(host);
      await host.sh('nft flush ruleset');
    },
  },
  {
    ...{ name: 'rules changed past moat', id: 'drift', severity: 'high', says: 'incoming' },
    prepare: async (host) => {
      await enabled(host);
      await host.sh('nft insert rule inet moat incoming accept');
    },
  },
  {
    ...{ name: 'names without a daemon', id: 'names', severity: 'medium', says: 'home.example.org' },
    prepare: (host) => enabled(host, 'group home home.example.org', 'allow from home to any port 8080'),
    mend: (host) =>
      moat(host, 'delete', 'allow', 'from', 'home', 'to', 'any', 'port', '8080', '--confirm', '0').then(() =>
        moat(host, 'delete', 'group', 'home'),
      ),
  },
  {
    ...{ name: 'an interrupted change', id: 'interrupted', severity: 'medium', says: 'was interrupted' },
    prepare: async (host) => {
      await enabled(host);
      await host.sh('rm /var/lib/moat/applied-policy');
    },
  },
  {
    ...{ name: 'a change that waits', id: 'pending', severity: 'low', says: 'goes back by itself in' },
    prepare: async (host) => {
      await enabled(host, 'allow 9');
      await moat(host, 'deny', '9', '--confirm', '80');
    },
    mend: (host) => moat(host, 'abort'),
  },
  {
    ...{ name: 'a torn generation', id: 'torn-generation', severity: 'low', says: 'its checksum is wrong' },
    prepare: async (host) => {
      await enabled(host);
      await host.sh('echo torn >>/var/lib/moat/generations/1');
    },
  },
  {
    ...{ name: 'no flock', id: 'way-back-programs', severity: 'high', says: 'flock is not in' },
    prepare: async (host) => {
      await enabled(host);
      await host.sh('mount --bind /dev/null /usr/bin/flock');
    },
    mend: (host) => host.sh('umount /usr/bin/flock').then(() => {}),
  },
];

const stops: (() => Promise<void>)[] = [];
afterAll(async () => {
  await Promise.all(stops.map((stop) => stop()));
  await rm(dirname(state), { recursive: true, force: true });
  // No trial left anybody behind.
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  expect(pids.filter((pid) => commandLine(Number(pid)).includes('/run/moat-self-test/'))).toEqual([]);
});

async function onHost(work: (host: PrivateHost) => Promise<void>): Promise<void> {
  const host = await startPrivateHost();
  try {
    await work(host);
  } finally {
    await host.destroy();
  }
}

describe.runIf(isRealRoot())('doctor', { concurrent: true }, () => {
  test('a good host: nothing is found, and the way back works', () =>
    onHost(async (host) => {
      await enabled(host);
      const { stop } = await startSshd(host.machine);
      stops.push(stop);
      const told = await doctor(host);
      expect(told).toMatchObject({ code: 0, ok: true, findings: [], wayBack: { result: 'works' } });
      expect(told.notKnown).toEqual([]);
    }));

  test('nft that loads nothing when it is time to go back', () =>
    onHost(async (host) => {
      await moat(host, 'allow', '22');
      await brokenNft(
        host,
        '[ "$1" = -f ] && { [ "$last" = - ] || echo "$last" | grep -q "/pending/rules.nft$"; }',
        'no memory',
      );
      const why = expect.stringContaining('rules.nft failed (try 1)');
      const told = await doctor(host);
      expect(told.wayBack).toMatchObject({ result: 'fails', step: 'go back', why });
      expect(told.findings).toEqual([expect.objectContaining({ id: 'way-back-test', severity: 'high' })]);
      // Nobody is brought to where there is no way back from, unless he says so.
      const refused = await host.moat('enable');
      expect(refused.code).toBe(3);
      expect(refused.stderr).toContain('the way back does not work on this machine (go back)');
      expect((await host.run('nft', ['list', 'tables'])).stdout).toBe('');
      await moat(host, 'enable', '--confirm', '0');
    }));

  test('a shell that waits and is killed', () =>
    onHost(async (host) => {
      // What it sleeps with ends it, when it has begun for long.
      await host.put('/usr/local/sbin/sleep', '#!/bin/sh\n/bin/sleep 2\nkill -KILL $PPID\n', '755');
      const told = await doctor(host);
      const why = expect.stringContaining('the shell that waits did nothing');
      expect(told.wayBack).toMatchObject({ result: 'fails', step: 'go back', why });
      expect(told.findings.map(({ id }) => id)).toEqual(['way-back-test']);
    }));

  test('without flock: the trial says so as well', () =>
    onHost(async (host) => {
      await host.sh('mount --bind /dev/null /usr/bin/flock');
      const told = await doctor(host);
      expect(told.wayBack).toMatchObject({ result: 'fails', why: expect.stringContaining('flock') });
      expect(told.findings.map(({ id }) => id)).toEqual(['way-back-programs']);
    }));

  test('without namespaces: the trial says that it was none', () =>
    onHost(async (host) => {
      await enabled(host);
      await host.sh('mount --bind /dev/null /usr/bin/unshare');
      const told = await doctor(host);
      expect(told.wayBack).toMatchObject({ result: 'not tried', why: expect.stringContaining('unshare') });
      expect(told).toMatchObject({ code: 0, findings: [], notKnown: [expect.stringContaining('what nft')] });
    }));

  test('the first `enable` tries the way back, the next one knows', () =>
    onHost(async (host) => {
      await moat(host, 'allow', '22');
      await moat(host, 'enable');
      const [kernel] = (await host.run('uname', ['-r'])).stdout.split('\n');
      expect((await host.run('cat', ['/var/lib/moat/tried'])).stdout.trim()).toBe(kernel);
      await moat(host, 'abort');
      // A nft that could not go back in a trial, were there one.
      await brokenNft(host, 'echo "$last" | grep -q self-test', 'no memory');
      await moat(host, 'enable');
      await moat(host, 'abort');
    }));

  test('a trial leaves nothing behind, and touches neither rules nor files of the host', () =>
    onHost(async (host) => {
      await enabled(host);
      const seen =
        'nft list ruleset; find /etc/moat /var/lib/moat /run -path /run/.over -prune -o -type f -printf "%p %T@\\n" | sort';
      const before = await host.sh(seen);
      expect((await doctor(host)).wayBack).toMatchObject({ result: 'works' });
      expect(await host.sh(seen)).toBe(before);
      // Told of the network that it is in, the inside of a trial touches nothing.
      const typed = await host.moat('self-test', readlinkSync(host.machine.path));
      expect(typed.code).toBe(1);
      expect(typed.stderr).toContain('in a network namespace of its own');
      expect(await host.sh(seen)).toBe(before);
    }));

  test('a snapshot tells what a file can know', () =>
    onHost(async (host) => {
      await host.sh(
        'iptables-nft -A INPUT -p tcp --dport 22 -j DROP; iptables-legacy -A INPUT -s 192.0.2.9 -j DROP',
      );
      await host.sh('ip6tables-nft -A INPUT -p tcp --dport 22 -j DROP');
      await host.sh('ufw allow 80 && ufw --force enable; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding');
      const { stop } = await startSshd(host.machine);
      stops.push(stop);
      await moat(host, 'snapshot', '/run/host.json');
      const told = await doctor(host, ['--snapshot', '/run/host.json']);
      expect(told.findings.map(({ id }) => id)).toEqual(['ssh-port', 'other-manager', 'two-iptables']);
      expect(told).toMatchObject({ wayBack: null, notKnown: [expect.stringContaining('the way back')] });
    }));

  test.each(BAD_HOSTS)('$name', ({ id, severity, says, prepare, mend = mendAsTold, before = [] }) =>
    onHost(async (host) => {
      await prepare(host);
      const told = await doctor(host, ['--quick'], before);
      expect(told.findings).toEqual([
        expect.objectContaining({ id, severity, what: expect.stringContaining(says) }),
      ]);
      expect(told.code).toBe(3);
      const [{ mend: commands } = { mend: [] }] = told.findings;
      expect(commands.length).toBeGreaterThan(0);
      for (const command of commands) await mend(host, command);
      expect((await doctor(host, ['--quick'])).findings).toEqual([]);
    }),
  );
});
