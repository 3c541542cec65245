// What a change does, by what listens: what it opens, closes, keeps, does elsewhere, or that it does nothing.
import { parseAddress, type Ruleset, readIptablesSave } from '@moat/netfilter';
import { describe, expect, test } from 'vitest';
import { NO_LINKS } from '../compile/container-links.ts';
import { compileTable } from '../compile/table.ts';
import type { Listener } from '../kernel/listeners.ts';
import { parsePolicyFile } from '../policy/file.ts';
import { parseServices } from '../policy/services.ts';
import { type Effects, effectsOf } from './effects.ts';
import { effectLines, effectsJson } from './effects-text.ts';

const NO_RULES: Ruleset = { tables: [] };

function policy(...lines: readonly string[]): Ruleset {
  const parsed = parsePolicyFile(lines.map((line) => `${line}\n`).join(''), parseServices(''));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return { tables: [compileTable(parsed.file.policy, NO_LINKS)] };
}

const iptables = (...rules: readonly string[]): Ruleset =>
  readIptablesSave(['*filter', ':INPUT DROP [0:0]', ...rules, 'COMMIT', ''].join('\n')).ruleset;

function listener(name: string, port: number, address = '0.0.0.0'): Listener {
  const parsed = parseAddress(address)!;
  const what = { kind: 'process', name, pid: port, unit: undefined } as const;
  return { protocol: 'tcp', family: parsed.family, address: parsed, port, what };
}

const everywhere = (name: string, port: number): Listener[] => [
  listener(name, port),
  listener(name, port, '::'),
];

function effects(
  before: Ruleset,
  after: Ruleset,
  listeners: readonly Listener[],
  effort = 40_000_000,
): Effects {
  return effectsOf({ before, after, listeners, effort });
}

const said = (of: Effects, keeps = false): string =>
  effectLines(of, { keeps })
    .map((line) => line.replace(/ +/g, ' ').trim())
    .join('\n');

const LISTENERS = [...everywhere('sshd', 22), ...everywhere('mysqld', 3306)];

describe('the listeners', () => {
  test('a first policy closes what it does not allow, and keeps what it does', () => {
    const of = effects(NO_RULES, policy('allow 22/tcp'), LISTENERS);
    expect(of.listeners).toEqual([
      { verb: 'keeps', port: '22/tcp', what: 'sshd', sources: 'anywhere', families: ['ipv4', 'ipv6'] },
      { verb: 'closes', port: '3306/tcp', what: 'mysqld', sources: 'anywhere', families: ['ipv4', 'ipv6'] },
    ]);
    expect(said(of, true)).toMatch(/^PLAN closes 3306\/tcp \(mysqld\) to anywhere v4 v6\n/);
    expect(said(of, true)).toContain('\nkeeps 22/tcp (sshd) to anywhere v4 v6\n');
    expect(said(of)).not.toContain('keeps');
  });

  test('one more sentence opens that port, to those it names, in the families that these have', () => {
    const after = policy('allow 22/tcp', 'allow from 203.0.113.7 to any port 3306');
    const of = effects(policy('allow 22/tcp'), after, LISTENERS);
    expect(of.listeners.filter(({ verb }) => verb !== 'keeps')).toEqual([
      { verb: 'opens', port: '3306/tcp', what: 'mysqld', sources: '203.0.113.7', families: ['ipv4'] },
    ]);
    expect(said(of)).toMatch(/^PLAN opens 3306\/tcp \(mysqld\) to 203.0.113.7 v4\n/);
  });

  test('a sentence that takes part of it away closes to these and keeps it for the rest', () => {
    const of = effects(
      policy('allow 3306/tcp'),
      policy('deny from 192.0.2.0/24', 'allow 3306/tcp'),
      everywhere('mysqld', 3306),
    );
    expect(of.listeners).toEqual([
      { verb: 'closes', port: '3306/tcp', what: 'mysqld', sources: '192.0.2.0/24', families: ['ipv4'] },
      {
        ...{ verb: 'keeps', port: '3306/tcp', what: 'mysqld', sources: 'anywhere but 192.0.2.0/24' },
        families: ['ipv4'],
      },
      { verb: 'keeps', port: '3306/tcp', what: 'mysqld', sources: 'anywhere', families: ['ipv6'] },
    ]);
  });

  test('what a limit decides may be closed', () => {
    const of = effects(policy('allow 22/tcp'), policy('limit 22/tcp'), everywhere('sshd', 22));
    expect(of.listeners.map(({ verb }) => verb)).toContain('may close');
    expect(of.listeners.map(({ verb }) => verb)).not.toContain('closes');
    expect(said(of)).toMatch(/may close +22\/tcp \(sshd\)/);
  });

  test('who listens on one address is told by that address alone, and on loopback not at all', () => {
    const after = iptables('-A INPUT -d 203.0.113.130 -p tcp --dport 80 -j ACCEPT');
    const here = listener('apache2', 80, '203.0.113.130');
    const elsewhere = listener('nginx', 80, '203.0.113.131');
    const of = effects(iptables(), after, [here, elsewhere, listener('redis', 80, '127.0.0.1')]);
    expect(of.listeners).toEqual([
      { verb: 'opens', port: '80/tcp', what: 'apache2', sources: 'anywhere', families: ['ipv4'] },
    ]);
  });
});

describe('elsewhere', () => {
  test('an open port where nothing listens, and other roads, stand in lines of their own', () => {
    const of = effects(
      policy('allow 22/tcp'),
      policy('allow 22/tcp', 'allow 8080/tcp', 'deny out 25/tcp'),
      LISTENERS,
    );
    expect(of.listeners.every(({ verb }) => verb === 'keeps')).toBe(true);
    const families = ['ipv4', 'ipv6'];
    expect(of.others).toContainEqual({ verb: 'opens', road: 'input', packets: 'tcp 8080', families });
    // From here and from containers.
    expect(of.others.filter(({ verb }) => verb === 'closes')).toMatchObject([
      { road: 'forward', packets: expect.stringMatching(/^tcp 25 in .*docker0/), families },
      { road: 'output', packets: expect.stringMatching(/^tcp 25\b/), families },
    ]);
    expect(of.others).toHaveLength(3);
    expect(said(of)).toMatch(
      /^PLAN opens incoming: tcp 8080 v4 v6\ncloses forwarded: tcp 25 .*\ncloses outgoing: tcp 25/,
    );
  });

  test('an answer instead of silence is told as such', () => {
    const of = effects(
      policy('default deny incoming'),
      policy('default deny incoming', 'reject 113/tcp'),
      LISTENERS,
    );
    expect(of.none).toBe(false);
    expect(of.others[0]).toEqual({
      ...{ verb: 'answers', road: 'input', packets: 'tcp 113' },
      families: ['ipv4', 'ipv6'],
    });
  });

  test('many of a kind stand in one line, and those that are not written out are counted', () => {
    const ports = [1001, 2003, 3005, 4007, 5009, 6011].map(
      (port, i) => `allow from 10.${i}.0.0/16 to any port ${port} proto tcp`,
    );
    const line = said(effects(policy('allow 22/tcp'), policy('allow 22/tcp', ...ports), [])).split('\n')[0]!;
    expect(line).toContain('tcp 1001 from 10.0.0.0/16; ');
    expect(line).toMatch(/ and 2 more v4$/);
  });
});

describe('no effect', () => {
  test('for other rules that mean the same', () => {
    const of = effects(
      policy('allow 22/tcp'),
      policy('allow 22/tcp', 'allow from 10.0.0.0/8 to any port 22 proto tcp'),
      LISTENERS,
    );
    expect(of).toMatchObject({ none: true, others: [], later: false, tooLarge: [] });
    expect(said(of, true)).toBe('PLAN no effect: no verdict changes, for any packet');
    expect(effectsJson(of)).toMatchObject({ noEffect: true, notCompared: [] });
  });

  test('is not said where only packets that begin no flow fare otherwise', () => {
    const [before, after] = [
      ['-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT'],
      ['-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT'],
    ].map((rules) => iptables(...rules)) as [Ruleset, Ruleset];
    const of = effects(before, after, [listener('sshd', 22)]);
    expect(of).toMatchObject({ none: false, others: [], later: true });
    expect(said(of)).toBe('note: only packets that begin no flow fare otherwise');
  });

  test('is not said of what was too large to compare', () => {
    const of = effects(policy('allow 22/tcp'), policy('allow 22/tcp', 'allow 80/tcp'), LISTENERS, 100);
    expect(of).toMatchObject({ none: false, listeners: [], tooLarge: ['ipv4', 'ipv6'] });
    expect(said(of)).toMatch(/^note: Not compared: the rules for IPv4 and IPv6 are too many/);
    expect(effectsJson(of)).toMatchObject({ noEffect: false, notCompared: ['ipv4', 'ipv6'] });
  });
});

test('JSON has the rows as they are', () => {
  const of = effects(policy('allow 22/tcp'), policy('allow 22/tcp', 'allow 3306/tcp'), LISTENERS);
  expect(effectsJson(of)).toEqual({
    noEffect: false,
    listeners: of.listeners,
    others: of.others,
    otherStates: false,
    notCompared: [],
  });
});
