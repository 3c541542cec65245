// What is found in facts that no namespace can be given: units of systemd, clocks, and what comes of several at once.
import { expect, test } from 'vitest';
import type { BootUnitState } from '../apply/boot-state.ts';
import type { SelfTest } from '../apply/self-test.ts';
import { parsePolicyFile } from '../policy/file.ts';
import type { Policy } from '../policy/model.ts';
import { parseServices } from '../policy/services.ts';
import { diagnose } from './diagnosis.ts';
import { doctorText } from './doctor-text.ts';
import type { Facts, LiveFacts, MoatFacts, SshPort } from './facts.ts';

const NOW = Date.UTC(2026, 5, 1) / 1000;

function policyOf(...lines: string[]): Policy {
  const parsed = parsePolicyFile(['default deny incoming', ...lines].join('\n'), parseServices(''));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.file.policy;
}

const GOOD: MoatFacts = {
  active: true,
  policy: policyOf('allow 22/tcp'),
  appliedKnown: true,
  drifted: [],
  watched: false,
  pending: undefined,
  brokenGenerations: [],
  lastApplied: NOW - 100,
  boot: { rules: '/var/lib/moat/boot.nft', refusal: undefined, unit: { kind: 'in order' } },
};

interface Given {
  readonly moat?: Partial<MoatFacts>;
  readonly machine?: Partial<LiveFacts>;
  readonly ssh?: readonly SshPort[];
}

function facts({ moat, machine, ssh = [] }: Given = {}): Facts {
  return {
    ...{ ruleset: { tables: [] }, snapshot: undefined, now: NOW, ssh },
    machine: {
      ...{ nft: { kind: 'works' }, missingFeatures: [], services: [], dockerIptables: undefined },
      files: { ufwEnabled: false, flushes: undefined, oracleRules: [] },
      ...{ iptables: 'nft', container: undefined, clockSynchronised: true, missingPrograms: [] },
      ...machine,
      moat: { ...GOOD, ...moat },
    },
  };
}

const ids = (given: Given, tried?: SelfTest): string[] =>
  diagnose(facts(given), tried).map(({ id, severity }) => `${severity} ${id}`);

const SSH: SshPort = {
  port: 22,
  listeners: [
    {
      ...{ protocol: 'tcp', family: 'ipv4', address: { family: 'ipv4', value: 0n }, port: 22 },
      what: { kind: 'process', name: 'sshd', pid: 7, unit: undefined },
    },
  ],
  process: 'sshd',
  isClosed: false,
};

test('nothing where all is well', () => {
  expect(ids({ ssh: [SSH] })).toEqual([]);
});

test.each<[BootUnitState, string[]]>([
  [{ kind: 'missing', file: '/u' }, ['high boot-unit']],
  [{ kind: 'not enabled', file: '/u' }, ['high boot-unit']],
  [{ kind: 'edited', file: '/u' }, ['medium boot-unit']],
  [{ kind: 'not started', script: '/s', there: true }, []],
])('the unit: %j', (unit, expected) => {
  expect(ids({ moat: { boot: { ...GOOD.boot, unit } } })).toEqual(expected);
  // Where nothing is enabled no unit is missed.
  expect(ids({ moat: { active: false, boot: { rules: undefined, refusal: undefined, unit } } })).toEqual([]);
});

test('a rule that ends is grave where nothing else lets ssh in', () => {
  const ending = 'allow 22/tcp until 2026-06-01T02:00:00Z';
  expect(ids({ ssh: [SSH], moat: { policy: policyOf(ending) } })).toEqual(['high rule-ends']);
  expect(ids({ ssh: [SSH], moat: { policy: policyOf(ending, 'allow from 192.0.2.9') } })).toEqual([
    'low rule-ends',
  ]);
  const later = 'allow 22/tcp until 2026-06-03T02:00:00Z';
  expect(ids({ ssh: [SSH], moat: { policy: policyOf(later) } })).toEqual([]);
});

test('a clock that nobody holds matters where sentences end by it', () => {
  const later = policyOf('allow 22/tcp', 'allow 80 until 2026-06-03T02:00:00Z');
  expect(ids({ machine: { clockSynchronised: false }, moat: { policy: later } })).toEqual(['low clock']);
  expect(ids({ machine: { clockSynchronised: undefined }, moat: { policy: later } })).toEqual([]);
  expect(ids({ machine: { clockSynchronised: false } })).toEqual([]);
});

test('a change that is overdue is grave', () => {
  expect(ids({ moat: { pending: { secondsLeft: 0, overdue: true } } })).toEqual(['high pending']);
});

test('a trial that failed is told by its cause where that is known', () => {
  const failed: SelfTest = { kind: 'failed', step: 'go back', why: 'nothing happened', took: 9 };
  expect(ids({}, failed)).toEqual(['high way-back-test']);
  expect(ids({ machine: { missingPrograms: ['flock'] } }, failed)).toEqual(['high way-back-programs']);
  const timer: SelfTest = { ...failed, step: 'timer of systemd' };
  expect(diagnose(facts(), timer)[0]?.mend).toEqual(['systemctl daemon-reexec']);
});

test('without moat in use: it is enabled before the other firewall is stopped', () => {
  const services = [{ name: 'firewalld', atBoot: true, active: true }];
  const boot = { ...GOOD.boot, rules: undefined };
  const [finding] = diagnose(facts({ machine: { services }, moat: { active: false, boot } }));
  expect(finding?.mend).toEqual(['moat enable', 'systemctl disable --now firewalld']);
});

test('for people: the worst first, what to type below, a summary at the end', () => {
  const given = facts({
    machine: { missingPrograms: ['flock'], services: [{ name: 'csf', atBoot: true, active: undefined }] },
  });
  const wayBack: SelfTest = { kind: 'passed', waited: 500, backAfter: 540, took: 1430 };
  const plain = { heading: (text: string) => text, bad: (text: string) => text };
  const text = doctorText({ findings: diagnose(given), wayBack, notKnown: [] }, plain);
  expect(text).toMatchInlineSnapshot(`
    "HIGH    flock is not in /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
            the way back is a shell script that needs them: a change that locks you out would not be undone, or not whole
            $ apt install util-linux
    MEDIUM  csf is started at boot
            from the next boot on two firewalls decide: what one of them refuses stays closed, whatever the other one allows
            $ csf --disable
            $ systemctl disable csf lfd
    WAY BACK  works, tried in a network of its own on this machine: a change given 0.5 s to be confirmed was gone after 0.5 s; all of it took 1.4 s
    2 findings: 1 high, 1 medium"
  `);
});

test('names in groups want a daemon that asks again', () => {
  const policy = policyOf('group office a.example b.example', 'allow 22/tcp');
  expect(ids({ moat: { policy } })).toEqual(['medium names']);
  expect(ids({ moat: { policy, watched: true } })).toEqual([]);
  const told = diagnose(facts({ moat: { policy } }))[0];
  expect(told?.what).toBe(
    'a.example, b.example: names in groups, and no daemon runs that asks DNS for them again',
  );
  expect(told?.mend).toEqual(['moat daemon --install']);
});
